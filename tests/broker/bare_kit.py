"""A bare MQTT client, to see what the broker answers."""

from __future__ import annotations

import asyncio

from hortus.protocol.mqtt.packets import (
    MQTT_5,
    Connack,
    Connect,
    Packet,
    PacketReader,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    encode,
)
from mosquitto_process import Mosquitto


class Kit:
    """One connection of a client."""

    def __init__(self, broker: Mosquitto, level: int = MQTT_5) -> None:
        self._broker = broker
        self._level = level
        self._packets: list[Packet] = []

    async def connect(self, username: str | None, password: str | None) -> int:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._broker.port)
        self._decoder = PacketReader(1_000_000, self._level)
        secret = None if password is None else password.encode()
        self.send(Connect(client_id="", protocol_level=self._level, username=username, password=secret))
        connack = await self.next_packet()
        assert isinstance(connack, Connack)
        return connack.reason_code

    def send(self, packet: Packet) -> None:
        self._writer.write(encode(packet, self._level))

    async def next_packet(self) -> Packet | None:
        while not self._packets:
            data = await asyncio.wait_for(self._reader.read(65_536), 20)
            if not data:
                return None
            self._packets += self._decoder.feed(data)
        return self._packets.pop(0)

    async def publish(self, topic: str, payload: bytes = b"x", retain: bool = False) -> int | None:
        self.send(Publish(topic, payload, 1, 1, retain))
        packet = await self.next_packet()
        return packet.reason_code if isinstance(packet, Puback) else None

    async def subscribe(self, topic_filter: str) -> int:
        subscription = Subscription(topic_filter=topic_filter, qos=1)
        self.send(Subscribe(packet_id=1, subscriptions=(subscription,)))
        suback = await self.next_packet()
        assert isinstance(suback, Suback)
        return suback.reason_codes[0]

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
