"""The job that delivers messages: a few threads per transport, each attempt limited in time.

The libraries block, so each attempt runs in its own thread, and the number of threads is limited. Mail and
services have separate limits: a mail server that hangs does not delay messages to services, or vice versa.

A message is never sent again while an attempt may still succeed: an attempt keeps its lease for as long as it
takes. If it ends without saying whether the message was accepted, the message is given up, and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.database.engine import CONNECTION_FAILURES
from hortus.base.errors import describe_error
from hortus.base.supervision import note_failure, note_success, piece_of_work
from hortus.domain.messages.outcome import NotDelivered, OutgoingMessage
from hortus.domain.messages.queue import (
    TakenMessage,
    forget_old,
    give_up_late,
    note_accepted,
    note_failed,
    renew_lease,
    take_due,
    withdraw_untrue,
)
from hortus.domain.messages.sealing import Seal, Unreadable
from hortus.domain.messages.tables import Transport

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0

_ABORT_SECONDS = 5.0
_STOP_SECONDS = 2.0
_DATABASE_FAILURES = (SQLAlchemyError, *CONNECTION_FAILURES)


class DeliveryAttempt(Protocol):
    """One attempt to deliver a message. It takes `most_seconds` at most, if the server is slow but well."""

    most_seconds: float

    def deliver(self) -> None:
        """Deliver the message. Blocks. Raises NotDelivered."""

    def abort(self) -> None:
        """End `deliver` early, if that is possible."""


Carrier = Callable[[OutgoingMessage, str | None], DeliveryAttempt]
"""Creates an attempt from a message and, for services, the URL."""

Ended = Callable[[AsyncConnection, UUID, bool], Awaitable[None]]
"""Called with the outcome of a message (whether it was accepted), in the transaction that records it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLimits:
    """Concurrency and timing of delivery. The lease is renewed during an attempt, by a process that lives."""

    at_once: int = 4
    lease_seconds: float = 120.0
    first_pause_seconds: float = 10.0
    longest_pause_seconds: float = 900.0
    poll_seconds: float = POLL_SECONDS


async def tell_nobody(_connection: AsyncConnection, _message_id: UUID, _accepted: bool) -> None:
    """Ignore the outcome of a message."""


