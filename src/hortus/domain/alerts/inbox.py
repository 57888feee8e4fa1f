"""The inbox of alerts: those that wait for a person, those that were seen or snoozed, and those that ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.alerts.store import CONCERNS
from hortus.domain.plants.measured import latest_of_kits
from hortus.domain.plants.state import Reading


class Box(StrEnum):
    """Where an alert is. `SEEN` are those open ones that somebody has seen, or snoozed."""

    OPEN = "open"
    SEEN = "seen"
    CLOSED = "closed"


_IS_SNOOZED = "(a.snoozed_at IS NOT NULL AND (a.snoozed_until IS NULL OR a.snoozed_until > :now))"

# The first condition of each lets the index of open alerts be used.
_IN_BOX = {
    Box.OPEN: f"a.over_at IS NULL AND a.seen_at IS NULL AND NOT {_IS_SNOOZED}",
    Box.SEEN: f"a.over_at IS NULL AND (a.seen_at IS NOT NULL OR {_IS_SNOOZED})",
    Box.CLOSED: "a.over_at IS NOT NULL",
}

_FROM = """
    FROM alerts AS a
    JOIN kits AS kit ON kit.id = a.kit_id
    LEFT JOIN plants AS plant ON plant.id = a.plant_id
"""

_ROWS = f"""
    SELECT a.id, a.kind, a.condition, a.value, a.minimum, a.maximum, a.began_at, a.opened_at, a.seen_at,
           a.over_at, a.ending, a.snoozed_until, {_IS_SNOOZED} AS is_snoozed,
           a.plant_id, plant.name AS plant_name, a.kit_id, kit.serial AS kit_serial, kit.name AS kit_name,
           a.quantity_type_id, quantity.physical_quantity AS quantity,
           coalesce(quantity.physical_unit_symbol, quantity.physical_unit) AS unit,
           seer.display_name AS seen_by, snoozer.display_name AS snoozed_by, source.name AS peripheral,
           EXISTS (SELECT 1 FROM kit_memberships AS m WHERE m.kit_id = a.kit_id AND m.user_id = :user_id)
               OR EXISTS (SELECT 1 FROM users WHERE id = :user_id AND is_admin) AS sees_members
    {_FROM}
    LEFT JOIN quantity_types AS quantity ON quantity.id = a.quantity_type_id
    LEFT JOIN users AS seer ON seer.id = a.seen_by_id
    LEFT JOIN users AS snoozer ON snoozer.id = a.snoozed_by_id
    LEFT JOIN alert_states AS judged
        ON judged.plant_id = a.plant_id AND judged.quantity_type_id = a.quantity_type_id
    LEFT JOIN peripherals AS source ON source.id = judged.peripheral_id
