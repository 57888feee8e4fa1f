"""Detecting kits and boards that fall silent, and their return.

A kit is silent when nothing was received from it for three of its own measurement intervals, and for at least a
quarter of an hour; a board, when it was not heard for the time that is set for it. A kit that never sent
anything is not silent: it may still be in its box. The time counts from the start of this watch at the
earliest and, for kits, from when a process of ours started listening; while none listens, no kit is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.domain.alerts.announcements import announce
from hortus.domain.alerts.judging import AGAIN_IF_NOBODY_REACHED
from hortus.domain.alerts.recipients import told_of_kit
from hortus.domain.alerts.wording import SilentKit, Text, heard_again, is_silent
from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.channels import Reachable
from hortus.domain.messages.queue import lock_messages, put_in, withdraw_messages
from hortus.domain.messages.tables import MessageKind
from hortus.domain.presence.judgement import ALIVE

LEAST_SILENCE_SECONDS = 900
INTERVALS_UNTIL_SILENT = 3

# Only kits that have members or that measure a plant, without retired boards: their kits stay, with serials of
# the form of boards, but nothing will be heard from them. The interval is a number in the configuration of a
# peripheral, if its definition has one; other shapes are ignored. Schemas set no maximum, so it is capped at a
# month.
_KITS = """
    SELECT kit.id AS kit_id, kit.serial, coalesce(kit.name, kit.serial) AS name,
           board.kit_id IS NOT NULL AS is_board,
           CASE WHEN board.kit_id IS NOT NULL THEN board.last_contact_at
                ELSE greatest(seen.datetime_last_seen, presence.last_contact_at) END AS last_heard_at,
           CASE WHEN board.kit_id IS NOT NULL THEN board.silent_after_seconds
                ELSE greatest(:least_seconds, :intervals * coalesce((
                    SELECT min(greatest(1, least(
                        (p.configuration #>> '{intervals,measurementInterval}')::numeric, 2592000)))::float8
                    FROM kit_configurations AS c JOIN peripherals AS p ON p.kit_configuration_id = c.id
                    WHERE c.kit_id = kit.id AND c.active
                      AND json_typeof(p.configuration #> '{intervals,measurementInterval}') = 'number'
                ), 0)) END AS silent_after_seconds
    FROM kits AS kit
    LEFT JOIN boards AS board ON board.kit_id = kit.id
    LEFT JOIN kit_last_seen AS seen ON seen.kit_id = kit.id
    LEFT JOIN kit_presence AS presence ON presence.kit_id = kit.id
    WHERE (EXISTS (SELECT 1 FROM kit_memberships AS m WHERE m.kit_id = kit.id)
           OR EXISTS (SELECT 1 FROM plant_links AS l WHERE l.kit_id = kit.id AND l.linked_until IS NULL))
      AND (board.kit_id IS NOT NULL OR kit.serial !~ '^pk-[0-9]{1,9}$')
"""

_FELL_SILENT = text(
    f"""
    SELECT k.* FROM ({_KITS}) AS k
    WHERE k.last_heard_at IS NOT NULL
      AND (k.is_board OR :kits_are_heard)
      AND greatest(k.last_heard_at,
                   CASE WHEN k.is_board THEN CAST(:since AS timestamptz)
                        ELSE CAST(:kits_since AS timestamptz) END)
          + k.silent_after_seconds * interval '1 second' < CAST(:now AS timestamptz)
      AND NOT EXISTS (SELECT 1 FROM alerts AS a
                      WHERE a.kit_id = k.kit_id AND a.kind = 'silence' AND a.over_at IS NULL)
    ORDER BY k.kit_id
    """  # noqa: S608  (built from our own constants)
)

_OPEN_ALERTS = text(
    f"""
    SELECT k.*, a.id AS alert_id, a.message_accepted_at IS NOT NULL AS was_told,
           k.last_heard_at IS NULL OR k.last_heard_at > a.began_at AS is_back,
           NOT a.message_waiting AND a.seen_at IS NULL
               AND (a.snoozed_at IS NULL OR a.snoozed_until <= CAST(:now AS timestamptz))
               AND (a.quiet_until IS NULL OR a.quiet_until <= CAST(:now AS timestamptz)) AS message_due
    FROM alerts AS a JOIN ({_KITS}) AS k ON k.kit_id = a.kit_id
    WHERE a.kind = 'silence' AND a.over_at IS NULL
    ORDER BY k.kit_id
    """  # noqa: S608  (built from our own constants)
)

# If several processes try, one succeeds. The pause carries over from one silence of a kit to the next.
_OPEN = text(
    """
    INSERT INTO alerts (kind, kit_id, condition, began_at, quiet_until)
    VALUES ('silence', :kit_id, 'silent', :began_at,
            (SELECT max(quiet_until) FROM alerts WHERE kit_id = :kit_id AND kind = 'silence'))
    ON CONFLICT DO NOTHING RETURNING id
    """
)

_END = text(
    "UPDATE alerts SET over_at = :now, ending = 'recovered' WHERE id = :id AND over_at IS NULL RETURNING id"
)

# Only one process gets to send the message, even if several try at once.
_TAKE_MESSAGE = text(
    """
    UPDATE alerts SET message_waiting = true
    WHERE id = :id AND over_at IS NULL AND NOT message_waiting
      AND (quiet_until IS NULL OR quiet_until <= CAST(:now AS timestamptz))
    RETURNING id
    """
)

_NOBODY = text("UPDATE alerts SET message_waiting = false, quiet_until = :until WHERE id = :id")

# Withdraws the alerts of kits that no longer have members and measure nothing, and of retired boards.
_WITHDRAW = text(
    f"""
    UPDATE alerts AS a SET over_at = now(), ending = 'withdrawn'
    WHERE a.kind = 'silence' AND a.over_at IS NULL
      AND (CAST(:kit_id AS int) IS NULL OR a.kit_id = CAST(:kit_id AS int))
      AND NOT EXISTS (SELECT 1 FROM ({_KITS}) AS k WHERE k.kit_id = a.kit_id)
    RETURNING id
    """  # noqa: S608  (built from our own constants)
)


async def withdraw_silence(connection: AsyncConnection, kit_id: int | None = None) -> None:
    """Withdraw the alert of one kit that is no longer watched, or of all such kits. The caller commits."""
    withdrawn = await connection.execute(_WITHDRAW, {**_SCALE, "kit_id": kit_id})
    for alert_id in withdrawn.scalars().all():
        await announce(connection, "over", alert_id)


class SilenceWatch:
    """Detects kits that have fallen silent or returned. `since` is when this watch started."""

    def __init__(self, engine: AsyncEngine, access: MessageAccess, *, since: datetime) -> None:
        self._engine = engine
        self._access = access
        self._since = since

    async def look(self, now: datetime) -> None:
        """Open and end alerts by the present state of the kits, and queue messages about them."""
        async with self._engine.begin() as connection:
            await withdraw_silence(connection)
            await self._follow_open_alerts(connection, now)
            await self._find_silent(connection, now)

    async def _find_silent(self, connection: AsyncConnection, now: datetime) -> None:
        parameters = {**_SCALE, "now": now, "since": self._since, **await self._heard(connection, now)}
        for row in (await connection.execute(_FELL_SILENT, parameters)).mappings().all():
            opened = {"kit_id": row["kit_id"], "began_at": row["last_heard_at"]}
            alert_id = await connection.scalar(_OPEN, opened)
            if alert_id is not None:
                await announce(connection, "opened", alert_id)
                await self._ask_for_message(connection, row, alert_id, now)

    async def _heard(self, connection: AsyncConnection, now: datetime) -> dict[str, Any]:
        """Return since when kits could be heard, and whether they can be now: our outages are not theirs."""
        listening = (await connection.execute(_LISTENING)).one_or_none()
        if listening is None:
            return {"kits_since": self._since, "kits_are_heard": True}
        return {
            "kits_since": max(self._since, listening.listening_since),
            "kits_are_heard": now - listening.listening_until <= ALIVE,
        }

    async def _follow_open_alerts(self, connection: AsyncConnection, now: datetime) -> None:
        rows = (await connection.execute(_OPEN_ALERTS, {**_SCALE, "now": now})).mappings().all()
        for row in rows:
            if row["is_back"]:
                await self._end(connection, row, now)
            elif row["message_due"]:
                await self._ask_for_message(connection, row, row["alert_id"], now)

    async def _end(self, connection: AsyncConnection, row: RowMapping, now: datetime) -> None:
        await lock_messages(connection, row["alert_id"])
        if await connection.scalar(_END, {"id": row["alert_id"], "now": now}) is None:
            return
        await announce(connection, "over", row["alert_id"])
        told = await withdraw_messages(connection, row["alert_id"])
        people = [
            person
            for person in await told_of_kit(connection, row["kit_id"])
            if person.wants_all_clear(told, was_told=row["was_told"])
        ]
        await self._tell(connection, people, MessageKind.ALERT_OVER, heard_again, dict(row))

    async def _ask_for_message(
        self, connection: AsyncConnection, row: RowMapping, alert_id: int, now: datetime
    ) -> None:
        if await connection.scalar(_TAKE_MESSAGE, {"id": alert_id, "now": now}) is None:
            return
        people = await told_of_kit(connection, row["kit_id"])
        about = {**row, "alert_id": alert_id}
        if not await self._tell(connection, people, MessageKind.ALERT, is_silent, about):
            await connection.execute(_NOBODY, {"id": alert_id, "until": now + AGAIN_IF_NOBODY_REACHED})

    async def _tell(
        self,
        connection: AsyncConnection,
        people: Iterable[Reachable],
        kind: MessageKind,
        wording: Callable[[SilentKit, str | None, ZoneInfo], Text],
        row: Mapping[str, Any],
    ) -> bool:
        """Queue messages about the alert of a kit; return whether there are any."""
        messages = []
        for person in people:
            said = wording(_kit(row), self._access.public_url, self._access.zone_of(person))
            messages += person.messages(
                kind,
                said.subject,
                said.body,
                mail=self._access.mail is not None,
                alert_id=row["alert_id"],
                kit_id=row["kit_id"],
            )
        await put_in(connection, self._access.seal, messages)
        return bool(messages)


# The period in which at least one of our processes was listening to kits; see hortus.domain.presence.
_LISTENING = text("SELECT listening_since, listening_until FROM presence_listening")

_SCALE: dict[str, Any] = {"least_seconds": LEAST_SILENCE_SECONDS, "intervals": INTERVALS_UNTIL_SILENT}


def _kit(row: Mapping[str, Any]) -> SilentKit:
    return SilentKit(
        alert_id=row["alert_id"],
        serial=row["serial"],
        name=row["name"],
        last_heard_at=row["last_heard_at"],
        is_board=row["is_board"],
    )
