"""A kit that does only what a test tells it to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiomqtt
from rpc_world import RpcWorld

from hortus.domain.kits.store import CreatedKit
from hortus.protocol.wire.codec import decode_server_rpc_response, encode_server_rpc_request
from hortus.protocol.wire.messages import ServerCall, ServerRpcRequest, ServerRpcResponse


@dataclass
class RawKit:
    """A kit that only listens, and sends the requests given by the test."""

    serial: str
    client: aiomqtt.Client
    messages: list[aiomqtt.Message]

    async def ask(self, number: int, call: ServerCall) -> None:
        await self.send(encode_server_rpc_request(ServerRpcRequest(id=number, call=call)))

    async def send(self, payload: bytes) -> None:
        await self.client.publish(f"kit/{self.serial}/server-rpc/request", payload, qos=1)

    @property
    def answers(self) -> list[ServerRpcResponse]:
        """Every answer so far; one that does not decode fails the test here."""
        return [decode_server_rpc_response(each) for each in self.payloads("server-rpc/response")]

    def payloads(self, suffix: str) -> list[bytes]:
        return [bytes(each.payload) for each in self.messages if str(each.topic).endswith(suffix)]


@asynccontextmanager
async def raw_kit(world: RpcWorld, kit: CreatedKit) -> AsyncIterator[RawKit]:
    async with aiomqtt.Client(
        "127.0.0.1", world.mqtt_port, username=kit.serial, password=kit.password
    ) as client:
        await client.subscribe(f"kit/{kit.serial}/server-rpc/response", qos=1)
        await client.subscribe(f"kit/{kit.serial}/kit-rpc/request", qos=1)
        raw = RawKit(kit.serial, client, [])

        async def collect() -> None:
            async for message in client.messages:
                raw.messages.append(message)

        collecting = asyncio.create_task(collect())
        try:
            yield raw
        finally:
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)
