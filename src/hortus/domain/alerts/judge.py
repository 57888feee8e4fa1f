"""The job that judges stored readings and queues messages about alerts.

One process of an installation judges; the others stand by and poll for an advisory lock, which is released when
its holder's connection closes. Neither a change of holder nor a lost notification loses anything: the state of
each quantity determines which readings are new, and a new holder looks at all kits first. Nothing is judged
twice, since a state is only ever replaced by a later one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import close_soon, end_if_silent
from hortus.base.database.listening import PING_SECONDS
from hortus.base.errors import OperationalError
from hortus.base.events import set_within
from hortus.base.supervision import note_success
from hortus.domain.alerts.judged_quantities import (
    LookingBack,
    chosen_readings,
    judged_quantities,
    linked_kits,
    new_readings,
)
from hortus.domain.alerts.judging import judge_all
from hortus.domain.alerts.lost_messages import forget_lost_messages
from hortus.domain.alerts.outcomes import JudgementOutcome, write_eventful, write_quiet
from hortus.domain.alerts.silence import SilenceWatch
from hortus.domain.alerts.withdrawal import withdraw_unjudged
from hortus.domain.messages.access import MessageAccess

log = logging.getLogger(__name__)

STORED_CHANNEL = "hortus_stored"

_LOCK = "SELECT pg_try_advisory_lock(hashtext('hortus alerts'))"
_KITS_AT_ONCE = 1_000
NOTHING_READ: Mapping[int, datetime] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeLimits:
    """Intervals, in seconds. Readings stored within `gather_seconds` are judged together, which is cheaper.

    A judge of which the database hears nothing for `silence_seconds` loses the lock to another one.
    """

    gather_seconds: float = 2.0
    sweep_seconds: float = 60.0
    standby_seconds: float = 5.0
    ping_seconds: float = PING_SECONDS
    answer_seconds: float = 10.0
    silence_seconds: float = 60.0
    statement_seconds: float = 60.0


def _now() -> datetime:
    return datetime.now(UTC)


class ConnectionLost(OperationalError):
    """The connection that held the lock and received announcements has ended."""


class AlertJudge:
    """Judges readings and silence until cancelled. Any number of instances may run."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        engine: AsyncEngine,
        access: MessageAccess,
        *,
        limits: JudgeLimits | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._connect = connect
        self._engine = engine
        self._access = access
        self._limits = limits or JudgeLimits()
        self._clock = clock
        self._pending: set[int] = set()
        self._looking_back = LookingBack()
        self._look_at_all = False
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Wait for the lock, then judge. Raises what the database raises; may be run again afterwards."""
        connection = await self._connect()
        connection.add_termination_listener(lambda _connection: self._wake.set())
        try:
            await end_if_silent(connection, self._limits.silence_seconds)
            await self._wait_for_turn(connection)
            await connection.add_listener(STORED_CHANNEL, self._stored)
            self._look_at_all = True
            self._looking_back = LookingBack()
            await self._judge_for_ever(connection)
        finally:
            await close_soon(connection)

    async def _wait_for_turn(self, connection: asyncpg.Connection) -> None:
        is_mine = await connection.fetchval(_LOCK, timeout=self._limits.statement_seconds)
        while not is_mine:
            note_success()
            await asyncio.sleep(self._limits.standby_seconds)
            is_mine = await connection.fetchval(_LOCK, timeout=self._limits.statement_seconds)

    async def _judge_for_ever(self, connection: asyncpg.Connection) -> None:
        watch = SilenceWatch(self._engine, self._access, since=self._clock())
        loop = asyncio.get_running_loop()
        next_sweep = loop.time()
        self._wake.set()
        while True:
            wait_seconds = min(next_sweep - loop.time(), self._limits.ping_seconds)
            if await set_within(self._wake, wait_seconds):
                await asyncio.sleep(self._limits.gather_seconds)
                await self._judge_pending(connection)
            if loop.time() >= next_sweep:
                await self._sweep(watch)
                next_sweep = loop.time() + self._limits.sweep_seconds
            await self._require_announcements(connection)
            note_success()

    async def _require_announcements(self, connection: asyncpg.Connection) -> None:
        """Raise if the connection has ended, or does not answer: no announcement would arrive any more."""
        if connection.is_closed():
            raise ConnectionLost("The connection to the database was lost.")
        await connection.execute("SELECT 1", timeout=self._limits.answer_seconds)

    async def _sweep(self, watch: SilenceWatch) -> None:
        await withdraw_unjudged(self._engine)
        await forget_lost_messages(self._engine)
        await watch.look(self._clock())
        owed = self._looking_back.take_owed()
        if owed:
            self._pending |= owed
            self._wake.set()

    async def _judge_pending(self, connection: asyncpg.Connection) -> None:
        self._wake.clear()
        kit_ids, self._pending = self._pending, set()
        if self._look_at_all:
            self._look_at_all = False
            kit_ids = await linked_kits(connection)
        ordered = sorted(kit_ids)
        for start in range(0, len(ordered), _KITS_AT_ONCE):
            await self._judge_apart(connection, set(ordered[start : start + _KITS_AT_ONCE]))

    async def _judge_apart(self, connection: asyncpg.Connection, kit_ids: set[int]) -> None:
        """Judge these kits together; if that fails, one by one, so that one cannot block the others (P4)."""
        try:
            await self._judge(connection, kit_ids)
        except Exception:  # noqa: BLE001  (no error of one kit may affect another)
            self._looking_back.forget(kit_ids)
            await self._require_database(connection)
            for kit_id in sorted(kit_ids):
                await self._judge_alone(connection, kit_id)

    async def _judge_alone(self, connection: asyncpg.Connection, kit_id: int) -> None:
        try:
            await self._judge(connection, {kit_id})
        except Exception:  # one kit that cannot be judged must not block the others
            self._looking_back.forget({kit_id})
            await self._require_database(connection)
            log.exception("cannot judge the readings of the kit with id %d", kit_id)

    async def _require_database(self, connection: asyncpg.Connection) -> None:
        """Raise the database's error if it is unavailable: then the fault is not a kit's, and all kits wait."""
        await connection.fetchval("SELECT 1", timeout=self._limits.statement_seconds)
        async with self._engine.connect() as another:
            await another.exec_driver_sql("SELECT 1")

    async def _judge(self, connection: asyncpg.Connection, kit_ids: set[int]) -> None:
        read_until: dict[int, datetime] = {}
        while kit_ids:
            read_until = await judge_kits(
                *(
                    connection,
                    self._engine,
                    self._access,
                    kit_ids,
                    self._clock(),
                    read_until,
                    self._looking_back,
                )
            )
            kit_ids = set(read_until)
            note_success()

    def _stored(self, _connection: object, _process_id: int, _channel: str, payload: object) -> None:
        if payload == "*":
            self._look_at_all = True
        else:
            self._pending.update(map(int, str(payload).split()))
        self._wake.set()


async def judge_kits(
    connection: asyncpg.Connection,
    engine: AsyncEngine,
    access: MessageAccess,
    kit_ids: Collection[int],
    now: datetime,
    read_until: Mapping[int, datetime] = NOTHING_READ,
    looking_back: LookingBack | None = None,
) -> dict[int, datetime]:
    """Judge the new readings of these kits; return the kits with more, and the time up to which each was read.

    Pass the returned value to the next call: each call reads further, whether or not anything judges the
    readings. A caller that judges repeatedly keeps `looking_back` between calls.
    """
    quantities = await judged_quantities(connection, kit_ids)
    if not quantities:
        return {}
    readings = await new_readings(connection, kit_ids, quantities, now, read_until, looking_back)
    outcomes = []
    for quantity in quantities:
        chosen = chosen_readings(quantity, readings, now)
        if chosen is not None:
            peripheral_id, new = chosen
            state, events = judge_all(quantity.state, quantity.rule, new, now)
            outcomes.append(JudgementOutcome(quantity, peripheral_id, state, events))
    await write_quiet(connection, [outcome for outcome in outcomes if not outcome.events])
    for outcome in _eventful(outcomes):
        await write_eventful(engine, access, outcome, now)
    return readings.read_until


def _eventful(outcomes: Iterable[JudgementOutcome]) -> list[JudgementOutcome]:
    """Return the outcomes with events, ordered by plant: rows are locked in this order."""
    found = [outcome for outcome in outcomes if outcome.events]
    return sorted(found, key=lambda each: (each.quantity.plant_id, each.quantity.quantity_type_id))
