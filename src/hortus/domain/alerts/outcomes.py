"""Storing the outcomes of judging: states always, alerts and messages when there are events.

Almost all readings only advance the time up to which a quantity was judged; these are written in one statement
for a whole batch. An alert that opens or ends is written with its messages in one transaction that locks the
state's row: if another process has judged further in the meantime, it has already queued the messages, and
nothing is done here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.domain.alerts.announcements import announce
from hortus.domain.alerts.judged_quantities import JudgedQuantity
from hortus.domain.alerts.judging import AlertState, Event, EventKind, nobody_reached
from hortus.domain.alerts.recipients import told_of_plant
from hortus.domain.alerts.wording import RangeAlert, needs_attention, well_again
from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.queue import lock_messages, put_in, withdraw_messages
from hortus.domain.messages.tables import MessageKind

# Concurrent changes by users and deliveries are kept: here, `message_waiting` only ever becomes true and
# `quiet_until` only ever later.
_WRITE_STATES = """
INSERT INTO alert_states AS s (plant_id, quantity_type_id, peripheral_id, judged_until, out, out_since, open,
                               back_since, alert_id, message_waiting, quiet_until)
SELECT t.* FROM unnest($1::int[], $2::int[], $3::int[], $4::timestamptz[], $5::text[], $6::timestamptz[],
                       $7::text[], $8::timestamptz[], $9::bigint[], $10::bool[], $11::timestamptz[])
    AS t (plant_id, quantity_type_id, peripheral_id, judged_until, out, out_since, open,
          back_since, alert_id, message_waiting, quiet_until)
JOIN plants ON plants.id = t.plant_id
ORDER BY t.plant_id, t.quantity_type_id
ON CONFLICT (plant_id, quantity_type_id) DO UPDATE SET
    peripheral_id = excluded.peripheral_id, judged_until = excluded.judged_until, out = excluded.out,
    out_since = excluded.out_since, open = excluded.open, back_since = excluded.back_since,
    alert_id = excluded.alert_id,
    message_waiting = CASE WHEN $12 THEN excluded.message_waiting ELSE s.message_waiting END,
    quiet_until = CASE WHEN $12 THEN excluded.quiet_until ELSE s.quiet_until END
WHERE s.judged_until < excluded.judged_until OR s.judged_until > now()
"""

_LOCK = text(
    "SELECT judged_until, message_waiting, quiet_until FROM alert_states "
    "WHERE plant_id = :plant_id AND quantity_type_id = :quantity_type_id FOR UPDATE"
)

# Locks the plant's row, so that two processes that judge its first reading are serialized.
_LOCK_PLANT = text("SELECT name FROM plants WHERE id = :plant_id FOR NO KEY UPDATE")

_OPEN = text(
    """
    INSERT INTO alerts (kind, plant_id, quantity_type_id, kit_id, condition, value, minimum, maximum, began_at)
    SELECT 'range', :plant_id, :quantity_type_id, peripheral.kit_id, :condition, :value, :minimum, :maximum,
           :began_at
    FROM peripherals AS peripheral WHERE peripheral.id = :peripheral_id AND peripheral.deleted_at IS NULL
    RETURNING id
    """
)

_END = text(
    "UPDATE alerts SET over_at = :over_at, ending = 'recovered' WHERE id = :id AND over_at IS NULL "
    "RETURNING message_accepted_at IS NOT NULL AS was_told"
)

_DESCRIBE = text(
    """
    SELECT plant.name AS plant_name, coalesce(kit.name, kit.serial) AS kit_name, kit.id AS kit_id,
           quantity.physical_quantity, coalesce(quantity.physical_unit_symbol, quantity.physical_unit) AS symbol
    FROM plants AS plant, peripherals AS peripheral JOIN kits AS kit ON kit.id = peripheral.kit_id,
         quantity_types AS quantity
    WHERE plant.id = :plant_id AND quantity.id = :quantity_type_id
      AND peripheral.id = :peripheral_id AND peripheral.deleted_at IS NULL
    """
)

_WAITS = text("UPDATE alerts SET message_waiting = true WHERE id = :id")


@dataclass(frozen=True, slots=True)
class JudgementOutcome:
    """The outcome of judging one quantity: its new state, the events, and the peripheral it was judged by."""

    quantity: JudgedQuantity
    peripheral_id: int
    state: AlertState
    events: tuple[Event, ...]


async def write_quiet(connection: asyncpg.Connection, outcomes: Sequence[JudgementOutcome]) -> None:
    """Write the states of quantities without events."""
    if outcomes:
        await connection.execute(_WRITE_STATES, *_columns(outcomes), False)


class _SubjectGone(Exception):
    """The plant or its peripheral was deleted since it was read."""


async def write_eventful(
    engine: AsyncEngine, access: MessageAccess, outcome: JudgementOutcome, now: datetime
) -> None:
    """Write the state of a quantity and the changes of its alert, and queue the messages about them."""
    with contextlib.suppress(_SubjectGone):
        await _write_eventful(engine, access, outcome, now)


async def _write_eventful(
    engine: AsyncEngine, access: MessageAccess, outcome: JudgementOutcome, now: datetime
) -> None:
    async with engine.begin() as connection:
        if any(event.kind is EventKind.OVER for event in outcome.events):
            await lock_messages(connection, outcome.quantity.alert_id)
        current = await _current(connection, outcome)
        if current is None:
            return
        written = await _Telling(connection, access, current, now).tell()
        await connection.exec_driver_sql(_WRITE_STATES, (*_columns([written]), True))


async def _current(connection: AsyncConnection, outcome: JudgementOutcome) -> JudgementOutcome | None:
    """Lock the quantity's state; return None if another process has judged it since it was read."""
    quantity = outcome.quantity
    if await connection.scalar(_LOCK_PLANT, {"plant_id": quantity.plant_id}) is None:
        return None
    key = {"plant_id": quantity.plant_id, "quantity_type_id": quantity.quantity_type_id}
    row = (await connection.execute(_LOCK, key)).one_or_none()
    if (row.judged_until if row else None) != quantity.state.judged_until:
        return None
    if row is None or any(event.kind is EventKind.MESSAGE_DUE for event in outcome.events):
        return outcome
    # A message may have been accepted, or given up, since the state was read.
    state = replace(outcome.state, message_waiting=row.message_waiting, quiet_until=row.quiet_until)
    return replace(outcome, state=state)


