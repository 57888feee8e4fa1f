"""The pictures and files of a kit as people look through them: by day, by camera, or as a time-lapse."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, Interval, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.deleted_configurations import not_deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMedium:
    """A picture or file. `at` is by the kit's clock; `note` says why it has no thumbnail."""

    id: UUID
    at: datetime
    peripheral_id: int
    name: str
    type: str
    size: int
    thumbnail: str | None
    note: str | None

    @property
    def is_picture(self) -> bool:
        """Whether it can be shown: a file of another kind has no thumbnail and never will."""
        return self.type.startswith("image/") and self.thumbnail != "unsuitable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """The peripherals of one name that sent media. Each configuration has its own."""

    name: str
    peripheral_ids: tuple[int, ...]


async def cameras_of_kit(connection: AsyncConnection, kit_id: int) -> list[Camera]:
    """Return the cameras of a kit by name."""
    rows = await connection.execute(_CAMERAS, {"kit_id": kit_id})
    return [Camera(name=row.name, peripheral_ids=tuple(row.ids)) for row in rows]


async def media_between(
    connection: AsyncConnection,
    kit_id: int,
    start: datetime,
    end: datetime,
    peripheral_ids: Collection[int],
    *,
    most: int,
) -> list[ShownMedium]:
    """Return what these peripherals sent from `start` to before `end`, oldest first."""
    rows = await connection.execute(_BETWEEN, _parameters(kit_id, start, end, peripheral_ids) | {"most": most})
    return [ShownMedium(**row) for row in rows.mappings()]


async def newest_medium(
    connection: AsyncConnection, kit_id: int, before: datetime, peripheral_ids: Collection[int]
) -> ShownMedium | None:
    """Return the newest medium before a moment, or None."""
    parameters = {"kit_id": kit_id, "end": before, "peripheral_ids": list(peripheral_ids)}
    row = (await connection.execute(_NEWEST, parameters)).mappings().one_or_none()
    return None if row is None else ShownMedium(**row)


async def next_medium_at(
    connection: AsyncConnection, kit_id: int, start: datetime, peripheral_ids: Collection[int]
) -> datetime | None:
    """Return the time of the first medium from a moment on, or None."""
    parameters = {"kit_id": kit_id, "start": start, "peripheral_ids": list(peripheral_ids)}
    found: datetime | None = await connection.scalar(_NEXT, parameters)
    return found


async def media_of_kit(
    connection: AsyncConnection, kit_id: int, ids: Collection[UUID]
) -> Sequence[ShownMedium]:
    """Return those of these media that are the kit's, oldest first."""
    rows = await connection.execute(_THESE, {"kit_id": kit_id, "ids": list(ids)})
    return [ShownMedium(**row) for row in rows.mappings()]


async def media_nearest(
    connection: AsyncConnection,
    kit_id: int,
    slots: Sequence[datetime],
    peripheral_ids: Collection[int],
    *,
    before: timedelta,
    after: timedelta,
) -> list[ShownMedium | None]:
    """Return for each moment the picture nearest to it, if there is one so long before it, or less after it."""
    parameters = {
        "kit_id": kit_id,
        "peripheral_ids": list(peripheral_ids),
        "slots": list(slots),
        "before": before,
        "after": after,
    }
    rows = (await connection.execute(_NEAREST, parameters)).mappings()
    return [
        None if row["id"] is None else ShownMedium(**{name: row[name] for name in row if name != "slot"})
        for row in rows
    ]


def _parameters(
    kit_id: int, start: datetime, end: datetime, peripheral_ids: Collection[int]
) -> dict[str, object]:
    return {"kit_id": kit_id, "start": start, "end": end, "peripheral_ids": list(peripheral_ids)}


_NOT_DELETED = not_deleted("m.kit_configuration_id", "m.kit_id")
_COLUMNS = (
    "m.id, m.datetime AS at, m.peripheral_id, m.name, m.type, m.size, m.thumbnail, m.thumbnail_note AS note"
)
_OF_CAMERAS = f"m.kit_id = :kit_id AND m.peripheral_id = ANY(:peripheral_ids) AND {_NOT_DELETED}"
_IDS = bindparam("peripheral_ids", type_=ARRAY(Integer))
_START = bindparam("start", type_=DateTime(timezone=True))
_END = bindparam("end", type_=DateTime(timezone=True))

_CAMERAS = text(
    f"""
    SELECT p.name, array_agg(p.id ORDER BY p.id) AS ids FROM peripherals p
    WHERE p.kit_id = :kit_id AND p.deleted_at IS NULL
      AND EXISTS (SELECT FROM media m WHERE m.peripheral_id = p.id AND {_NOT_DELETED})
    GROUP BY p.name ORDER BY p.name
    """  # noqa: S608  (our own constants)
)
_BETWEEN = text(
    f"""
    SELECT {_COLUMNS} FROM media m WHERE {_OF_CAMERAS} AND m.datetime >= :start AND m.datetime < :end
    ORDER BY m.datetime, m.id LIMIT :most
    """  # noqa: S608  (our own constants)
).bindparams(_IDS, _START, _END)
_NEWEST = text(
    f"""
    SELECT {_COLUMNS} FROM media m WHERE {_OF_CAMERAS} AND m.datetime < :end
    ORDER BY m.datetime DESC, m.id DESC LIMIT 1
    """  # noqa: S608  (our own constants)
).bindparams(_IDS, _END)
_NEXT = text(
    f"SELECT min(m.datetime) FROM media m WHERE {_OF_CAMERAS} AND m.datetime >= :start"  # noqa: S608
).bindparams(_IDS, _START)
_THESE = text(
    f"""
    SELECT {_COLUMNS} FROM media m WHERE m.kit_id = :kit_id AND m.id = ANY(:ids) AND {_NOT_DELETED}
    ORDER BY m.datetime, m.id
    """  # noqa: S608  (our own constants)
)
_NEAREST = text(
    f"""
    SELECT t.at AS slot, n.* FROM unnest(:slots) WITH ORDINALITY AS t(at, number)
    LEFT JOIN LATERAL (
        SELECT {_COLUMNS} FROM media m
        WHERE {_OF_CAMERAS} AND m.datetime >= t.at - :before AND m.datetime < t.at + :after
          AND m.type LIKE 'image/%' AND m.thumbnail IS DISTINCT FROM 'unsuitable'
        ORDER BY abs(extract(epoch FROM m.datetime - t.at)), m.id LIMIT 1
    ) n ON true
    ORDER BY t.number
    """  # noqa: S608  (our own constants)
).bindparams(
    _IDS,
    bindparam("slots", type_=ARRAY(DateTime(timezone=True))),
    *(bindparam(name, type_=Interval()) for name in ("before", "after")),
)