class MessageDelivery:
    """Delivers due messages until cancelled. Any number of processes may do so at once.

    Transports without a carrier are left to other processes.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        seal: Seal,
        carriers: Mapping[Transport, Carrier],
        *,
        limits: DeliveryLimits | None = None,
        ended: Ended = tell_nobody,
    ) -> None:
        self._engine = engine
        self._seal = seal
        self._carriers = carriers
        self._limits = limits or DeliveryLimits()
        self._ended = ended

    async def run(self) -> None:
        """Deliver until cancelled; a message in delivery at that moment is due again when its lease ends."""
        async with asyncio.TaskGroup() as group:
            for transport, carrier in self._carriers.items():
                group.create_task(self._serve(transport, carrier))
            group.create_task(self._tidy())

    async def _serve(self, transport: Transport, carrier: Carrier) -> None:
        slots = asyncio.Semaphore(self._limits.at_once)
        async with asyncio.TaskGroup() as attempts:
            while True:
                await slots.acquire()
                with piece_of_work():
                    message = await self._take(transport)
                if message is None:
                    slots.release()
                    await asyncio.sleep(self._limits.poll_seconds)
                else:
                    attempts.create_task(self._attempt(message, carrier, slots))

    async def _take(self, transport: Transport) -> TakenMessage | None:
        try:
            async with self._engine.begin() as connection:
                message = await take_due(connection, transport, self._limits.lease_seconds)
        except _DATABASE_FAILURES as error:
            note_failure(error)
            log.info("messages have to wait, the database does not answer: %s", describe_error(error))
            return None
        note_success()
        return message

    async def _attempt(self, message: TakenMessage, carrier: Carrier, slots: asyncio.Semaphore) -> None:
        try:
            delivery = self._delivery(message, carrier)
        except Unreadable as error:
            slots.release()
            await self._note(message, NotDelivered(str(error), permanent=True))
            return
        # The thread itself releases the slot, so that a thread that hangs for ever still counts.
        working = _in_thread(delivery.deliver, slots.release)
        renewing = asyncio.create_task(self._renew_lease(message))
        try:
            await self._note(message, await self._outcome(working, delivery))
        except asyncio.CancelledError:
            await self._stop(message, working, delivery)
            raise
        finally:
            renewing.cancel()

    async def _stop(
        self, message: TakenMessage, working: asyncio.Future[None], delivery: DeliveryAttempt
    ) -> None:
        """End an attempt because this process stops, and record its outcome, so that none repeats it."""
        done, _ = await asyncio.wait([working], timeout=_STOP_SECONDS)
        if not done:
            delivery.abort()
            done, _ = await asyncio.wait([working], timeout=_STOP_SECONDS)
        if done:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._noted(message, _failure(working))

    async def _renew_lease(self, message: TakenMessage) -> None:
        while True:
            await asyncio.sleep(self._limits.lease_seconds / 4)
            try:
                async with self._engine.begin() as connection:
                    await renew_lease(connection, message, self._limits.lease_seconds)
            except _DATABASE_FAILURES as error:
                log.warning(
                    "could not renew the lease of message %s yet: %s", message.id, describe_error(error)
                )

    def _delivery(self, message: TakenMessage, carrier: Carrier) -> DeliveryAttempt:
        letter = OutgoingMessage(
            message_id=str(message.id),
            recipient=message.recipient,
            subject=message.subject,
            body=self._seal.open(message.sealed_body or b""),
        )
        return carrier(letter, self._seal.open(message.sealed_url) if message.sealed_url else None)

    async def _outcome(self, working: asyncio.Future[None], delivery: DeliveryAttempt) -> NotDelivered | None:
        """Wait for an attempt to end, with a timeout; None means that the message was accepted."""
        done, _ = await asyncio.wait([working], timeout=delivery.most_seconds)
        if not done:
            delivery.abort()
            done, _ = await asyncio.wait([working], timeout=_ABORT_SECONDS)
        if not done:
            return NotDelivered(
                "Sending took too long. It may still have succeeded, so it is not sent again.", permanent=True
            )
        return _failure(working)

    async def _note(self, message: TakenMessage, failure: NotDelivered | None) -> None:
        """Record the outcome, retrying until the lease ends: an unrecorded message would be sent again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.lease_seconds):
                noted = await self._noted(message, failure)
                while not noted:
                    await asyncio.sleep(min(1.0, self._limits.poll_seconds))
                    noted = await self._noted(message, failure)

    async def _noted(self, message: TakenMessage, failure: NotDelivered | None) -> bool:
        try:
            async with self._engine.begin() as connection:
                if failure is None:
                    if await note_accepted(connection, message):
                        await self._ended(connection, message.id, True)
                    return True
                pause = None if failure.permanent else self._pause_seconds(message.attempts)
                if await note_failed(connection, message, str(failure), pause_seconds=pause):
                    log.warning("gave up on message %s: %s", message.id, failure)
                    await self._ended(connection, message.id, False)
                return True
        except _DATABASE_FAILURES as error:
            log.warning("could not record the outcome of message %s yet: %s", message.id, describe_error(error))
            return False

    def _pause_seconds(self, attempts: int) -> float:
        pause = self._limits.first_pause_seconds * 2.0 ** min(attempts - 1, 20)
        jitter = random.uniform(0.5, 1.0)  # noqa: S311  (jitter, not a secret)
        return min(pause, self._limits.longest_pause_seconds) * jitter

    async def _tidy(self) -> None:
        while True:
            with contextlib.suppress(*_DATABASE_FAILURES):
                async with self._engine.begin() as connection:
                    for message_id in await give_up_late(connection):
                        log.warning("gave up on message %s: expired, or no longer allowed", message_id)
                        await self._ended(connection, message_id, False)
                    await withdraw_untrue(connection)
                    await forget_old(connection)
            await asyncio.sleep(self._limits.poll_seconds * 5)


def _failure(working: asyncio.Future[None]) -> NotDelivered | None:
    """Return why an attempt that has ended failed; None means that the message was accepted."""
    error = working.exception()
    if error is None or isinstance(error, NotDelivered):
        return error
    # Service libraries raise anything; the queue must continue.
    return NotDelivered(f"The library for this service failed: {type(error).__name__}.")


def _in_thread(work: Callable[[], None], at_end: Callable[[], None]) -> asyncio.Future[None]:
    """Run `work` in a daemon thread, which, unlike a pool's, does not keep the process from exiting."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        at_end()
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
            future.exception()  # marks it as retrieved, even if the waiter is gone

    def run() -> None:
        failure: Exception | None = None
        try:
            work()
        except Exception as error:  # noqa: BLE001  (passed to the waiter)
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop may already be closed
            loop.call_soon_threadsafe(settle, failure)

    threading.Thread(target=run, name="message delivery", daemon=True).start()
    return future
