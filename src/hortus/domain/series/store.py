"""Creating and finding series. All functions work in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.series.tables import SeriesRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuantity:
    """The quantity type of a series. The symbol is the common notation of the unit."""

    id: int
    physical_quantity: str
    physical_unit: str
    physical_unit_symbol: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A quantity measured by peripherals of one name, and these peripherals in all configurations."""

    id: int
    kit_id: int
    peripheral_name: str
    quantity_type: SeriesQuantity
    peripheral_ids: tuple[int, ...]


async def series_of(
    connection: AsyncConnection, kit_id: int, peripheral_name: str, quantity_type_id: int
) -> int:
    """Return the id of this series, creating it if necessary.

    Raises what SQLAlchemy raises if the kit or quantity type does not exist.
    """
    same = (
        SeriesRow.kit_id == kit_id,
        SeriesRow.peripheral_name == peripheral_name,
        SeriesRow.quantity_type_id == quantity_type_id,
    )
    found: int | None = await connection.scalar(select(SeriesRow.id).where(*same))
    if found is not None:
        return found
    await connection.execute(
        insert(SeriesRow)
        .values(kit_id=kit_id, peripheral_name=peripheral_name, quantity_type_id=quantity_type_id)
        .on_conflict_do_nothing()
    )
    # Queried again rather than returned by the insert: another process may have inserted it first.
    made: int | None = await connection.scalar(select(SeriesRow.id).where(*same))
    assert made is not None
    return made


async def ensure_series_of_kit(connection: AsyncConnection, kit_id: int) -> None:
    """Create the kit's missing series: quantities that it has measured, and that it is expected to measure.

    The latter are the quantities that the peripherals of its active configuration are expected to measure.
    """
    await connection.execute(_MAKE_MISSING, {"kit_id": kit_id})


async def series_are_missing(connection: AsyncConnection, kit_id: int) -> bool:
    """Return whether `ensure_series_of_kit` would create any."""
    return bool(await connection.scalar(_ARE_MISSING, {"kit_id": kit_id}))


async def find_series(connection: AsyncConnection, kit_id: int, series_id: int) -> Series | None:
    """Return the series of this kit with this id, or None."""
    return (await find_several_series(connection, kit_id, [series_id])).get(series_id)


async def find_several_series(
    connection: AsyncConnection, kit_id: int, series_ids: Collection[int]
) -> dict[int, Series]:
    """Return those series of this kit that have these ids, by id."""
    rows = await connection.execute(_FIND, {"kit_id": kit_id, "series_ids": list(series_ids)})
    return {
        row["id"]: Series(
            id=row["id"],
            kit_id=kit_id,
            peripheral_name=row["peripheral_name"],
            quantity_type=quantity_in(row),
            peripheral_ids=tuple(row["peripheral_ids"]),
        )
        for row in rows.mappings()
    }


def quantity_in(row: RowMapping) -> SeriesQuantity:
    """Return the quantity type in a row that has `quantity_type_id` and the type's own columns."""
    return SeriesQuantity(
        id=row["quantity_type_id"],
        physical_quantity=row["physical_quantity"],
        physical_unit=row["physical_unit"],
        physical_unit_symbol=row["physical_unit_symbol"],
    )


_FIND = text(
    """
    SELECT s.id, s.peripheral_name, s.quantity_type_id,
           q.physical_quantity, q.physical_unit, q.physical_unit_symbol,
           ARRAY(SELECT p.id FROM peripherals p
                 WHERE p.kit_id = s.kit_id AND p.name = s.peripheral_name AND p.deleted_at IS NULL
                 ORDER BY p.id) AS peripheral_ids
    FROM series s JOIN quantity_types q ON q.id = s.quantity_type_id
    WHERE s.id = ANY(:series_ids) AND s.kit_id = :kit_id
    """
)

# Every name and quantity of the kit. Measured quantities are found by skipping from one to the next in the
# rollups' index, so that the number of hours does not matter; those of touched hours are not rolled up yet.
_OF_KIT = """
WITH RECURSIVE measured (peripheral_id, quantity_type_id) AS (
    SELECT p.id, (SELECT min(h.quantity_type_id) FROM series_hours h WHERE h.peripheral_id = p.id)
    FROM peripherals p WHERE p.kit_id = :kit_id AND p.deleted_at IS NULL
    UNION ALL
    SELECT m.peripheral_id,
           (SELECT min(h.quantity_type_id) FROM series_hours h
            WHERE h.peripheral_id = m.peripheral_id AND h.quantity_type_id > m.quantity_type_id)
    FROM measured m WHERE m.quantity_type_id IS NOT NULL
),
touched AS (
    SELECT DISTINCT r.peripheral_id, r.quantity_type_id
    FROM (SELECT DISTINCT hour FROM series_touched_hours WHERE kit_id = :kit_id) t
    CROSS JOIN LATERAL (
        SELECT DISTINCT peripheral_id, quantity_type_id FROM raw_measurements
        WHERE kit_id = :kit_id AND datetime >= t.hour AND datetime < t.hour + interval '1 hour'
    ) r
),
expected AS (
    SELECT p.id AS peripheral_id, e.quantity_type_id
    FROM peripherals p
    JOIN kit_configurations c ON c.id = p.kit_configuration_id AND c.active
    JOIN peripheral_definition_expected_quantity_types e
      ON e.peripheral_definition_id = p.peripheral_definition_id
    WHERE p.kit_id = :kit_id
),
missing AS (
    SELECT DISTINCT p.kit_id, p.name, q.id AS quantity_type_id
    FROM (SELECT * FROM measured UNION SELECT * FROM touched UNION SELECT * FROM expected) AS pairs
    JOIN peripherals p ON p.id = pairs.peripheral_id AND p.deleted_at IS NULL
    JOIN quantity_types q ON q.id = pairs.quantity_type_id
    WHERE NOT EXISTS (
        SELECT FROM series s
        WHERE s.kit_id = p.kit_id AND s.peripheral_name = p.name AND s.quantity_type_id = q.id
    )
)
"""

_ARE_MISSING = text(f"{_OF_KIT} SELECT EXISTS (SELECT FROM missing)")  # noqa: S608  (our own constant)

# Ordered by key, so that two transactions that create the same series wait for each other and do not deadlock.
_MAKE_MISSING = text(
    f"""
    {_OF_KIT}
    INSERT INTO series (kit_id, peripheral_name, quantity_type_id)
    SELECT kit_id, name, quantity_type_id FROM missing ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING
    """  # noqa: S608  (our own constant)
)
