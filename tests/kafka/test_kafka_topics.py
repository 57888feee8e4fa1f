"""Topic commands for operators, and connecting to a cluster: log-in, TLS, lists of brokers."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError
from kafka_cluster import PASSWORD, USERNAME, KafkaCluster
from kafka_world import Topics
from typer.testing import CliRunner, Result

from hortus.app.command_line.main import app
from hortus.app.observation import MetricsAddress, observed
from hortus.base.errors import OperationalError, UsageError
from hortus.base.settings import Settings, read_settings
from hortus.flow.kafka.administration import KafkaAdministration, judge
from hortus.flow.kafka.connection import BrokerWatch, KafkaUnreachable, bootstrap_servers, kafka_connection
from hortus.flow.kafka.topics import LARGEST_RECORD_BYTES, TopicPlan
from hortus.http.server.server import CannotListen
from programs import free_port


@dataclass
class Command:
    """The command line with an environment of its own."""

    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: str, **environment: str) -> Result:
        for name, value in environment.items():
            self.monkeypatch.setenv(name, value)
        return CliRunner().invoke(app, arguments)


@pytest.fixture
def hortus(monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(monkeypatch)


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return read_settings()


def test_topics_are_made_once_and_fit(hortus: Command, kafka: KafkaCluster) -> None:
    names = {
        f"HORTUS_KAFKA_TOPIC_{kind}": f"made-{kind.lower()}"
        for kind in ("RAW", "AGGREGATE", "MEDIA", "DEAD_LETTER")
    }
    made = hortus("kafka", "topics", "create", "--partitions", "6", KAFKA_HOST=kafka.bootstrap, **names)
    assert made.exit_code == 0, made.exception
    assert "made-raw: made" in made.stdout
    again = hortus("kafka", "topics", "create")
    assert "made-raw: exists already" in again.stdout
    checked = hortus("kafka", "topics", "check", "--json")
    assert checked.exit_code == 0
    reports = {each["name"]: each for each in json.loads(checked.stdout)}
    assert reports["made-raw"]["partitions"] == 6
    assert reports["made-dead_letter"]["partitions"] == 3
    assert all(each["faults"] == [] for each in reports.values())
    assert hortus("kafka", "topics", "check").exit_code == 0


def test_a_check_names_what_is_wrong(hortus: Command, topics: Topics) -> None:
    small = f"{topics.names.media}-small"
    plan = TopicPlan(name=small, partitions=1, replication=1, in_sync_replicas=1, retention_ms=86_400_000)
    KafkaAdministration(topics.connection).create([plan])
    environment = topics.environment | {
        "HORTUS_KAFKA_TOPIC_MEDIA": small,
        "HORTUS_KAFKA_TOPIC_RAW": "nobody-made-this",
    }
    result = hortus("kafka", "topics", "check", **environment)
    assert isinstance(result.exception, OperationalError)
    assert "nobody-made-this: It does not exist." in str(result.exception)
    assert f"{small}: max.message.bytes is" in str(result.exception)


@pytest.mark.parametrize(
    ("found", "copies", "words"),
    [
        ({"cleanup.policy": "compact"}, 1, "compacted"),
        ({"min.insync.replicas": "2"}, 1, "nothing can be written"),
        ({"min.insync.replicas": "2"}, 2, "one broker down stops writing"),
        ({"min.insync.replicas": "1"}, 3, "when one broker has it"),
        ({"message.timestamp.type": "LogAppendTime"}, 3, "Kafka's time"),
    ],
)
def test_settings_are_judged(found: dict[str, str], copies: int, words: str) -> None:
    fits = {"max.message.bytes": str(LARGEST_RECORD_BYTES)}
    faults, remarks = judge(fits | found, copies, 3, holds_media=True)
    assert words in " ".join(faults + remarks)


def test_ingest_and_sink_name_the_topics_that_are_missing(hortus: Command, kafka: KafkaCluster) -> None:
    result = hortus("ingest", "--to", "kafka", KAFKA_HOST=kafka.bootstrap, HORTUS_KAFKA_TOPIC_RAW="missing-one")
    assert isinstance(result.exception, UsageError)
    assert "missing-one" in str(result.exception)
    assert "hortus kafka topics create" in str(result.exception)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
@pytest.mark.parametrize("tls", [False, True])
def test_it_logs_in(
    monkeypatch: pytest.MonkeyPatch, kafka: KafkaCluster, tls_folder: Path, mechanism: str, tls: bool
) -> None:
    node = kafka.nodes[0]
    connection = kafka_connection(
        settings(
            monkeypatch,
            KAFKA_HOST="127.0.0.1",
            KAFKA_PORT=str(node.tls_port if tls else node.sasl_port),
            KAFKA_USERNAME=USERNAME,
            KAFKA_PASSWORD=PASSWORD,
            HORTUS_KAFKA_SASL_MECHANISM=mechanism,
            HORTUS_KAFKA_TLS=str(tls),
            HORTUS_KAFKA_CA_FILE=str(tls_folder / "ca.pem") if tls else "",
        )
    )
    assert KafkaAdministration(connection).brokers() == 1


@pytest.mark.parametrize(
    ("changes", "port", "words"),
    [
        ({"KAFKA_PASSWORD": "wrong"}, "sasl_port", "[Aa]uthentication failed|[Ii]nvalid credentials"),
        ({"HORTUS_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}, "sasl_port", "mechanism"),
        ({"HORTUS_KAFKA_TLS": "true"}, "sasl_port", "SSL"),
        ({}, "tls_port", "connection was closed"),
        ({"HORTUS_KAFKA_TLS": "true"}, "tls_port", "certificate"),
        ({"KAFKA_HOST": "nobody.invalid"}, "sasl_port", "resolve"),
    ],
    ids=["password", "mechanism", "TLS without need", "no TLS", "unknown authority", "host"],
)
def test_a_wrong_way_in_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, kafka: KafkaCluster, changes: dict[str, str], port: str, words: str
) -> None:
    right = {
        "KAFKA_HOST": "127.0.0.1",
        "KAFKA_PORT": str(getattr(kafka.nodes[0], port)),
        "KAFKA_USERNAME": USERNAME,
        "KAFKA_PASSWORD": PASSWORD,
    }
    connection = kafka_connection(settings(monkeypatch, **(right | changes)))
    with pytest.raises(KafkaUnreachable, match="KAFKA_HOST") as raised:
        KafkaAdministration(connection, answer_seconds=3.0).brokers()
    assert re.search(words, str(raised.value)), raised.value
    assert "Broker transport failure" not in str(raised.value)


def test_two_topics_of_one_name_are_refused(hortus: Command, kafka: KafkaCluster) -> None:
    names = {"HORTUS_KAFKA_TOPIC_RAW": "same", "HORTUS_KAFKA_TOPIC_AGGREGATE": "same"}
    for arguments in (("kafka", "topics", "create"), ("sink",), ("ingest", "--to", "kafka")):
        result = hortus(*arguments, KAFKA_HOST=kafka.bootstrap, **names)
        assert isinstance(result.exception, UsageError)
        assert "HORTUS_KAFKA_TOPIC_RAW" in str(result.exception)


def test_a_file_without_certificates_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    garbage = tmp_path / "ca.pem"
    garbage.write_text("no certificate")
    with pytest.raises(UsageError, match=r"HORTUS_KAFKA_CA_FILE .* holds no certificates"):
        kafka_connection(settings(monkeypatch, HORTUS_KAFKA_CA_FILE=str(garbage)))


def test_a_metrics_port_in_use_names_its_own_option(topics: Topics) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(CannotListen, match="--metrics-port"),
    ):
        asyncio.run(observe(MetricsAddress(host="127.0.0.1", port=taken.getsockname()[1])))
    with pytest.raises(CannotListen, match="--metrics-host"):
        asyncio.run(observe(MetricsAddress(host="192.0.2.1", port=0)))


async def observe(address: MetricsAddress) -> None:
    async with observed(address, cast(Any, None)):
        raise AssertionError("nothing can be observed there")


def test_an_outage_is_told_once_although_its_reasons_differ(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    watch = BrokerWatch(lambda: now)
    for number in range(9):
        changing = f"(after {number}ms in state CONNECT, {number} identical error(s) suppressed)"
        text = f"node {number}: refused {changing}"
        watch.error(KafkaError(KafkaError._TRANSPORT, text))
        watch.error(KafkaError(KafkaError._ALL_BROKERS_DOWN, "9/9 brokers are down"))
        watch.answered()
        now += 1
    assert caplog.text.count("no Kafka broker can be reached") == 1
    assert "suppressed" not in caplog.text
    assert "after" not in caplog.text


def test_no_kafka_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = kafka_connection(settings(monkeypatch, KAFKA_HOST=f"127.0.0.1:{free_port()}"))
    with pytest.raises(KafkaUnreachable, match="Is it running"):
        KafkaAdministration(connection, answer_seconds=1.0).brokers()


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("localhost", "localhost:9092"),
        ("one:1,two , three:3", "one:1,two:9092,three:3"),
        ("[::1],[::1]:7", "[::1]:9092,[::1]:7"),
    ],
)
def test_brokers_may_be_a_list(hosts: str, expected: str) -> None:
    assert bootstrap_servers(hosts, 9092) == expected


@pytest.mark.parametrize("hosts", ["one,,two", "one:0", "one:x", "one:70000", "a b"])
def test_a_list_that_cannot_be_right_is_refused(hosts: str) -> None:
    with pytest.raises(UsageError, match="KAFKA_HOST"):
        bootstrap_servers(hosts, 9092)


def test_half_a_log_in_and_a_missing_certificate_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="KAFKA_PASSWORD"):
        kafka_connection(settings(monkeypatch, KAFKA_USERNAME="me"))
    monkeypatch.delenv("KAFKA_USERNAME")
    with pytest.raises(UsageError, match="HORTUS_KAFKA_CA_FILE"):
        kafka_connection(settings(monkeypatch, HORTUS_KAFKA_CA_FILE="/nowhere.pem"))
