"""Helpers for tests of virtual kits: documents, a scripted server, a broker that can refuse to answer."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt

from hortus.protocol.mqtt.packets import (
    MQTT_3_1_1,
    Connack,
    Connect,
    Packet,
    PacketReader,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    encode,
)
from hortus.protocol.wire.messages import (
    ActiveConfigurationCall,
    ActiveConfigurationResult,
    QuantityTypesCall,
    QuantityTypesResult,
    ServerRpcResponse,
)
from hortus.protocol.wire.rpc_codec import decode_server_rpc_request, encode_server_rpc_response
from hortus.simulator.devices import DEVICES
from programs import system_program
from waiting import until

SERIAL = "k-3b4c-6d7f-8g9h"
PASSWORD = "k7Yw!Rb3nT#dQ9m6Xc4Hg&Vp"

QUANTITY_TYPES = json.dumps(
    [
        {"id": number, "physicalQuantity": quantity, "physicalUnit": unit, "physicalUnitSymbol": symbol}
        for number, quantity, unit, symbol in [
            (1, "Temperature", "Degrees Celsius", "°C"),
            (2, "Pressure", "Hectopascal", "hPa"),
            (3, "Humidity", "Percent", "%"),
            (4, "Concentration", "Parts per million", "PPM"),
            (5, "Light intensity", "Lux", "lx"),
        ]
    ]
)

INTERVALS = {"measurementInterval": 5, "aggregateInterval": 60}
BAROMETER_ID = 1701


def peripheral(peripheral_id: int, name: str, definition_name: str, configuration: object) -> dict[str, object]:
    device = next(device for device in DEVICES if device.definition_name == definition_name)
    return {
        "peripheral": {"id": peripheral_id, "name": name, "configuration": configuration},
        "definition": {
            "name": definition_name,
            "symbolLocation": device.symbol_location,
            "symbol": device.symbol,
        },
    }


def configuration(*peripherals: dict[str, object]) -> str:
    return json.dumps({"id": 412, "kitId": 37, "controlRules": {}, "peripherals": list(peripherals)})


STANDARD = configuration(
    peripheral(BAROMETER_ID, "Climate", "Virtual barometer", {"intervals": INTERVALS}),
    peripheral(1702, "Heater", "Virtual heater", None),
    peripheral(1703, "Fans", "AstroPlant fans", {"gpioAddresses": [16]}),
    peripheral(1704, "Lamp", "AstroPlant LED panel", {}),
    peripheral(1705, "Camera", "Virtual random camera", {"schedule": []}),
)


@asynccontextmanager
async def running(*coroutines: object) -> AsyncIterator[None]:
    """Run these alongside the test, and end them with it."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]  # type: ignore[call-overload]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def mosquitto(directory: Path, port: int) -> AsyncIterator[None]:
    """Run a real broker without passwords on this loopback port."""
    path = directory / "mosquitto.conf"
    path.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    process = await asyncio.create_subprocess_exec(
        system_program("mosquitto"),
        "-c",
        path,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await until(lambda: _listens(port), "mosquitto listens")
        yield
    finally:
        process.terminate()
        await process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class ScriptedServer:
    """Answers the boot questions of all kits through a broker, and records every message in order."""

    port: int
    configurations: list[str | None] = field(default_factory=lambda: [STANDARD])
    messages: list[tuple[str, bytes]] = field(default_factory=list)
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)
    client: aiomqtt.Client | None = None

    async def run(self) -> None:
        async with aiomqtt.Client("127.0.0.1", self.port) as client:
            self.client = client
            await client.subscribe("kit/#", qos=2)
            self.subscribed.set()
            async for message in client.messages:
                topic, payload = str(message.topic), bytes(message.payload or b"")
                self.messages.append((topic, payload))
                if topic.endswith("/server-rpc/request"):
                    await client.publish(
                        topic.replace("request", "response"), answer(payload, self.configurations), qos=1
                    )

    async def publish(self, topic: str, payload: bytes) -> None:
        assert self.client is not None
        await self.client.publish(topic, payload, qos=1)

    def payloads(self, suffix: str, serial: str = SERIAL) -> list[bytes]:
        return [payload for topic, payload in self.messages if topic == f"kit/{serial}/{suffix}"]


def answer(payload: bytes, configurations: list[str | None]) -> bytes:
    """Answer a boot question; the configurations are consumed in order, except the last."""
    request = decode_server_rpc_request(payload)
    match request.call:
        case ActiveConfigurationCall():
            text = configurations.pop(0) if len(configurations) > 1 else configurations[0]
            result: ActiveConfigurationResult | QuantityTypesResult = ActiveConfigurationResult(json_text=text)
        case QuantityTypesCall():
            result = QuantityTypesResult(json_text=QUANTITY_TYPES)
        case _:
            raise AssertionError(f"a kit never asks {request.call}")
    return encode_server_rpc_response(ServerRpcResponse(id=request.id, result=result))


@dataclass
class FakeBroker:
    """A broker for one kit at a time that answers questions but acknowledges only on command.

    `packets` holds the packets of each connection, in order.
    """

    acknowledge_aggregates: bool = True
    acknowledge_questions: bool = True
    complete: bool = True
    answer_questions: bool = True
    answer_connect: bool = True
    answer_pings: bool = True
    return_code: int = 0
    packets: list[list[Packet]] = field(default_factory=list)
    configurations: list[str | None] = field(default_factory=lambda: [STANDARD])
    port: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for writer in self.writers:
                writer.transport.abort()

    def hang_up(self) -> None:
        self.writers[-1].transport.abort()

    def send(self, data: bytes) -> None:
        self.writers[-1].write(data)

    def published(self, suffix: str, connection: int = -1) -> list[Publish]:
        return [
            packet
            for packet in self.packets[connection]
            if isinstance(packet, Publish) and packet.topic.endswith(suffix)
        ]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packet_reader = PacketReader(1_000_000)
        received: list[Packet] = []
        self.packets.append(received)
        self.writers.append(writer)
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                packets = packet_reader.feed(data)
                packets += packet_reader.feed(b"")
                for packet in packets:
                    received.append(packet)
                    self._respond(packet, writer)
        writer.close()

    def _respond(self, packet: Packet, writer: asyncio.StreamWriter) -> None:
        for response in self._responses(packet):
            writer.write(encode(response, MQTT_3_1_1))

    def _responses(self, packet: Packet) -> list[Packet]:
        match packet:
            case Connect() if self.answer_connect:
                return [Connack(reason_code=self.return_code)]
            case Subscribe():
                return [Suback(packet_id=packet.packet_id, reason_codes=(1,))]
            case Publish(qos=1):
                return self._to_question(packet)
            case Publish(qos=2) if self.acknowledge_aggregates:
                return [Pubrec(packet_id=packet.packet_id)]
            case Pubrel() if self.complete:
                return [Pubcomp(packet_id=packet.packet_id)]
            case Pingreq() if self.answer_pings:
                return [Pingresp()]
            case _:
                return []

    def _to_question(self, packet: Publish) -> list[Packet]:
        responses: list[Packet] = []
        if self.acknowledge_questions:
            responses.append(Puback(packet_id=packet.packet_id))
        if self.answer_questions and packet.topic.endswith("server-rpc/request"):
            topic = packet.topic.replace("request", "response")
            responses.append(
                Publish(topic=topic, payload=answer(packet.payload, self.configurations), qos=1, packet_id=7)
            )
        return responses
