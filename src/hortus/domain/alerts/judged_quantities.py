"""Loading what to judge after readings of some kits were stored: plants, quantities, rules, states, readings.

Two statements for a whole batch of kits, on a bare asyncpg connection: every reading takes this path.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import asyncpg

from hortus.domain.alerts.judging import (
    LATE_AFTER,
    SNOOZED_WITHOUT_END,
    AlertRule,
    AlertState,
    JudgedReading,
    Side,
)
from hortus.domain.alerts.plant_settings import rule_for
from hortus.domain.plausibility.fragments import (
    COLUMNS_OF_DOUBT,
    ON_LIMITS,
    VERDICT,
    is_plausible,
    limits_where,
    supported_hours,
)

_LOOK_BACK_EVERY = timedelta(minutes=1)
_RECENTLY = timedelta(minutes=2)
_SPEAKING = timedelta(minutes=10)

MOST_READINGS_PER_KIT = 5_000
"""A kit with more new readings than this is processed again immediately."""

# A plant's own range replaces its species'. Peripherals are in order of preference, as in
# hortus.domain.plants.measured: a series that is linked individually before those of a whole kit, then by name.
# Kits that the plant's owner may see come before all others: only members who asked for it are notified of
# what the others measure.
QUANTITIES_OF_PLANTS = """
SELECT plant.id AS plant_id, source.quantity_type_id,
       CASE WHEN own.plant_id IS NOT NULL THEN own.minimum ELSE general.minimum END AS minimum,
       CASE WHEN own.plant_id IS NOT NULL THEN own.maximum ELSE general.maximum END AS maximum,
       coalesce(setting.hysteresis_percent, 5) AS hysteresis_percent,
       coalesce(setting.hold_seconds, 300) AS hold_seconds,
       coalesce(setting.pause_seconds, 43200) AS pause_seconds,
       source.kit_ids, source.peripheral_ids, source.linked_from
FROM plants AS plant
JOIN LATERAL (
    SELECT expected.quantity_type_id,
           array_agg(link.kit_id ORDER BY lost.sight, link.peripheral_name IS NULL, link.kit_id,
                     peripheral.name) AS kit_ids,
           array_agg(peripheral.id ORDER BY lost.sight, link.peripheral_name IS NULL, link.kit_id,
                     peripheral.name) AS peripheral_ids,
           min(link.linked_from) AS linked_from
    FROM plant_links AS link
    JOIN kit_configurations AS configuration ON configuration.kit_id = link.kit_id AND configuration.active
    JOIN peripherals AS peripheral ON peripheral.kit_configuration_id = configuration.id
    JOIN peripheral_definition_expected_quantity_types AS expected
        ON expected.peripheral_definition_id = peripheral.peripheral_definition_id
    CROSS JOIN LATERAL (
        SELECT plant.owner_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM users AS owner, kits AS kit
            WHERE owner.id = plant.owner_id AND kit.id = link.kit_id
              AND (owner.is_admin OR kit.privacy_public_dashboard OR EXISTS (
                  SELECT 1 FROM kit_memberships AS m WHERE m.user_id = owner.id AND m.kit_id = kit.id))
        ) AS sight
    ) AS lost
    WHERE link.plant_id = plant.id
      AND link.linked_from <= now() AND (link.linked_until IS NULL OR link.linked_until > now())
      AND (link.peripheral_name IS NULL OR (
          link.peripheral_name = peripheral.name AND link.quantity_type_id = expected.quantity_type_id))
    GROUP BY expected.quantity_type_id
) AS source ON true
LEFT JOIN plant_ranges AS own
    ON own.plant_id = plant.id AND own.quantity_type_id = source.quantity_type_id
LEFT JOIN species_ranges AS general
    ON general.species_id = plant.species_id AND general.quantity_type_id = source.quantity_type_id
LEFT JOIN plant_alert_settings AS setting ON setting.plant_id = plant.id
WHERE coalesce(setting.enabled, true)
  AND CASE WHEN own.plant_id IS NOT NULL THEN own.minimum IS NOT NULL OR own.maximum IS NOT NULL
           ELSE general.species_id IS NOT NULL END