"""  # noqa: S608  (built from our own constants)

_LISTED = {
    box: text(
        f"""
        {_ROWS} WHERE {condition} AND {CONCERNS}
          AND (CAST(:before AS bigint) IS NULL OR a.id < CAST(:before AS bigint))
          AND (CAST(:kit_serial AS text) IS NULL OR kit.serial = CAST(:kit_serial AS text))
          AND (CAST(:plant_id AS int) IS NULL OR a.plant_id = CAST(:plant_id AS int))
        ORDER BY a.id DESC LIMIT :most
        """
    )
    for box, condition in _IN_BOX.items()
}

_ONE = text(f"{_ROWS} WHERE a.id = :alert_id AND {CONCERNS}")

_COUNTED = text(
    f"""
    SELECT count(*) FILTER (WHERE {_IN_BOX[Box.OPEN]}) AS open,
           count(*) FILTER (WHERE {_IN_BOX[Box.SEEN]}) AS seen
    {_FROM} WHERE a.over_at IS NULL AND {CONCERNS}
    """
)

_CHOICES = text(
    """
    SELECT kit.serial, coalesce(kit.name, kit.serial) AS name FROM kits AS kit
    WHERE kit.id IN (SELECT kit_id FROM kit_memberships WHERE user_id = :user_id)
       OR kit.id IN (
           SELECT link.kit_id FROM plant_links AS link JOIN plants AS plant ON plant.id = link.plant_id
           WHERE plant.owner_id = :user_id)
    ORDER BY lower(coalesce(kit.name, kit.serial)), kit.id LIMIT :most
    """
)

_DELIVERIES = text(
    """
    SELECT m.alert_id, m.user_id, m.transport, m.kind, m.state, m.attempts, m.failure, m.created_at,
           m.next_attempt_at, m.finished_at, person.display_name AS person, channel.name AS channel
    FROM messages AS m
    JOIN users AS person ON person.id = m.user_id
    LEFT JOIN notification_channels AS channel ON channel.id = m.channel_id
    WHERE m.alert_id = ANY(:alert_ids)
    ORDER BY m.created_at, m.id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message about an alert, and what became of it.

    `channel` and `failure` are set only for the viewer's own messages: they are nobody else's business.
    """

    person: str
    is_own: bool
    by_mail: bool
    channel: str | None
    is_all_clear: bool
    state: str
    attempts: int
    failure: str | None
    queued_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxCounts:
    """How many alerts are open and wait for a person, and how many somebody saw or snoozed."""

    open: int = 0
    seen: int = 0


async def list_box(
    connection: AsyncConnection,
    user_id: int,
    box: Box,
    *,
    now: datetime,
    most: int,
    before: int | None = None,
    kit_serial: str | None = None,
    plant_id: int | None = None,
) -> Sequence[RowMapping]:
    """Return the alerts of a box that concern a user, newest first, with ids below `before`."""
    parameters = {
        "user_id": user_id,
        "now": now,
        "most": most,
        "before": before,
        "kit_serial": kit_serial,
        "plant_id": plant_id,
    }
    return (await connection.execute(_LISTED[box], parameters)).mappings().all()


async def find_in_box(
    connection: AsyncConnection, user_id: int, alert_id: int, now: datetime
) -> RowMapping | None:
    """Return an alert as `list_box` does, or None if there is none with this id that concerns the user."""
    parameters = {"user_id": user_id, "alert_id": alert_id, "now": now}
    return (await connection.execute(_ONE, parameters)).mappings().one_or_none()


async def count_boxes(connection: AsyncConnection, user_id: int, now: datetime) -> BoxCounts:
    """Return how many open alerts concern a user."""
    row = (await connection.execute(_COUNTED, {"user_id": user_id, "now": now})).one()
    return BoxCounts(open=row.open, seen=row.seen)


async def kits_with_alerts(connection: AsyncConnection, user_id: int, most: int) -> Sequence[RowMapping]:
    """Return the kits whose alerts may concern a user: serial and name."""
    return (await connection.execute(_CHOICES, {"user_id": user_id, "most": most})).mappings().all()


async def deliveries(
    connection: AsyncConnection, user_id: int, alerts: Sequence[RowMapping]
) -> dict[int, list[Delivery]]:
    """Return the messages about these alerts, by alert and oldest first.

    Who is no member of the kit is told of their own messages only.
    """
    found: dict[int, list[Delivery]] = {}
    sees_members = {row["id"]: row["sees_members"] for row in alerts}
    for row in await connection.execute(_DELIVERIES, {"alert_ids": list(sees_members)}):
        is_own = row.user_id == user_id
        if is_own or sees_members[row.alert_id]:
            delivery = Delivery(
                person=row.person,
                is_own=is_own,
                by_mail=row.transport == "mail",
                channel=row.channel if is_own else None,
                is_all_clear=row.kind == "alert-over",
                state=row.state,
                attempts=row.attempts,
                failure=row.failure if is_own else None,
                queued_at=row.created_at,
                finished_at=row.finished_at,
            )
            found.setdefault(row.alert_id, []).append(delivery)
    return found


async def present_readings(
    connection: AsyncConnection, alerts: Collection[RowMapping], now: datetime, freshness: timedelta
) -> Mapping[int, Reading]:
    """Return, by alert, the latest reading of what it is about, if that is recent enough to count."""
    about = [row for row in alerts if row["over_at"] is None and row["peripheral"] is not None]
    latest = await latest_of_kits(connection, {row["kit_id"] for row in about}, now)
    readings: dict[int, Reading] = {}
    for row in about:
        for series in latest.get(row["kit_id"], ()):
            is_it = (series.peripheral_name, series.quantity_type_id) == (
                row["peripheral"],
                row["quantity_type_id"],
            )
            if is_it and series.reading is not None and now - series.reading.at <= freshness:
                readings[row["id"]] = series.reading
    return readings
