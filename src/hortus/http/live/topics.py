"""The topics of the live feed: which rows they cover, and how a row is sent.

New rows are found by the transaction that wrote them, not by a time. The order of commits is neither that of
device times nor that of arrival, but a row that is visible now and was not at the last look was written by a
transaction that had not ended then. Its id is not below the oldest one that was still open at the last look
(the *horizon*). So every look asks for rows at or above the horizon of the previous one, and duplicates are
recognised by their key. This holds for any number of writers, however long their transactions take, and with
savepoints: the id of a sub-transaction is above that of its transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from hortus.base.database.triggers import CHANGES_CHANNEL
from hortus.base.times import format_optional_time, format_time, milliseconds_since_1970
from hortus.domain.alerts.announcements import ALERTS_CHANNEL
from hortus.domain.kits.deleted_configurations import not_deleted
from hortus.domain.presence.store import PRESENCE_CHANNEL
from hortus.flow.ingest.store import LIVE_CHANNEL
from hortus.http.documents.measurements import aggregate_object
from hortus.http.documents.media import media_object

# Transaction ids are 64 bits, of which rows keep 32: compared as distances on the circle of 32 bits.
_AT_OR_ABOVE_HORIZON = "((r.xmin::text::bigint - {horizon}) & 4294967295) < 2147483648"

DELETED_PERIPHERALS = "SELECT id FROM peripherals WHERE kit_id = $1 AND deleted_at IS NOT NULL"

HORIZON_NOW = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A stored value as it is sent to subscribers.

    Of several of one `series`, the one with the latest `at` is current. `result` is JSON, encoded once for all.
    """

    series: Hashable
    at: datetime
    id: UUID | int
    transaction: int
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic, with one row of `table` per item. A row that changes visibly is sent again.

    `time` is an expression over the row `r`, `id` and `series` are columns, `columns` further ones that `tell`
    needs. Rows older than `depth` are history and not sent; nor are rows older by `slack` than the newest of
    their kit. `channel` announces which kits have new rows, by their ids or serials. If rows are
    `of_configuration`, those of a deleted one are not sent; their `series` begins with the peripheral.
    """

    name: str
    table: str
    time: str
    series: tuple[str, ...]
    columns: tuple[str, ...]
    tell: Callable[[asyncpg.Record, str], dict[str, Any]]
    depth: timedelta
    slack: timedelta
    id: str = "id"
    channel: str = LIVE_CHANNEL
    of_configuration: bool = False

    @property
    def new_rows(self) -> str:
        """Return SQL for rows of kits at or above a horizon, and the next horizon; a row of nulls for none.

        Parameters: kit ids, horizons, start times, most rows per kit (newest first; null: all).
        """
        return f"""
            SELECT f.kit_id AS of_kit_id, pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon, t.*
            FROM unnest($1::int[], $2::bigint[], $3::timestamptz[]) AS f(kit_id, horizon, since)
            LEFT JOIN LATERAL (
                SELECT {self._selection}, count(*) OVER () AS found
                FROM {self.table} r
                WHERE r.kit_id = f.kit_id AND {self.time} >= f.since
                  AND {_AT_OR_ABOVE_HORIZON.format(horizon="f.horizon")} AND {self._shown("f.kit_id")}
                ORDER BY {self.time} DESC, r.{self.id} DESC LIMIT $4
            ) t ON true
        """  # noqa: S608  (built from constants)

    @property
    def last_rows(self) -> str:
        """Return SQL for the newest row of each series. Parameters: kit id, from when, until when."""
        series = ", ".join(f"r.{column}" for column in self.series)
        return f"""
            SELECT DISTINCT ON ({series}) {self._selection} FROM {self.table} r
            WHERE r.kit_id = $1 AND {self.time} >= $2 AND {self.time} <= $3 AND {self._shown("$1")}
            ORDER BY {series}, {self.time} DESC, r.{self.id} DESC
        """  # noqa: S608

    @property
    def future_rows(self) -> str:
        """Return SQL for rows of the future. Parameters: kit id, from when, most rows (the earliest first)."""
        return f"""
            SELECT {self._selection} FROM {self.table} r
            WHERE r.kit_id = $1 AND {self.time} > $2 AND {self._shown("$1")}
            ORDER BY {self.time}, r.{self.id} LIMIT $3
        """  # noqa: S608

    def _shown(self, kit_id: str) -> str:
        return not_deleted("r.kit_configuration_id", kit_id) if self.of_configuration else "true"

    @property
    def _selection(self) -> str:
        names = ", ".join(f"r.{name}" for name in dict.fromkeys((self.id, *self.series, *self.columns)))
        return f"{self.time} AS told_at, {names}, r.xmin::text::bigint AS transaction"

    def item(self, row: asyncpg.Record, serial: str) -> Item:
        """Return the item for a row of the kit with this serial."""
        return Item(
            series=tuple(row[column] for column in self.series),
            at=row["told_at"],
            id=row[self.id],
            transaction=row["transaction"],
            result=orjson.dumps(self.tell(row, serial)).decode(),
        )


def _raw_measurement(row: asyncpg.Record, serial: str) -> dict[str, Any]:
    """Return a reading under the names of http-api 5.2, which are irregular."""
    return {
        "id": str(row["id"]),
        "kitSerial": serial,
        "datetime": format_time(row["datetime"]),
        "peripheral": row["peripheral_id"],
        "quantityType": row["quantity_type_id"],
        "value": row["value"],
    }


def _mobile_measurement(row: asyncpg.Record, serial: str) -> dict[str, Any]:
    """Return a reading as AstroPlant's mobile app reads it: with its time in milliseconds since 1970."""
    return {**_raw_measurement(row, serial), "datetime": milliseconds_since_1970(row["datetime"])}


