from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from web_helpers import client_of, log_in, make_user

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.flow.ingest.metrics import IngestMetrics
from hortus.protocol.mqtt.endpoint.counters import EndpointCounters


@dataclass
class Lane:
    """Stands for a media lane in a certain state."""

    open_messages: int = 0
    open_bytes: int = 0
    oldest_wait_seconds: float = 0.0


@dataclass
class Flow:
    """Stands for a pipeline in a certain state."""

    open_messages: int = 0
    oldest_wait_seconds: float = 0.0
    metrics: IngestMetrics = field(default_factory=IngestMetrics)
    media: Lane = field(default_factory=Lane)


@pytest.fixture
def monotonic(monkeypatch):
    """The monotonic clock of the health watch, set by the test."""
    moment = [1000.0]
    monkeypatch.setattr("hortus.http.monitoring.health.time.monotonic", lambda: moment[0])
    return moment


async def test_an_idle_process_is_healthy_however_long_ago_its_last_commit_was(engine):
    flow = Flow(metrics=IngestMetrics(batches=3, messages=40, last_commit_at=0.0))
    async with client_of(engine, pipeline=flow, endpoint_counters=EndpointCounters(connections=2)) as client:
        answer = await client.get("/healthz")
    assert answer.status_code == 200
    content = answer.json()
    assert content["status"] == "healthy"
    assert content["parts"]["ingest"]["state"] == "No messages are waiting to be stored."
    assert content["parts"]["ingest"]["messagesSettled"] == 40
    assert content["parts"]["ingest"]["lastCommitAgeSeconds"] > 1e9
    assert content["parts"]["endpoint"] == {"connections": 2}


@pytest.mark.parametrize(("wait_seconds", "status"), [(29.0, 200), (31.0, 503)])
async def test_health_is_the_age_of_what_waits(engine, wait_seconds, status):
    flow = Flow(open_messages=5, oldest_wait_seconds=wait_seconds)
    async with client_of(engine, pipeline=flow) as client:
        assert (await client.get("/healthz")).status_code == status
        ready = await client.get("/readyz")
    assert ready.status_code == status
    assert ("waiting to be stored for 31 s" in ready.json()["checks"]["ingest"]) is (status == 503)


async def test_a_batch_that_was_taken_up_and_does_not_end_is_a_fault(engine, monotonic):
    flow = Flow(open_messages=5)
    async with client_of(engine, pipeline=flow) as client:
        assert (await client.get("/healthz")).status_code == 200
        monotonic[0] += 20
        assert (await client.get("/healthz")).status_code == 200
        monotonic[0] += 20
        assert (await client.get("/healthz")).status_code == 503
        flow.metrics.batches += 1
        assert (await client.get("/healthz")).status_code == 200
        monotonic[0] += 3600
        flow.open_messages = 0
        assert (await client.get("/healthz")).status_code == 200


async def test_a_process_without_ingest_is_healthy_and_ready(engine):
    async with client_of(engine) as client:
        health = (await client.get("/healthz")).json()
        assert (health["status"], set(health["parts"])) == ("healthy", {"http", "background"})
        assert health["parts"]["http"] == {"state": "Answering."}
        assert (await client.get("/readyz")).json() == {
            "status": "ready",
            "checks": {"database": "ok", "ingest": "ok", "tasks": "ok"},
        }


async def test_a_database_without_our_schema_is_not_ready(empty_database_url):
    async with open_engine(DatabaseUrl.parse(empty_database_url)) as engine, client_of(engine) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "hortus db upgrade" in answer.json()["checks"]["database"]


async def test_a_database_of_a_newer_version_is_not_ready(own_engine):
    async with own_engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = 'from_the_future'"))
    async with client_of(own_engine) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "newer version of Hortus" in answer.json()["checks"]["database"]


async def test_metrics_say_what_happened_without_naming_kits(engine):
    metrics = IngestMetrics(batches=3, failed_attempts=1, last_commit_at=0.0)
    metrics.outcomes[("stored", "raw")] = 41
    metrics.outcomes[("quarantined", "aggregate")] = 2
    lane = Lane(open_messages=2, open_bytes=9_000_000, oldest_wait_seconds=2.5)
    flow = Flow(open_messages=5, oldest_wait_seconds=1.5, metrics=metrics, media=lane)
    counters = EndpointCounters(connections=2, failed_logins=7)
    async with client_of(engine, pipeline=flow, endpoint_counters=counters) as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["hortus_ingest_messages_total", (("outcome", "stored"), ("stream", "raw"))] == 41
    assert samples["hortus_ingest_messages_total", (("outcome", "quarantined"), ("stream", "aggregate"))] == 2
    assert samples["hortus_ingest_batches_total", ()] == 3
    assert samples["hortus_ingest_failed_attempts_total", ()] == 1
    assert samples["hortus_ingest_open_messages", ()] == 5
    assert samples["hortus_ingest_oldest_wait_seconds", ()] == 1.5
    assert samples["hortus_ingest_last_commit_age_seconds", ()] > 1e9
    assert samples["hortus_media_open_messages", ()] == 2
    assert samples["hortus_media_open_bytes", ()] == 9_000_000
    assert samples["hortus_media_oldest_wait_seconds", ()] == 2.5
    assert samples["hortus_endpoint_connections", ()] == 2
    assert samples["hortus_endpoint_failed_logins_total", ()] == 7
    assert {
        labels for _, labels in samples if dict(labels).keys() - {"outcome", "stream", "version", "queue"}
    } == set()


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("192.0.2.7", {}, 403),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.7"}, 403),
        ("127.0.0.1", {"forwarded": "for=192.0.2.7"}, 403),
        ("192.0.2.7", {"authorization": "Bearer open sesame"}, 200),
        ("192.0.2.7", {"authorization": "Bearer open"}, 403),
        ("192.0.2.7", {"authorization": "Basic open sesame"}, 403),
    ],
)
async def test_metrics_are_for_this_machine_and_holders_of_the_token(engine, address, headers, status):
    async with client_of(engine, address=address, metrics_token="open sesame") as client:
        assert (await client.get("/metrics", headers=headers)).status_code == status


async def test_without_a_token_set_no_token_opens_the_metrics(engine):
    async with client_of(engine, address="192.0.2.7") as client:
        for authorization in ("Bearer ", "Bearer None", "Bearer"):
            assert (await client.get("/metrics", headers={"authorization": authorization})).status_code == 403


@pytest.mark.parametrize(("who", "status"), [("ada", 403), ("root", 200)])
async def test_administrators_read_metrics_from_anywhere(engine, who, status):
    async with engine.begin() as connection:
        await make_user(connection, "ada")
        await make_user(connection, "root", is_admin=True)
    async with client_of(engine, address="192.0.2.7") as client:
        await log_in(client, who)
        assert (await client.get("/metrics")).status_code == status