"""

_JUDGED = f"""
SELECT q.*, s.peripheral_id AS judged_by, s.judged_until, s.out, s.out_since, s.open, s.back_since, s.alert_id,
       s.message_waiting, s.quiet_until, alert.seen_at IS NOT NULL AS seen,
       alert.snoozed_at IS NOT NULL AS is_snoozed, alert.snoozed_until
FROM ({QUANTITIES_OF_PLANTS}
      AND plant.id IN (SELECT plant_id FROM plant_links WHERE kit_id = ANY($1::int[]))) AS q
LEFT JOIN alert_states AS s ON s.plant_id = q.plant_id AND s.quantity_type_id = q.quantity_type_id
LEFT JOIN alerts AS alert ON alert.id = s.alert_id
"""  # noqa: S608  (built from our own constants)

# Without those from the future: their time has to come before they count (P8). Implausible ones are read as
# well, and are no readings to judge: otherwise a sensor that sends nothing else would hide how far was read.
_NEW_READINGS = f"""
WITH {limits_where("p.kit_id = ANY($1::int[])")}, found AS MATERIALIZED (
    SELECT {COLUMNS_OF_DOUBT}, m.datetime, m.value, {VERDICT} AS verdict
    FROM unnest($1::int[], $2::timestamptz[]) AS kit (id, after)
    CROSS JOIN LATERAL (
        SELECT kit_id, peripheral_id, quantity_type_id, datetime, value FROM raw_measurements
        WHERE kit_id = kit.id AND datetime > kit.after AND datetime <= $4
        ORDER BY datetime LIMIT $3
    ) AS m
    LEFT JOIN limits l {ON_LIMITS}
), {supported_hours("found")}
SELECT f.kit_id, f.peripheral_id, f.quantity_type_id, f.datetime, f.value, {is_plausible("f")} AS plausible
FROM found f
"""  # noqa: S608  (our own constants)

_WITH_READINGS_TO_COME = """
SELECT kit.id FROM unnest($1::int[]) AS kit (id)
WHERE EXISTS (SELECT 1 FROM raw_measurements WHERE kit_id = kit.id AND datetime > $2)
"""

_LINKED_KITS = """
SELECT DISTINCT kit_id FROM plant_links
WHERE linked_from <= now() AND (linked_until IS NULL OR linked_until > now())
"""

_STATELESS = AlertState()


@dataclass(frozen=True, slots=True)
class JudgedQuantity:
    """One quantity of one plant: its sources, rule and state. `alert_id` is that of its latest alert."""

    plant_id: int
    quantity_type_id: int
    rule: AlertRule
    state: AlertState
    alert_id: int | None
    judged_by: int | None
    linked_from: datetime
    kit_ids: Sequence[int]
    peripheral_ids: Sequence[int]

    def after(self, now: datetime) -> datetime:
        """Return the time after which readings count as new."""
        judged_until = self.state.judged_until or self.linked_from
        # Earlier versions judged readings from the future, which must not blind us until then.
        return now - LATE_AFTER if judged_until > now else max(judged_until, now - LATE_AFTER)


@dataclass(frozen=True, slots=True)
class NewReadings:
    """New plausible readings by peripheral and quantity type; `read_until` has the kits with more to read."""

    by_series: dict[tuple[int, int], list[JudgedReading]]
    read_until: dict[int, datetime]


class LookingBack:
    """Decides how far back each kit is read.

    For a quantity that nothing measures at present, the last hour of its whole kit would be read again whenever
    another quantity is measured. So it is usually sought among recent readings only, and now and then further
    back.
    """

    def __init__(self) -> None:
        self._looked_back_at: dict[int, datetime] = {}
        self._owed: set[int] = set()

    def after(self, kit_id: int, first: datetime, last: datetime, now: datetime) -> datetime:
        """Return the time after which to read a kit whose quantities were judged up to `first` to `last`."""
        # Readings may always be some minutes old, because of the kit's clock or their delivery.
        recent = (last if now - last < _SPEAKING else now) - _RECENTLY
        if first >= recent:
            return first
        if kit_id in self._looked_back_at and now - self._looked_back_at[kit_id] < _LOOK_BACK_EVERY:
            self._owed.add(kit_id)
            return recent
        self._looked_back_at[kit_id] = now
        self._owed.discard(kit_id)
        return first

    def owe(self, kit_ids: Iterable[int]) -> None:
        """Postpone a look at these kits, although nothing more may arrive from them."""
        self._owed.update(kit_ids)

    def forget(self, kit_ids: Iterable[int]) -> None:
        """Look back again for these kits next time, since this attempt failed."""
        for kit_id in kit_ids:
            self._looked_back_at.pop(kit_id, None)

    def take_owed(self) -> set[int]:
        """Return the kits whose look-back was postponed, and make it due now."""
        owed, self._owed = self._owed, set()
        self.forget(owed)
        return owed


async def linked_kits(connection: asyncpg.Connection) -> set[int]:
    """Return the ids of the kits that currently measure a plant."""
    return {row["kit_id"] for row in await connection.fetch(_LINKED_KITS)}


async def judged_quantities(connection: asyncpg.Connection, kit_ids: Collection[int]) -> list[JudgedQuantity]:
    """Return the quantities that are judged by these kits, possibly together with other kits."""
    return [_quantity(row) for row in await connection.fetch(_JUDGED, list(kit_ids))]


async def new_readings(
    connection: asyncpg.Connection,
    kit_ids: Collection[int],
    quantities: Iterable[JudgedQuantity],
    now: datetime,
    read_until: Mapping[int, datetime],
    looking_back: LookingBack | None = None,
) -> NewReadings:
    """Return the plausible readings of these kits that are newer than the last judged one of any quantity.

    For kits in `read_until`, only readings after that time: the remainder of what did not fit into one call.
    Without `looking_back`, every call looks back for silent quantities.
    """
    quantities = list(quantities)
    after = _after(kit_ids, quantities, now, read_until, looking_back or LookingBack())
    rows = await _read(connection, after, now)
    missed = _missed(quantities, rows, after, now, read_until)
    if missed:
        rows = [row for row in rows if row["kit_id"] not in missed] + await _read(connection, missed, now)
    if looking_back is not None:
        looking_back.owe(await _with_readings_to_come(connection, after, now))
    by_series: dict[tuple[int, int], list[JudgedReading]] = defaultdict(list)
    moments: dict[int, list[datetime]] = defaultdict(list)
    for kit_id, peripheral_id, quantity_type_id, moment, value, plausible in rows:
        moments[kit_id].append(moment)
        if plausible:
            by_series[peripheral_id, quantity_type_id].append(JudgedReading(at=moment, value=value))
    more = {kit_id: _until(each) for kit_id, each in moments.items() if len(each) == MOST_READINGS_PER_KIT}
    return NewReadings(dict(by_series), more)


async def _read(
    connection: asyncpg.Connection, after: Mapping[int, datetime], now: datetime
) -> list[asyncpg.Record]:
    found: list[asyncpg.Record] = await connection.fetch(
        _NEW_READINGS, list(after), list(after.values()), MOST_READINGS_PER_KIT, now
    )
    return found


async def _with_readings_to_come(
    connection: asyncpg.Connection, kit_ids: Collection[int], now: datetime
) -> list[int]:
    """Return those of the kits that have readings from the future."""
    rows = await connection.fetch(_WITH_READINGS_TO_COME, list(kit_ids), now)
    return [row["id"] for row in rows]


def _after(
    kit_ids: Collection[int],
    quantities: Iterable[JudgedQuantity],
    now: datetime,
    read_until: Mapping[int, datetime],
    looking_back: LookingBack,
) -> dict[int, datetime]:
    """Return, by kit, the time after which to read its readings."""
    moments: dict[int, list[datetime]] = defaultdict(list)
    for quantity in quantities:
        for kit_id in set(quantity.kit_ids).intersection(kit_ids):
            moments[kit_id].append(quantity.after(now))
    after = {}
    for kit_id, of_kit in moments.items():
        if kit_id in read_until:
            after[kit_id] = max(min(of_kit), read_until[kit_id])
        else:
            after[kit_id] = looking_back.after(kit_id, min(of_kit), max(of_kit), now)
    return {kit_id: moment for kit_id, moment in after.items() if moment < now}


def _missed(
    quantities: Iterable[JudgedQuantity],
    rows: Iterable[asyncpg.Record],
    after: Mapping[int, datetime],
    now: datetime,
    read_until: Mapping[int, datetime],
) -> dict[int, datetime]:
    """Return the kits to read further back, and from when, because a silent quantity was measured again.

    It may have been measured several times since it was judged: a kit may send a backlog at once.
    """
    measured = {(row["peripheral_id"], row["quantity_type_id"]) for row in rows if row["plausible"]}
    missed: dict[int, datetime] = {}
    for quantity in quantities:
        for kit_id, peripheral_id in zip(quantity.kit_ids, quantity.peripheral_ids, strict=True):
            if (peripheral_id, quantity.quantity_type_id) not in measured or kit_id in read_until:
                continue
            moment = quantity.after(now)
            if moment < after[kit_id]:
                missed[kit_id] = min(moment, missed.get(kit_id, now))
    return missed


def _until(moments: Sequence[datetime]) -> datetime:
    """Return the time after which to continue; it advances whether or not anything judges the readings."""
    # More readings may share the last timestamp, so it is read again, unless all readings share it.
    return max(min(moments), max(moments) - timedelta(microseconds=1))


def chosen_readings(
    quantity: JudgedQuantity, readings: NewReadings, now: datetime
) -> tuple[int, list[JudgedReading]] | None:
    """Return the peripheral to judge the quantity by this time, and its new readings; None if none has any.

    Several sensors may measure the same quantity: the preferred one counts, and the next one only once the
    preferred one is silent.
    """
    after = quantity.after(now)
    for peripheral_id in quantity.peripheral_ids:
        found = readings.by_series.get((peripheral_id, quantity.quantity_type_id), ())
        new = [reading for reading in found if reading.at > after]
        if new:
            return peripheral_id, new
        if peripheral_id == quantity.judged_by and _is_fresh(quantity.state.judged_until, now):
            return None
    return None


def _is_fresh(judged_until: datetime | None, now: datetime) -> bool:
    return judged_until is not None and now - judged_until <= LATE_AFTER


def _quantity(row: asyncpg.Record) -> JudgedQuantity:
    state = _STATELESS
    if row["judged_until"] is not None:
        state = AlertState(
            judged_until=row["judged_until"],
            out=_SIDES[row["out"]],
            out_since=row["out_since"],
            open=_SIDES[row["open"]],
            back_since=row["back_since"],
            seen=row["seen"],
            message_waiting=row["message_waiting"],
            quiet_until=row["quiet_until"],
            snoozed_until=(row["snoozed_until"] or SNOOZED_WITHOUT_END) if row["is_snoozed"] else None,
        )
    return JudgedQuantity(
        plant_id=row["plant_id"],
        quantity_type_id=row["quantity_type_id"],
        rule=_rule(
            row["minimum"],
            row["maximum"],
            row["hysteresis_percent"],
            row["hold_seconds"],
            row["pause_seconds"],
        ),
        state=state,
        alert_id=row["alert_id"],
        judged_by=row["judged_by"],
        linked_from=row["linked_from"] - timedelta(microseconds=1),  # a reading at that exact time counts
        kit_ids=row["kit_ids"],
        peripheral_ids=row["peripheral_ids"],
    )


_SIDES = {None: None, "low": Side.LOW, "high": Side.HIGH}


@lru_cache(maxsize=4096)
def _rule(
    minimum: float | None, maximum: float | None, hysteresis_percent: float, hold: int, pause: int
) -> AlertRule:
    """Return the rule, cached: thousands of plants share a few rules."""
    return rule_for(
        minimum, maximum, hysteresis_percent=hysteresis_percent, hold_seconds=hold, pause_seconds=pause
    )
