"""Third-party clients interoperate with the endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gmqtt
import paho.mqtt.client as paho
import pytest
from endpoint_harness import (
    KIT,
    PASSWORD,
    RAW,
    SERVER,
    SERVER_PASSWORD,
    FakeIntake,
    PacketClient,
    Setup,
    running,
)

from hortus.protocol.mqtt.endpoint import EndpointLimits, Listener, MqttEndpoint
from hortus.protocol.mqtt.packets import Connect, Publish, encode
from programs import system_program
from waiting import PATIENCE_SECONDS, until

VERSIONS = ["mqttv31", "mqttv311", "mqttv5"]
PAHO_VERSIONS = {"mqttv31": paho.MQTTv31, "mqttv311": paho.MQTTv311, "mqttv5": paho.MQTTv5}


def mosquitto(program: str, setup: Setup, username: str, password: bytes, *options: str) -> list[str]:
    address = ["-h", "127.0.0.1", "-p", str(setup.port)]
    return [f"mosquitto_{program}", *address, "-u", username, "-P", password.decode(), *options]


async def run(command: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, output
    return output.decode()


def subscription_count(setup: Setup) -> int:
    return sum(len(session.filters) for session in setup.endpoint._broker._sessions._sessions.values())


@contextlib.asynccontextmanager
async def mosquitto_sub(setup: Setup, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    subscribed_before = subscription_count(setup)
    process = await asyncio.create_subprocess_exec(
        *mosquitto("sub", setup, SERVER, SERVER_PASSWORD, "-v", *options), stdout=asyncio.subprocess.PIPE
    )
    try:
        await until(lambda: subscription_count(setup) > subscribed_before)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def next_line_with(process: asyncio.subprocess.Process, text: str) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            line = (await process.stdout.readline()).decode().strip()
            if text in line:
                return line


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", ["0", "1", "2"])
async def test_mosquitto_sub_receives_what_mosquitto_pub_of_a_kit_sends(version: str, qos: str) -> None:
    async with running() as setup, mosquitto_sub(setup, "-V", version, "-q", qos, "-t", "kit/#") as listener:
        publish = mosquitto("pub", setup, KIT, PASSWORD, "-V", version, "-q", qos, "-t", RAW, "-m", "hello")
        await run([*publish, "-i", "some-kit"])
        assert await next_line_with(listener, "hello") == f"{RAW} hello"
        assert setup.intake.messages == [(RAW, b"hello")]


@pytest.mark.parametrize("version", VERSIONS)
async def test_mosquitto_sub_receives_retained_messages(version: str) -> None:
    async with running() as setup:
        publish = mosquitto("pub", setup, SERVER, SERVER_PASSWORD, "-V", version, "-q", "1", "-r", "-i", "p")
        await run([*publish, "-t", "notes/one", "-m", "remember"])
        subscribe = mosquitto("sub", setup, SERVER, SERVER_PASSWORD, "-V", version, "-C", "1", "-i", "s")
        assert await run([*subscribe, "-v", "-t", "notes/+"]) == "notes/one remember\n"


async def test_mosquitto_members_of_a_shared_subscription_take_turns() -> None:
    group = ("-V", "mqttv5", "-q", "1", "-t", "$share/g/kit/+/measurement/raw")
    async with running() as setup, mosquitto_sub(setup, *group) as one, mosquitto_sub(setup, *group) as two:
        for text in ("first", "second"):
            await run(mosquitto("pub", setup, KIT, PASSWORD, "-q", "1", "-t", RAW, "-m", text))
        lines = [await next_line_with(one, f"{RAW} "), await next_line_with(two, f"{RAW} ")]
        assert sorted(lines) == [f"{RAW} first", f"{RAW} second"]


async def test_mosquitto_pub_sends_a_large_picture() -> None:
    async with running() as setup:
        picture = bytes(range(256)) * 20_000
        command = mosquitto("pub", setup, KIT, PASSWORD, "-q", "1", "-t", f"kit/{KIT}/media", "-s")
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.communicate(picture)
        assert setup.intake.messages == [(f"kit/{KIT}/media", picture)]


async def test_mosquitto_pub_learns_of_a_wrong_password() -> None:
    async with running() as setup:
        command = mosquitto("pub", setup, KIT, b"wrong", "-q", "1", "-t", RAW, "-m", "x")
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, errors = await process.communicate()
        assert process.returncode == 5, errors


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_paho_publishes_and_subscribes(version: str, qos: int) -> None:
    received: list[tuple[str, bytes, int]] = []
    async with running(intake=FakeIntake(settles_at_once=False)) as setup:
        subscribed = asyncio.Event()
        loop = asyncio.get_running_loop()
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="paho", protocol=PAHO_VERSIONS[version]
        )
        client.username_pw_set(SERVER, SERVER_PASSWORD.decode())
        client.on_connect = lambda c, *_: c.subscribe("kit/+/measurement/raw", qos)
        client.on_subscribe = lambda *_: loop.call_soon_threadsafe(subscribed.set)
        client.on_message = lambda _c, _u, message: received.append(
            (message.topic, message.payload, message.qos)
        )
        client.connect_async("127.0.0.1", setup.port)
        client.loop_start()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await subscribed.wait()
            published = [client.publish(RAW, bytes([number]), qos) for number in range(50)]
            await until(lambda: len(setup.intake.offered) == min(50, 20 if qos else 50))
            assert qos == 0 or not any(each.is_published() for each in published)
            # 20 in flight, the next once they are acknowledged.
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(setup.intake.offered) < 50 or setup.intake.open:
                    setup.intake.settle_all()
                    await asyncio.sleep(0.005)
            await until(lambda: all(each.is_published() for each in published))
            await until(lambda: len(received) == 50)
            assert received == [(RAW, bytes([number]), qos) for number in range(50)]
        finally:
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)


@pytest.mark.parametrize("version", [gmqtt.constants.MQTTv311, gmqtt.constants.MQTTv50])
async def test_gmqtt_publishes_and_subscribes(version: int) -> None:
    received: list[tuple[str, bytes, int]] = []
    async with running() as setup:
        subscribed = asyncio.Event()

        async def on_message(_client: Any, topic: str, payload: bytes, qos: int, _properties: Any) -> int:
            received.append((topic, bytes(payload), qos))
            return 0

        client = gmqtt.Client("gmqtt", clean_session=True)
        client.set_auth_credentials(SERVER, SERVER_PASSWORD)
        client.on_message = on_message
        client.on_subscribe = lambda *_: subscribed.set()
        await client.connect("127.0.0.1", setup.port, version=version)
        try:
            client.subscribe("kit/#", qos=2)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await subscribed.wait()
            for qos in (0, 1, 2):
                client.publish(RAW, bytes([qos]), qos=qos)
            await until(lambda: len(received) == 3)
            assert sorted(received) == [(RAW, bytes([qos]), qos) for qos in (0, 1, 2)]
        finally:
            await client.disconnect()


async def test_tls_is_spoken_where_a_certificate_is_given(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "2"]
    await asyncio.to_thread(subprocess.run, [*request, *subject, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    setup = Setup()
    setup.endpoint = MqttEndpoint(
        authenticator=setup.accounts,
        intake=setup.intake,
        set_aside=setup.quarantine,
        listeners=[Listener(port=0, tls=context)],
        limits=EndpointLimits(stop_timeout_seconds=0.1),
    )
    await setup.endpoint.start()
    try:
        command = mosquitto("pub", setup, KIT, PASSWORD, "-q", "2", "-t", RAW, "-m", "over TLS")
        await run([*command, "--cafile", str(certificate)])
        assert setup.intake.messages == [(RAW, b"over TLS")]
    finally:
        await setup.endpoint.stop()


async def test_the_packets_of_the_codec_are_understood_by_mosquitto(unused_tcp_port: int) -> None:
    command = [system_program("mosquitto"), "-p", str(unused_tcp_port)]
    broker = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        for level in (3, 4, 5):
            client = await open_when_listening(unused_tcp_port, level)
            await client.send(Connect(client_id=f"c{level}", protocol_level=level))
            await client.next()
            assert await client.subscribe("a/#", qos=2) == (2,)
            await client.send_bytes(encode(Publish("a/b", b"x", 1, 5), level))
            answers = [await client.next(), await client.next()]
            assert any(isinstance(each, Publish) and each.payload == b"x" for each in answers)
            await client.close()
    finally:
        broker.terminate()
        await broker.wait()


async def open_when_listening(port: int, level: int) -> PacketClient:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                return PacketClient(reader, writer, level)