class _Telling:
    """Handles the events of one outcome, in order, in one transaction."""

    def __init__(
        self, connection: AsyncConnection, access: MessageAccess, outcome: JudgementOutcome, now: datetime
    ) -> None:
        self._connection = connection
        self._access = access
        self._outcome = outcome
        self._now = now
        self._alert_id = outcome.quantity.alert_id

    async def tell(self) -> JudgementOutcome:
        """Handle the events and return the outcome to store."""
        for event in self._outcome.events:
            if event.kind is EventKind.OPENED:
                await self._open(event)
            elif event.kind is EventKind.OVER:
                await self._end(event)
            else:
                await self._ask_for_message(event)
        quantity = replace(self._outcome.quantity, alert_id=self._alert_id)
        return replace(self._outcome, quantity=quantity)

    async def _open(self, event: Event) -> None:
        quantity = self._outcome.quantity
        self._alert_id = await self._connection.scalar(
            _OPEN,
            {
                **self._key(),
                "condition": str(event.side),
                "value": event.reading.value,
                "minimum": quantity.rule.minimum,
                "maximum": quantity.rule.maximum,
                "began_at": event.since,
            },
        )
        if self._alert_id is None:
            raise _SubjectGone
        await announce(self._connection, "opened", self._alert_id)

    async def _end(self, event: Event) -> None:
        ended = (
            await self._connection.execute(_END, {"id": self._alert_id, "over_at": event.reading.at})
        ).one_or_none()
        if ended is None:
            return
        await announce(self._connection, "over", self._alert_id)
        assert self._alert_id is not None, "it has ended"
        told = await withdraw_messages(self._connection, self._alert_id)
        # What was withdrawn must not keep the next alert from asking for a message.
        state = replace(self._outcome.state, message_waiting=bool(told.being_told))
        self._outcome = replace(self._outcome, state=state)
        about, kit_id = await self._describe(event)
        for person in await told_of_plant(self._connection, self._outcome.quantity.plant_id, kit_id):
            if person.wants_all_clear(told, was_told=ended.was_told):
                said = well_again(about, event.since, self._access.public_url, self._access.zone_of(person))
                messages = person.messages(
                    MessageKind.ALERT_OVER,
                    said.subject,
                    said.body,
                    mail=self._access.mail is not None,
                    alert_id=self._alert_id,
                    kit_id=kit_id,
                )
                await put_in(self._connection, self._access.seal, messages)

    async def _ask_for_message(self, event: Event) -> None:
        about, kit_id = await self._describe(event)
        messages = []
        for person in await told_of_plant(self._connection, self._outcome.quantity.plant_id, kit_id):
            said = needs_attention(about, self._access.public_url, self._access.zone_of(person))
            messages += person.messages(
                MessageKind.ALERT,
                said.subject,
                said.body,
                mail=self._access.mail is not None,
                alert_id=self._alert_id,
                kit_id=kit_id,
            )
        if messages:
            await put_in(self._connection, self._access.seal, messages)
            await self._connection.execute(_WAITS, {"id": self._alert_id})
            self._outcome = replace(self._outcome, state=replace(self._outcome.state, message_waiting=True))
        else:
            state = nobody_reached(self._outcome.state, self._now)
            self._outcome = replace(self._outcome, state=state)

    async def _describe(self, event: Event) -> tuple[RangeAlert, int]:
        quantity = self._outcome.quantity
        row = (await self._connection.execute(_DESCRIBE, self._key())).one_or_none()
        if row is None:
            raise _SubjectGone
        assert self._alert_id is not None, "it is or was open"
        about = RangeAlert(
            alert_id=self._alert_id,
            plant_name=row.plant_name,
            kit_name=row.kit_name,
            quantity=row.physical_quantity,
            unit_symbol=row.symbol,
            condition=str(event.side),
            value=event.reading.value,
            minimum=quantity.rule.minimum,
            maximum=quantity.rule.maximum,
            began_at=await self._began_at() or event.since,
        )
        return about, row.kit_id

    async def _began_at(self) -> datetime | None:
        statement = text("SELECT began_at FROM alerts WHERE id = :id")
        began_at: datetime | None = await self._connection.scalar(statement, {"id": self._alert_id})
        return began_at

    def _key(self) -> dict[str, Any]:
        return {
            "plant_id": self._outcome.quantity.plant_id,
            "quantity_type_id": self._outcome.quantity.quantity_type_id,
            "peripheral_id": self._outcome.peripheral_id,
        }


def _columns(outcomes: Sequence[JudgementOutcome]) -> tuple[list[Any], ...]:
    states = [outcome.state for outcome in outcomes]
    return (
        [outcome.quantity.plant_id for outcome in outcomes],
        [outcome.quantity.quantity_type_id for outcome in outcomes],
        [outcome.peripheral_id for outcome in outcomes],
        [state.judged_until for state in states],
        [state.out for state in states],
        [state.out_since for state in states],
        [state.open for state in states],
        [state.back_since for state in states],
        [outcome.quantity.alert_id for outcome in outcomes],
        [state.message_waiting for state in states],
        [state.quiet_until for state in states],
    )