def _aggregate(row: asyncpg.Record, serial: str) -> dict[str, Any]:
    values = orjson.loads(row["values"])
    return {"kitSerial": serial, **aggregate_object({**dict(row), "values": values})}


def _medium(row: asyncpg.Record, serial: str) -> dict[str, Any]:
    return {"kitSerial": serial, **media_object({**dict(row), "metadata": orjson.loads(row["metadata"])})}


def _presence(row: asyncpg.Record, serial: str) -> dict[str, Any]:
    return {
        "kitSerial": serial,
        "state": row["announced_state"],
        "since": format_time(row["announced_since"]),
    }


def _alert(row: asyncpg.Record, serial: str) -> dict[str, Any]:
    """Return an alert without names: people who may see the kit need not be allowed to see the plant."""
    return {
        "id": row["id"],
        "kitSerial": serial,
        "kind": row["kind"],
        "condition": row["condition"],
        "state": "open" if row["over_at"] is None else "over",
        "plantId": row["plant_id"],
        "quantityTypeId": row["quantity_type_id"],
        "value": row["value"],
        "minimum": row["minimum"],
        "maximum": row["maximum"],
        "beganAt": format_time(row["began_at"]),
        "openedAt": format_time(row["opened_at"]),
        "seenAt": format_optional_time(row["seen_at"]),
        "overAt": format_optional_time(row["over_at"]),
        "ending": row["ending"],
    }


def _change(row: asyncpg.Record, serial: str) -> dict[str, Any]:
    """Return a change without who made it: those who may see the kit need not know its members."""
    return {"kitSerial": serial, "what": row["what"], "changedAt": format_time(row["changed_at"])}


RAW_MEASUREMENTS = Topic(
    name="raw_measurements",
    table="raw_measurements",
    time="r.datetime",
    series=("peripheral_id", "quantity_type_id"),
    columns=("datetime", "value"),
    tell=_raw_measurement,
    depth=timedelta(minutes=30),
    slack=timedelta(minutes=5),
    of_configuration=True,
)
MOBILE_MEASUREMENTS = replace(RAW_MEASUREMENTS, name="rawMeasurements", tell=_mobile_measurement)
"""The same readings for AstroPlant's mobile app, which has a method of its own to subscribe to them."""

AGGREGATE_MEASUREMENTS = Topic(
    name="aggregate_measurements",
    table="aggregate_measurements",
    time="r.datetime_start",
    series=("peripheral_id", "quantity_type_id"),
    columns=("datetime_start", "datetime_end", "kit_id", "kit_configuration_id", "values"),
    tell=_aggregate,
    depth=timedelta(hours=6),
    slack=timedelta(hours=6),
    of_configuration=True,
)
MEDIA = Topic(
    name="media",
    table="media",
    time="r.datetime",
    series=("peripheral_id",),
    columns=("datetime", "kit_id", "kit_configuration_id", "name", "type", "metadata", "size", "thumbnail"),
    tell=_medium,
    depth=timedelta(days=1),
    slack=timedelta(days=1),
    of_configuration=True,
)
PRESENCE = Topic(
    name="presence",
    table="kit_presence",
    time="r.announced_since",
    series=("kit_id",),
    columns=("announced_since", "announced_state"),
    tell=_presence,
    depth=timedelta(days=36_500),  # a state lasts until the next one
    slack=timedelta(days=36_500),
    id="kit_id",
    channel=PRESENCE_CHANNEL,
)
ALERTS = Topic(
    name="alerts",
    table="alerts",
    # The time of its last change; nulls do not count.
    time="greatest(r.opened_at, r.seen_at, r.over_at)",
    series=("id",),
    columns=(
        *("kind", "condition", "plant_id", "quantity_type_id", "value", "minimum", "maximum"),
        *("began_at", "opened_at", "seen_at", "over_at", "ending"),
    ),
    tell=_alert,
    depth=timedelta(days=1),
    slack=timedelta(days=1),
    channel=ALERTS_CHANNEL,
)
CHANGES = Topic(
    name="changes",
    table="kit_changes",
    time="r.changed_at",
    series=("what",),
    columns=("changed_at",),
    tell=_change,
    depth=timedelta(minutes=10),
    slack=timedelta(minutes=10),
    channel=CHANGES_CHANNEL,
)
_TOPICS = (RAW_MEASUREMENTS, AGGREGATE_MEASUREMENTS, MEDIA, PRESENCE, ALERTS, CHANGES)
TOPICS = {topic.name: topic for topic in _TOPICS}
"""The topics of the method `subscribe`, by name."""

ALL_TOPICS = (*TOPICS.values(), MOBILE_MEASUREMENTS)
