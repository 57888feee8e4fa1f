"""One box from a user's point of view: start, create a kit, see its readings, stop, start again."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from hortus.domain.definitions.store import built_in_definitions
from hortus.protocol.mqtt.packets import (
    MQTT_5,
    Connack,
    Connect,
    Packet,
    PacketReader,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Will,
    encode,
)
from hortus.protocol.wire.codec import encode_aggregate_measurement, encode_raw_measurement
from hortus.protocol.wire.messages import AggregateMeasurement, RawMeasurement
from up_process import Up, hortus, hortus_json, line_by_line, publish, running
from waiting import PATIENCE_SECONDS, until, wait_until

PORTS = ("--http-port", "--mqtt-port", "--gateway-port")


def raw(kit: dict[str, object], **changes: object) -> bytes:
    peripheral = kit["peripherals"][0]  # type: ignore[index]
    values = {
        "id": uuid.uuid4().bytes,
        "datetime_ms": int(time.time() * 1000),
        "peripheral": peripheral["id"],
        "quantity_type": peripheral["quantityTypes"][0],
        "value": 21.5,
    }
    return encode_raw_measurement(RawMeasurement(**(values | changes)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("one-box") / "data") as started:
        yield started


def test_it_says_where_everything_is_and_keeps_secrets_to_itself(up: Up) -> None:
    places = (f"http://127.0.0.1:{up.http_port}/", f"127.0.0.1:{up.mqtt_port}", str(up.data_dir))
    said = wait_until(lambda: all(place in up.said for place in places) and up.said, f"it says {places}")
    assert ("runs as root" in said) is (os.geteuid() == 0)
    for secret in (up.data_dir / "secrets").iterdir():
        assert secret.read_text().strip() not in said
        assert secret.stat().st_mode & 0o077 == 0


def test_a_new_kits_readings_are_stored_when_it_is_told_so(up: Up) -> None:
    kit = hortus_json("kit", "create", "--name", "Basil", "--standard", "--data-dir", up.data_dir)
    assert [each["name"] for each in kit["peripherals"]] == ["Temperature", "Pressure", "Climate"]
    assert [each["quantityTypes"] for each in kit["peripherals"]] == [[1], [2], [1, 2, 3]]
    end = int(time.time() * 1000)
    aggregate = AggregateMeasurement(
        id=uuid.uuid4().bytes,
        datetime_start_ms=end - 60_000,
        datetime_end_ms=end,
        peripheral=kit["peripherals"][2]["id"],
        quantity_type=3,
        values=(("count", 2.0), ("average", 55.5)),
    )
    reading = raw(kit)
    assert publish(up, kit, "measurement/raw", reading, 1) == 0
    assert publish(up, kit, "measurement/raw", reading, 2) == 0
    assert publish(up, kit, "measurement/aggregate", encode_aggregate_measurement(aggregate), 2) == 0
    assert publish(up, kit, "measurement/raw", b"rubbish", 1) == 0
    ledger = hortus_json("ledger", "--kit", kit["serial"], "--data-dir", up.data_dir)
    assert {name: ledger[name] for name in ("received", "stored", "duplicate", "quarantined", "refused")} == {
        "received": 4,
        "stored": 2,
        "duplicate": 1,
        "quarantined": 1,
        "refused": 0,
    }
    assert ledger["quarantinedByReason"] == {"undecodable": 1}
    assert ledger["addsUp"] is True
    assert ledger["kits"][0]["serial"] == kit["serial"]


def test_quarantine_commands_show_and_purge_what_is_there(up: Up) -> None:
    kit = hortus_json("kit", "create", "--name", "Cress", "--standard", "--data-dir", up.data_dir)
    publish(up, kit, "measurement/raw", b"\xff\x01rubbish", 1)
    listed = hortus_json("quarantine", "list", "--kit", kit["serial"], "--data-dir", up.data_dir)
    assert [entry["reason"] for entry in listed] == ["undecodable"]
    number = listed[0]["id"]
    shown = hortus_json("quarantine", "show", number, "--data-dir", up.data_dir)
    assert bytes.fromhex(shown["payloadHex"]) == b"\xff\x01rubbish"
    replayed = hortus_json("quarantine", "replay", number, "--data-dir", up.data_dir)
    assert replayed == {"stored": 0, "duplicate": 0, "stillQuarantined": 1}
    assert hortus("quarantine", "purge", number, "--yes", "--data-dir", up.data_dir).returncode == 0
    assert hortus_json("quarantine", "list", "--kit", kit["serial"], "--data-dir", up.data_dir) == []
    wrong = hortus("quarantine", "purge", "--yes", "--data-dir", up.data_dir)
    assert wrong.returncode == 2
    assert "--all" in wrong.stderr


def test_a_kit_with_a_new_password_or_deleted_can_no_longer_log_in(up: Up) -> None:
    kit = hortus_json("kit", "create", "--name", "Mint", "--standard", "--data-dir", up.data_dir)
    subscriber = subprocess.Popen(
        [
            *line_by_line("mosquitto_sub", "-h", "127.0.0.1", "-p", str(up.mqtt_port), "-V", "mqttv5"),
            *("-u", kit["serial"], "-P", kit["password"], "-t", f"kit/{kit['serial']}/kit-rpc/request", "-d"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert subscriber.stdout is not None
    while "SUBACK" not in subscriber.stdout.readline():
        assert subscriber.poll() is None
    changed = hortus_json("kit", "password", kit["serial"], "--data-dir", up.data_dir)
    while "DISCONNECT" not in (line := subscriber.stdout.readline()):
        assert line, "the open connection was not cut"
    subscriber.kill()
    subscriber.communicate()
    assert publish(up, kit, "measurement/raw", raw(kit), 1) != 0
    kit["password"] = changed["password"]
    assert publish(up, kit, "measurement/raw", raw(kit), 1) == 0
    assert hortus("kit", "delete", kit["serial"], "--yes", "--data-dir", up.data_dir).returncode == 0
    assert publish(up, kit, "measurement/raw", raw(kit), 1) != 0
    assert kit["serial"] not in [
        each["serial"] for each in hortus_json("kit", "list", "--data-dir", up.data_dir)
    ]
    missing = hortus("kit", "password", kit["serial"], "--data-dir", up.data_dir)
    assert (missing.returncode, "There is no kit" in missing.stderr) == (2, True)


def test_a_person_with_the_server_account_sees_readings_once_they_are_stored(up: Up) -> None:
    kit = hortus_json("kit", "create", "--name", "Thyme", "--standard", "--data-dir", up.data_dir)
    password = (up.data_dir / "secrets" / "mqtt-server").read_text().strip()
    subscriber = subprocess.Popen(
        [
            *line_by_line(
                "mosquitto_sub", "-h", "127.0.0.1", "-p", str(up.mqtt_port), "-u", "server", "-P", password
            ),
            *("-t", "kit/+/measurement/#", "-C", "1", "-F", "%t", "-d"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert subscriber.stdout is not None
    while "Subscribed" not in subscriber.stdout.readline():
        assert subscriber.poll() is None
    publish(up, kit, "measurement/raw", raw(kit), 0)
    output, _ = subscriber.communicate(timeout=PATIENCE_SECONDS)
    assert f"kit/{kit['serial']}/measurement/raw" in output


class Mqtt5Connection:
    """A connection of a kit that can break off without a farewell."""

    def __init__(self, up: Up, kit: dict[str, object], **fields: Any) -> None:
        self._packets = PacketReader(1 << 20, MQTT_5)
        self._socket = socket.create_connection(("127.0.0.1", up.mqtt_port), PATIENCE_SECONDS)
        connect = Connect(
            protocol_level=MQTT_5,
            username=str(kit["serial"]),
            password=str(kit["password"]).encode(),
            **{"client_id": "", "clean_start": False} | fields,
        )
        answer = self.ask(connect)
        assert isinstance(answer, Connack)
        assert answer.reason_code == 0

    def ask(self, packet: Packet) -> Packet:
        """Send a packet and return the next one that arrives."""
        self._socket.sendall(encode(packet, MQTT_5))
        while not (received := self._packets.feed(self._socket.recv(65_536))):
            pass
        return received[0]

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


def test_the_will_of_a_kit_with_a_will_delay_is_stored_and_delivered(up: Up) -> None:
    kit = hortus_json("kit", "create", "--name", "Sage", "--standard", "--data-dir", up.data_dir)
    password = (up.data_dir / "secrets" / "mqtt-server").read_text().strip()
    address = ("-h", "127.0.0.1", "-p", str(up.mqtt_port), "-u", "server", "-P", password)
    subscriber = subprocess.Popen(
        [
            *line_by_line("mosquitto_sub", *address, "-V", "mqttv5"),
            *("-t", "kit/+/measurement/#", "-C", "2", "-F", "%t", "-d"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert subscriber.stdout is not None
    while "Subscribed" not in subscriber.stdout.readline():
        assert subscriber.poll() is None
    topic = f"kit/{kit['serial']}/measurement/raw"
    for seconds in (0, 1):
        delay = Properties(will_delay_interval_seconds=seconds)
        will = Will(topic=topic, payload=raw(kit), qos=1, properties=delay)
        kept = Properties(session_expiry_interval_seconds=60)
        Mqtt5Connection(up, kit, client_id=f"sage-{seconds}", will=will, properties=kept).reset()
    output, _ = subscriber.communicate(timeout=PATIENCE_SECONDS)
    assert output.splitlines().count(topic) == 2
    assert publish(up, kit, "measurement/raw", raw(kit), 1) == 0
    ledger = hortus_json("ledger", "--kit", kit["serial"], "--data-dir", up.data_dir)
    assert (ledger["received"], ledger["stored"], ledger["addsUp"]) == (3, 3, True)
    assert up.process.poll() is None


def test_what_a_kit_says_on_its_status_topic_is_shown_and_not_set_aside(up: Up) -> None:
    kit = hortus_json("kit", "create", "--name", "Rue", "--standard", "--public", "--data-dir", up.data_dir)
    topic = f"kit/{kit['serial']}/status"
    connection = Mqtt5Connection(up, kit, will=Will(topic=topic, payload=b"fell off the net", retain=True))
    assert connection.ask(Publish(topic, b"online", 1, 1, True)) == Puback(packet_id=1)

    def is_shown(word: str) -> bool:
        return f"<bdi>{word}</bdi>" in httpx.get(f"http://127.0.0.1:{up.http_port}/").text

    wait_until(lambda: is_shown("online"), "the page shows that the kit is online")
    connection.reset()
    wait_until(lambda: is_shown("fell off the net"), "the page shows its will")
    ledger = hortus_json("ledger", "--kit", kit["serial"], "--data-dir", up.data_dir)
    assert ledger["received"] == 0


def test_a_reading_with_the_packet_identifier_of_an_unfinished_one_is_stored(up: Up) -> None:
    kit = hortus_json("kit", "create", "--name", "Dill", "--standard", "--data-dir", up.data_dir)
    topic = f"kit/{kit['serial']}/measurement/raw"
    kept = {"client_id": "arduino", "properties": Properties(session_expiry_interval_seconds=60)}
    readings = [raw(kit), raw(kit)]
    for reading in readings:
        connection = Mqtt5Connection(up, kit, **kept)
        assert connection.ask(Publish(topic, reading, 2, 1)) == Pubrec(packet_id=1)
        connection.reset()
    connection = Mqtt5Connection(up, kit, **kept)
    assert connection.ask(Publish(topic, readings[-1], 2, 1, False, True)) == Pubrec(packet_id=1)
    assert connection.ask(Pubrel(packet_id=1)) == Pubcomp(packet_id=1)
    connection.reset()
    ledger = hortus_json("ledger", "--kit", kit["serial"], "--data-dir", up.data_dir)
    assert (ledger["received"], ledger["stored"], ledger["addsUp"]) == (2, 2, True)


async def test_the_printed_url_works_for_any_local_client(up: Up) -> None:
    printed = hortus("db", "url", "--data-dir", up.data_dir).stdout.strip()
    engine = create_async_engine(printed)
    async with engine.connect() as connection:
        count = await connection.scalar(text("SELECT count(*) FROM quantity_types"))
    assert count == len(built_in_definitions()["quantityTypes"])
    await engine.dispose()
    plain = await asyncpg.connect(hortus("db", "url", "--libpq", "--data-dir", up.data_dir).stdout.strip())
    await plain.close()


def test_the_database_checks_out_and_definitions_are_there_already(up: Up) -> None:
    checked = hortus("db", "check", "--data-dir", up.data_dir)
    assert (checked.returncode, "matches this version" in checked.stdout) == (0, True)
    assert "Added 0 quantity types" in hortus("db", "definitions", "--data-dir", up.data_dir).stdout


def test_the_printed_link_makes_the_first_account_and_no_second_one(up: Up) -> None:
    link = wait_until(lambda: re.search(r"http://\S+/setup\?token=(\S+)", up.said), "it prints the link")
    form = {"token": link[1], "username": "flora", "email_address": "f@x.example", "password": "several herbs"}
    with httpx.Client(timeout=PATIENCE_SECONDS, base_url=f"http://127.0.0.1:{up.http_port}") as client:
        assert client.get(link[0]).status_code == 200
        assert client.post("/setup", data=form).status_code == 303
        assert "Log out" in client.get("/").text
        assert client.get(link[0]).status_code == 410


def test_a_person_logs_in_over_the_api_and_makes_a_kit(up: Up) -> None:
    made = hortus(
        *("user", "create", "ada", "--email", "ada@example.org", "--admin", "--generate-password"),
        *("--data-dir", up.data_dir),
    )
    password = made.stdout.split()[-1]
    base = f"http://127.0.0.1:{up.http_port}/api"
    client = httpx.Client(timeout=PATIENCE_SECONDS)
    tokens = client.post(f"{base}/me/auth", json={"username": "ada", "password": password}).json()
    header = {"Authorization": f"Bearer {tokens['accessToken']}"}
    body = {"name": "Rocket", "privacyPublicDashboard": False, "privacyShowOnMap": False}
    kit = client.post(f"{base}/kits", json=body, headers=header)
    assert kit.status_code == 201
    serial = kit.json()["kitSerial"]
    assert client.get(f"{base}/kits/{serial}", headers=header).json()["name"] == "Rocket"
    assert client.get(f"{base}/kits/{serial}").status_code == 401
    types = client.get(f"{base}/quantity-types")
    assert types.headers["access-control-allow-origin"] == "*"
    client.close()


def test_health_and_metrics_answer(up: Up) -> None:
    base = f"http://127.0.0.1:{up.http_port}"
    assert httpx.get(f"{base}/healthz", timeout=PATIENCE_SECONDS).status_code == 200
    assert httpx.get(f"{base}/readyz", timeout=PATIENCE_SECONDS).status_code == 200
    assert "hortus_" in httpx.get(f"{base}/metrics", timeout=PATIENCE_SECONDS).text


def test_a_second_start_on_the_same_directory_is_refused_in_a_sentence(up: Up) -> None:
    second = hortus(
        "up", "--data-dir", up.data_dir, "--http-port", "0", "--mqtt-port", "0", "--gateway-port", "0"
    )
    assert second.returncode != 0
    assert f"already runs in {up.data_dir}" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("option", PORTS)
def test_a_port_in_use_is_named_in_a_sentence(tmp_path: Path, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        others = [part for each in PORTS if each != option for part in (each, 0)]
        refused = hortus("up", "--data-dir", tmp_path / "data", option, port, *others)
    assert refused.returncode != 0
    assert f"Port {port} on 127.0.0.1 is in use" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_directory_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "installation.json").write_text('{"format": 99, "hortus_version": "9.0"}')
    refused = hortus("up", "--data-dir", data, "--http-port", "0", "--mqtt-port", "0", "--gateway-port", "0")
    assert refused.returncode != 0
    assert "newer version of Hortus" in refused.stderr


def test_a_wrong_setting_is_named_with_what_it_accepts(tmp_path: Path) -> None:
    refused = hortus("up", "--data-dir", tmp_path / "data", HORTUS_CLOCK_TOLERANCE_SECONDS="soon")
    assert refused.returncode == 2
    assert "HORTUS_CLOCK_TOLERANCE_SECONDS" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_and_goes_on_where_it_was(tmp_path: Path, number: signal.Signals) -> None:
    data = tmp_path / "data"
    with running(data) as first:
        kit = hortus_json("kit", "create", "--name", "Sage", "--standard", "--data-dir", data)
        reading = raw(kit)
        assert publish(first, kit, "measurement/raw", reading, 1) == 0
        assert first.stop(number) == 0
        assert "Traceback" not in first.said
    assert not (data / "run.json").exists()
    with running(data) as second:
        assert publish(second, kit, "measurement/raw", reading, 1) == 0
        ledger = hortus_json("ledger", "--data-dir", data)
    assert (ledger["stored"], ledger["duplicate"]) == (1, 1)


def test_commands_work_while_nothing_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data):
        kit = hortus_json("kit", "create", "--name", "Dill", "--data-dir", data)
    assert [each["serial"] for each in hortus_json("kit", "list", "--data-dir", data)] == [kit["serial"]]
    replayed = hortus_json("quarantine", "replay", "--all", "--data-dir", data)
    assert replayed == {"stored": 0, "duplicate": 0, "stillQuarantined": 0}
    stopped = hortus("db", "url", "--data-dir", data)
    assert stopped.returncode == 2
    assert "hortus up" in stopped.stderr


def test_killed_with_9_it_leaves_nothing_running_and_starts_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    up = Up(data)
    up.wait_until_ready()
    kit = hortus_json("kit", "create", "--name", "Chive", "--standard", "--data-dir", data)
    assert publish(up, kit, "measurement/raw", raw(kit), 1) == 0
    os.killpg(up.process.pid, signal.SIGKILL)
    up.process.wait(PATIENCE_SECONDS)
    with running(data) as again:
        assert publish(again, kit, "measurement/raw", raw(kit), 1) == 0
        assert hortus_json("ledger", "--data-dir", data)["stored"] == 2


def test_when_its_postgresql_dies_readings_wait_and_are_stored_afterwards(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as up:
        kit = hortus_json("kit", "create", "--name", "Leek", "--standard", "--data-dir", data)
        postmaster = int((data / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        reading = raw(kit)
        # A kit retries by itself; this client does not, and log-in is impossible without the database.
        wait_until(lambda: publish(up, kit, "measurement/raw", reading, 1) == 0, "the reading is acknowledged")
        assert hortus_json("ledger", "--data-dir", data)["stored"] == 1
        wait_until(lambda: "PostgreSQL is running again" in up.said)


async def test_the_demonstration_shows_kits_with_a_past_and_a_present(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--demo", "1") as up:
        url = hortus("db", "url", "--libpq", "--data-dir", up.data_dir).stdout.strip()
        connection = await asyncpg.connect(url)
        past = await connection.fetchrow(
            "SELECT count(*) AS readings, now() - min(datetime) AS since FROM raw_measurements"
        )
        assert past["readings"] > 50_000
        assert 89 <= past["since"].days <= 91
        assert await connection.fetchval("SELECT count(*) FROM aggregate_measurements") > 5_000
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await connection.fetchval("SELECT sum(stored) FROM ingest_ledger"):
                await asyncio.sleep(0.1)
        await connection.close()
        assert (
            "Basil by the window"
            in httpx.get(f"http://127.0.0.1:{up.http_port}/", timeout=PATIENCE_SECONDS).text
        )
        await until(lambda: "user demo, password in" in up.said)


def test_a_damaged_spool_is_in_the_health_until_an_operator_has_seen_it(tmp_path: Path) -> None:
    with running(tmp_path / "data"):
        pass
    spool = tmp_path / "data" / "spool" / "gateway.sqlite3"
    spool.write_bytes(b"")
    with running(tmp_path / "data") as up:
        base = f"http://127.0.0.1:{up.http_port}"
        health = httpx.get(f"{base}/healthz", timeout=PATIENCE_SECONDS)
        assert health.status_code == 503
        assert "The spool was damaged (the file is empty)" in health.json()["parts"]["gateway"]["state"]
        assert (
            httpx.get(f"{base}/readyz", timeout=PATIENCE_SECONDS).status_code == 200
        )  # requests do not suffer
        assert hortus("gateway", "damage-seen", "--data-dir", up.data_dir).returncode == 0
        wait_until(lambda: httpx.get(f"{base}/healthz", timeout=PATIENCE_SECONDS).status_code == 200)
