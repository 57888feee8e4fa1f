"""RPC in both directions over one way to kits: the parts that `hortus rpc` and `hortus up` run alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.listening import listen
from hortus.domain.presence.keeper import PresenceKeeper
from hortus.flow.commands.answers import AnswerDesk
from hortus.flow.commands.dispatcher import CommandDispatcher
from hortus.flow.commands.store import COMMANDS_CHANNEL
from hortus.flow.commands.transport import KitTransport
from hortus.flow.rpc.responder import Publish, ServerRpcResponder

Connect = Callable[[], Awaitable[asyncpg.Connection]]

REQUEST_TOPICS = "kit/+/server-rpc/request"
ANSWER_TOPICS = "kit/+/kit-rpc/response"


class KitRpc:
    """Answers kits, sends commands to them, takes their answers, and notes that they are there.

    `kit_seconds` is what a kit has to answer.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        connect: Connect,
        transport: KitTransport,
        publish: Publish,
        presence: PresenceKeeper,
        *,
        kit_seconds: int,
    ) -> None:
        self._connect = connect
        self._presence = presence
        self.responder = ServerRpcResponder(engine, publish, on_contact=self._presence.heard)
        self.dispatcher = CommandDispatcher(
            engine, transport, on_absent=self._turned_out_absent, kit_seconds=kit_seconds
        )
        self.answers = AnswerDesk(engine, on_contact=self._presence.heard)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._presence.run())
            group.create_task(self.responder.run())
            group.create_task(self.dispatcher.run())
            group.create_task(self.answers.run())
            group.create_task(
                listen(self._connect, COMMANDS_CHANNEL, tell=self._announced, connected=self.dispatcher.wake)
            )

    def _announced(self, payload: str) -> None:
        if payload == "queued":
            self.dispatcher.wake()

    def _turned_out_absent(self, serial: str) -> None:
        self._presence.connection_changed(serial, False)
