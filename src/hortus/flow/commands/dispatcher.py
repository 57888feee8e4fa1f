"""Sends commands to kits. Any number of dispatchers share one database; each command is sent by one of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.errors import HortusError, OperationalError, describe_error
from hortus.base.events import set_within
from hortus.base.supervision import note_failure, note_success
from hortus.flow.commands.sending import Claimed, claim, fail_unsent, give_back
from hortus.flow.commands.store import SAY_CAN_SEND_SECONDS, can_send, forget_old, sweep
from hortus.protocol.mqtt.topics import KitTopic, TopicChannel
from hortus.protocol.wire.messages import KitRpcRequest
from hortus.protocol.wire.rpc_codec import encode_kit_rpc_request

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
_HOUSEKEEPING_SECONDS = 60.0
_RETRY_SECONDS = 1.0
_MOST_UNDER_WAY = 50
# A process that was suspended between claiming and sending must not send a command that has since timed out.
_LONGEST_DELAY_SECONDS = 5.0

_DATABASE_FAILURES = (SQLAlchemyError, OSError, TimeoutError)


OnAbsent = Callable[[str], None]


class NotSent(OperationalError):
    """The message has definitely not left this process."""


class KitTransport(Protocol):
    """Publishes to kits at QoS 1, never retained, and never resends a message after its expiry."""

    @property
    def connected(self) -> bool:
        """Whether the transport can send at the moment."""

    async def send(self, topic: KitTopic, payload: bytes, *, expiry_seconds: int) -> bool:
        """Publish to a kit; return False if the kit is definitely not connected.

        Raises NotSent if the message has definitely not left this process, or another OperationalError if it
        may have.
        """


class CommandDispatcher:
    """Claims commands and publishes them. Call `wake` when there may be a command to send.

    `on_absent` is called with the serial of each kit that turns out not to be connected.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        transport: KitTransport,
        *,
        on_absent: OnAbsent,
        kit_seconds: int,
    ) -> None:
        self._engine = engine
        # A claim is a single statement and needs no explicit transaction.
        self._committing = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._transport = transport
        self._on_absent = on_absent
        self._kit_seconds = kit_seconds
        self._wake = asyncio.Event()
        self._under_way = asyncio.Semaphore(_MOST_UNDER_WAY)
        self._next_sweep = 0.0
        self._next_housekeeping = 0.0
        self._next_can_send = 0.0
        self.sent = 0

    def wake(self) -> None:
        """Look for commands to send without waiting for the next poll."""
        self._wake.set()

    async def run(self) -> None:
        """Send commands until cancelled; keep retrying while the database is unavailable."""
        told = False
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                try:
                    await self._work(group)
                    note_success()
                    told = False
                except _DATABASE_FAILURES as error:
                    note_failure(error)
                    if not told:
                        log.warning("commands to kits are delayed: %s", describe_error(error))
                        told = True
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                await set_within(self._wake, LOOK_SECONDS)

    async def _work(self, group: asyncio.TaskGroup) -> None:
        await self._send_what_waits(group)
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + LOOK_SECONDS
        async with self._engine.begin() as connection:
            await sweep(connection)
            if self._transport.connected and now >= self._next_can_send:
                await can_send(connection)
                self._next_can_send = now + SAY_CAN_SEND_SECONDS
            if now >= self._next_housekeeping:
                await forget_old(connection)
                self._next_housekeeping = now + _HOUSEKEEPING_SECONDS

    async def _send_what_waits(self, group: asyncio.TaskGroup) -> None:
        while self._transport.connected:
            await self._under_way.acquire()
            claimed = None
            try:
                begun = time.monotonic()
                async with self._committing.connect() as connection:
                    claimed = await claim(connection, self._kit_seconds)
            finally:
                if claimed is None:
                    self._under_way.release()
            if claimed is None:
                return
            group.create_task(self._send(claimed, begun))

    async def _send(self, claimed: Claimed, begun: float) -> None:
        try:
            await self._publish(claimed, begun)
        except (HortusError, *_DATABASE_FAILURES) as error:
            # The command ends at its deadline; it is never sent again.
            log.warning(
                "the outcome of command %d could not be recorded: %s", claimed.id, describe_error(error)
            )
        except Exception:  # one command must not stop the sending of all others; it ends at its deadline too
            log.exception("command %d was not sent because of an internal error", claimed.id)
        finally:
            self._under_way.release()

    async def _publish(self, claimed: Claimed, begun: float) -> None:
        topic = KitTopic(serial=claimed.serial, channel=TopicChannel.KIT_RPC_REQUEST)
        payload = encode_kit_rpc_request(KitRpcRequest(id=claimed.id, call=claimed.question.call))
        try:
            if time.monotonic() - begun > _LONGEST_DELAY_SECONDS:
                raise NotSent("This process was held up for too long.")
            is_there = await self._transport.send(topic, payload, expiry_seconds=self._kit_seconds)
        except NotSent:
            async with self._engine.begin() as connection:
                await give_back(connection, claimed.id)
            return
        except OperationalError as error:
            log.warning(
                "command %d to kit %s may not have arrived: %s",
                claimed.id,
                claimed.serial,
                describe_error(error),
            )
            return
        if is_there:
            self.sent += 1
            return
        async with self._engine.begin() as connection:
            await fail_unsent(connection, claimed.id, "The kit is not connected.")
        self._on_absent(claimed.serial)
