"""Read-only MQTT accounts as operators use them, with the clients that dashboards and bridges use."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiomqtt
import asyncpg
import paho.mqtt.client as paho
import pytest

from hortus.protocol.wire.codec import encode_raw_measurement
from hortus.protocol.wire.messages import RawMeasurement
from up_process import Up, hortus, hortus_json, publish, running
from waiting import PATIENCE_SECONDS, until

READINGS = "kit/+/measurement/#"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("accounts") / "data") as started:
        yield started


@asynccontextmanager
async def connected(up: Up, name: str, password: str, **options: Any) -> AsyncIterator[aiomqtt.Client]:
    client = aiomqtt.Client(
        "127.0.0.1", up.mqtt_port, username=name, password=password, timeout=PATIENCE_SECONDS, **options
    )
    async with client:
        yield client


async def subscribed(client: aiomqtt.Client, topic_filter: str) -> list[int]:
    codes: Any = await client.subscribe(topic_filter, qos=1)
    return [code.value for code in codes]


def add(up: Up, name: str, *filters: str) -> str:
    options = [word for each in filters for word in ("--read", each)]
    added = hortus_json("mqtt", "account", "add", name, *options, "--data-dir", up.data_dir)
    assert (added["name"], added["read"]) == (name, list(filters))
    return str(added["password"])


def make_kit_with_serial(up: Up, serial: str) -> None:
    """As in a database that was brought from elsewhere."""
    made = hortus_json("kit", "create", "--name", "Old", "--data-dir", up.data_dir)["serial"]

    asyncio.run(run_sql(up, "UPDATE kits SET serial = $1 WHERE serial = $2", serial, made))


async def run_sql(up: Up, statement: str, *arguments: object) -> None:
    url = hortus("db", "url", "--libpq", "--data-dir", up.data_dir).stdout.strip()
    connection = await asyncpg.connect(url)
    await connection.execute(statement, *arguments)
    await connection.close()


def reading_of(kit: dict[str, Any]) -> bytes:
    peripheral = kit["peripherals"][0]
    return encode_raw_measurement(
        RawMeasurement(
            id=uuid.uuid4().bytes,
            datetime_ms=int(time.time() * 1000),
            peripheral=peripheral["id"],
            quantity_type=peripheral["quantityTypes"][0],
            value=21.5,
        )
    )


async def test_an_account_added_while_hortus_runs_gets_what_it_may_read_and_nothing_else(up: Up) -> None:
    kit = hortus_json("kit", "create", "--name", "Basil", "--standard", "--data-dir", up.data_dir)
    password = add(up, "dashboard", READINGS, "garden/#")
    reading = reading_of(kit)
    async with connected(up, "dashboard", password) as client:
        assert await subscribed(client, READINGS) == [1]
        assert await subscribed(client, "kit/#") == [0x80]
        assert await asyncio.to_thread(publish, up, kit, "measurement/raw", reading, 1) == 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            message = await anext(aiter(client.messages))
    assert (str(message.topic), message.payload) == (f"kit/{kit['serial']}/measurement/raw", reading)


async def test_what_a_read_only_account_publishes_is_counted_and_stored_nowhere(up: Up) -> None:
    kit = hortus_json("kit", "create", "--name", "Mint", "--standard", "--data-dir", up.data_dir)
    topic = f"kit/{kit['serial']}/measurement/raw"
    password = add(up, "writer", READINGS)
    async with connected(up, "writer", password, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.publish(topic, reading_of(kit), qos=1)
    async with connected(up, "writer", password) as client:
        await client.publish(topic, reading_of(kit), qos=1)

    def quarantined() -> list[Any]:
        listed: list[Any] = hortus_json("quarantine", "list", "--data-dir", up.data_dir)
        return [each for each in listed if each["topic"] == topic]

    await until(lambda: quarantined(), "the message is set aside")
    [entry] = quarantined()
    assert entry["reason"] == "topic-not-allowed"
    replayed = hortus_json("quarantine", "replay", entry["id"], "--data-dir", up.data_dir)
    assert replayed == {"stored": 0, "duplicate": 0, "stillQuarantined": 1}
    ledger = hortus_json("ledger", "--data-dir", up.data_dir)
    assert (ledger["addsUp"], ledger["refused"]) == (True, 1)
    assert hortus_json("ledger", "--kit", kit["serial"], "--data-dir", up.data_dir)["received"] == 0


async def test_a_removed_account_loses_its_connection_and_cannot_log_in(up: Up) -> None:
    password = add(up, "bridge", READINGS)
    lost: list[int] = []
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, reconnect_on_failure=False)
    client.username_pw_set("bridge", password)
    client.on_disconnect = lambda _client, _data, _flags, reason, _properties: lost.append(reason.value)
    client.connect("127.0.0.1", up.mqtt_port)
    client.loop_start()
    try:
        await until(client.is_connected, "it is connected")
        assert hortus("mqtt", "account", "remove", "bridge", "--yes", "--data-dir", up.data_dir).returncode == 0
        await until(lambda: lost, "its connection is closed")
    finally:
        client.loop_stop()
    assert lost == [0x98]  # administrative action
    with pytest.raises(aiomqtt.MqttError, match=r"[Nn]ot authori[sz]ed"):
        async with connected(up, "bridge", password):
            pass
    # A new account of this name has another password.
    add(up, "bridge", READINGS)
    with pytest.raises(aiomqtt.MqttError, match=r"[Nn]ot authori[sz]ed"):
        async with connected(up, "bridge", password):
            pass


async def test_what_changed_while_nobody_could_be_told_is_disconnected_and_nothing_else(up: Up) -> None:
    create = ("kit", "create", "--data-dir", up.data_dir, "--name")
    kits = [hortus_json(*create, name) for name in ("gone", "new", "kept")]
    names = {name: add(up, name, READINGS) for name in ("unheard", "heard")}
    logins = {**names, **{kit["serial"]: kit["password"] for kit in kits}}
    gone, changed, kept = [kit["serial"] for kit in kits]
    async with AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(connected(up, name, password))
            for name, password in logins.items()
        }
        await run_sql(up, "ALTER TABLE mqtt_accounts DISABLE TRIGGER mqtt_accounts_95_announce")
        await run_sql(up, "ALTER TABLE kits DISABLE TRIGGER kits_95_announce")
        hortus("mqtt", "account", "remove", "unheard", "--yes", "--data-dir", up.data_dir)
        hortus("kit", "delete", gone, "--yes", "--data-dir", up.data_dir)
        hortus("kit", "password", changed, "--data-dir", up.data_dir)
        await run_sql(up, "ALTER TABLE kits ENABLE TRIGGER kits_95_announce")
        await run_sql(up, "ALTER TABLE mqtt_accounts ENABLE TRIGGER mqtt_accounts_95_announce")
        await subscribed(clients["unheard"], READINGS)  # it is connected still
        await run_sql(
            up,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'hortus announcements'",
        )
        for name in ("unheard", gone, changed):
            with pytest.raises(aiomqtt.MqttError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await anext(aiter(clients[name].messages))
        assert await subscribed(clients["heard"], READINGS) == [1]
        assert await subscribed(clients[kept], f"kit/{kept}/kit-rpc/request") == [1]


def test_accounts_are_listed_without_their_passwords(up: Up) -> None:
    password = add(up, "wall", READINGS, "$SYS/#")
    listed = hortus("mqtt", "account", "list", "--data-dir", up.data_dir).stdout
    assert "wall" in listed
    assert READINGS in listed
    assert password not in listed
    accounts = hortus_json("mqtt", "account", "list", "--data-dir", up.data_dir)
    [wall] = [each for each in accounts if each["name"] == "wall"]
    assert sorted(wall) == ["created", "name", "read"]
    assert wall["read"] == [READINGS, "$SYS/#"]


@pytest.mark.parametrize(
    ("name", "filters", "words"),
    [
        ("server", [READINGS], "this installation's own account"),
        ("k-3b4c-6d7f-8g9h", [READINGS], "those of kits"),
        ("Wall Panel", [READINGS], "1 to 40 characters"),
        ("panel", ["kit/#/raw"], "not a topic filter"),
        ("panel", ["$share/g/kit/#"], "Leave out $share"),
        ("panel", ["x"] * 21, "up to 20 filters"),
        ("taken", [READINGS], "There is an account taken already"),
        ("old-kit", [READINGS], "the serial of a kit"),
    ],
)
def test_an_account_that_cannot_be_is_refused_with_a_sentence(
    up: Up, name: str, filters: list[str], words: str
) -> None:
    if name == "taken":
        hortus("mqtt", "account", "add", "taken", "--read", READINGS, "--data-dir", up.data_dir)
    if name == "old-kit":
        make_kit_with_serial(up, "old-kit")
    options = [word for each in filters for word in ("--read", each)]
    refused = hortus("mqtt", "account", "add", name, *options, "--data-dir", up.data_dir)
    assert refused.returncode == 2
    assert words in " ".join(refused.stderr.split())


def test_removing_an_unknown_account_says_so(up: Up) -> None:
    refused = hortus("mqtt", "account", "remove", "nobody", "--yes", "--data-dir", up.data_dir)
    assert (refused.returncode, "There is no account nobody." in refused.stderr) == (2, True)


def test_where_a_mosquitto_is_used_the_command_says_that_it_is_not_meant(up: Up) -> None:
    listed = hortus("mqtt", "account", "list", "--data-dir", up.data_dir, HORTUS_BROKER_KEY="secret")
    assert "the built-in endpoint of `hortus up` only" in " ".join(listed.stderr.split())
