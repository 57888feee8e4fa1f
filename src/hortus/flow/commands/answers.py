"""Receives the answers of kits: the process that gets an answer completes the command, whichever sent it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.errors import describe_error
from hortus.base.supervision import note_success, piece_of_work
from hortus.flow.commands.outcome import CommandOutcome, malformed, outcome_of
from hortus.flow.commands.sending import Reception, await_answer, finish, is_asked, note_late_answer
from hortus.protocol.mqtt.topics import TopicChannel, parse_kit_topic
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.messages import KitResult
from hortus.protocol.wire.rpc_codec import decode_kit_rpc_response, peek_kit_rpc_response_id

log = logging.getLogger(__name__)

_AT_ONCE = 4
_MOST_OPEN = 1000
_MOST_OPEN_BYTES = 160 * 1024 * 1024
# A kit answers one question at a time; surplus answers must not crowd out those of other kits.
_MOST_OPEN_OF_KIT = 4
# Answers up to this size are always decoded, so that they can be classified, and in the event loop.
_SMALL_BYTES = 64 * 1024
_ATTEMPTS = 20
_RETRY_SECONDS = 1.0
_KITS_TOLD_OF = 1000

UNREADABLE = "unreadable"
DROPPED = "dropped"

_DATABASE_FAILURES = (SQLAlchemyError, OSError, TimeoutError)

OnContact = Callable[[str], None]


class AnswerDesk:
    """Records the answers of kits. The queue is bounded in number and bytes; `receptions` counts by outcome."""

    def __init__(self, engine: AsyncEngine, *, on_contact: OnContact) -> None:
        self._engine = engine
        self._on_contact = on_contact
        self._arrived: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._open_of_kit: Counter[str] = Counter()
        self._open_bytes = 0
        self._large = asyncio.Lock()
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.receptions: Counter[str] = Counter()

    def answer_arrived(self, topic: str, payload: bytes) -> None:
        """Accept a message on a kit's `kit-rpc/response`."""
        kit_topic = parse_kit_topic(topic)
        if kit_topic is None or kit_topic.channel is not TopicChannel.KIT_RPC_RESPONSE:
            return
        serial = kit_topic.serial
        self._on_contact(serial)
        if (
            self._open_of_kit[serial] >= _MOST_OPEN_OF_KIT
            or self.open_answers >= _MOST_OPEN
            or self._open_bytes + len(payload) > _MOST_OPEN_BYTES
        ):
            self._ignore(serial, DROPPED)
            return
        self._open_of_kit[serial] += 1
        self._open_bytes += len(payload)
        self._arrived.put_nowait((serial, payload))

    @property
    def open_answers(self) -> int:
        """The number of answers still being processed."""
        return self._open_of_kit.total()

    async def run(self) -> None:
        """Process answers until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._take_for_ever())

    async def _take_for_ever(self) -> None:
        while True:
            serial, payload = await self._arrived.get()
            try:
                with piece_of_work():
                    await self._take_patiently(serial, payload)
            finally:
                self._open_bytes -= len(payload)
                self._open_of_kit[serial] -= 1
                if not self._open_of_kit[serial]:
                    del self._open_of_kit[serial]

    async def _take_patiently(self, serial: str, payload: bytes) -> None:
        for _ in range(_ATTEMPTS):
            try:
                await self._take(serial, payload)
            except _DATABASE_FAILURES as error:
                log.warning("an answer from kit %s cannot be recorded now: %s", serial, describe_error(error))
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception:  # one kit's answer must not stop the processing of all others
                log.exception("an answer from kit %s was not processed because of an internal error", serial)
                break
            else:
                note_success()
                return
        # The caller that was waiting for it has given up by now.
        self._ignore(serial, DROPPED)

    async def _take(self, serial: str, payload: bytes) -> None:
        if len(payload) <= _SMALL_BYTES:
            await self._note(serial, *_read(payload))
            return
        async with self._large:
            reception = await self._reception_of_large(serial, payload)
            if reception in {Reception.UNASKED, Reception.REPEATED}:
                self._ignore(serial, reception)
                return
            await self._note(serial, *await asyncio.to_thread(_read, payload))

    async def _reception_of_large(self, serial: str, payload: bytes) -> Reception:
        """Return how an answer relates to the kit's commands, before up to 64 MiB are decoded."""
        command_id = peek_kit_rpc_response_id(payload)
        async with self._engine.connect() as connection:
            if command_id is not None:
                return (await await_answer(connection, serial, command_id)).reception
            return Reception.EXPECTED if await is_asked(connection, serial) else Reception.UNASKED

    async def _note(self, serial: str, command_id: int | None, result: KitResult | None) -> None:
        if command_id is None:
            self._ignore(serial, UNREADABLE)
            return
        async with self._engine.begin() as connection:
            awaited = await await_answer(connection, serial, command_id)
            if awaited.method is not None:
                outcome = malformed() if result is None else outcome_of(awaited.method, result)
                if awaited.reception is Reception.EXPECTED:
                    await finish(connection, command_id, outcome)
                else:
                    await note_late_answer(connection, command_id, outcome)
        self._count(serial, awaited.reception, outcome if awaited.method is not None else None)

    def _count(self, serial: str, reception: Reception, outcome: CommandOutcome | None) -> None:
        if outcome is None:
            self._ignore(serial, reception)
            return
        self.receptions[reception] += 1
        if reception is Reception.LATE:
            log.info("kit %s answered too late; recorded in the command ledger", serial)

    def _ignore(self, serial: str, what: str) -> None:
        """Count an answer that changes nothing; log it once per kit and kind, unless it is a mere repeat.

        A kit sends an answer again if it has lost its connection before the acknowledgement (QoS 1).
        """
        self.receptions[what] += 1
        if what == Reception.REPEATED:
            log.debug("kit %s sent an answer again", serial)
            return
        key = (serial, what)
        if key in self._told:
            return
        self._told[key] = None
        if len(self._told) > _KITS_TOLD_OF:
            self._told.popitem(last=False)
        log.warning("ignored an answer from kit %s: %s (logged once)", serial, what)


def _read(payload: bytes) -> tuple[int | None, KitResult | None]:
    """Return the id and the result of an answer; each is None if it cannot be decoded."""
    try:
        response = decode_kit_rpc_response(payload)
    except WireError as error:
        return error.rpc_id, None
    return response.id, response.result
