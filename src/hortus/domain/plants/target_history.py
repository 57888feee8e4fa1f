"""The history of target ranges: which range a plant had for a quantity, and when.

A plant's range comes from three places (its own ranges, its species, the ranges of that), so each change of one
of them compares what applies now with what was noted last. Judging uses the present ranges, not these.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

MOST_PER_PLANT = 1000
"""Of all quantities together; a script that changes ranges all the time cannot fill the disk."""


async def note_targets_of_plant(connection: AsyncConnection, plant_id: int) -> None:
    """Note the ranges that apply to a plant, after one of them or its species was changed."""
    await _note(connection, {"plant_id": plant_id, "species_id": None})


async def note_targets_of_species(connection: AsyncConnection, species_id: int) -> None:
    """Note the ranges that apply to the plants of a species, after its ranges were changed."""
    await _note(connection, {"plant_id": None, "species_id": species_id})


async def forget_old_targets(connection: AsyncConnection) -> None:
    """Delete the oldest ranges of plants that have too many. The caller commits."""
    await connection.execute(_FORGET, {"most": MOST_PER_PLANT})


async def _note(connection: AsyncConnection, changed: dict[str, int | None]) -> None:
    # In the order of ids, so that two changes of the same plants never deadlock.
    await connection.execute(_LOCK, changed)
    for statement in (_END, _DROP_EMPTY, _BEGIN):
        await connection.execute(statement, changed)


_PLANTS = "(p.id = CAST(:plant_id AS integer) OR p.species_id = CAST(:species_id AS integer))"
_LOCK = text(f"SELECT FROM plants p WHERE {_PLANTS} ORDER BY p.id FOR NO KEY UPDATE")  # noqa: S608

_WANTED = f"""
    wanted AS (
        SELECT p.id AS plant_id, o.quantity_type_id, o.minimum, o.maximum, true AS is_own,
            CAST(NULL AS integer) AS species_id, CAST(NULL AS text) AS species_name
        FROM plants p JOIN plant_ranges o ON o.plant_id = p.id
        WHERE {_PLANTS} AND (o.minimum IS NOT NULL OR o.maximum IS NOT NULL)
        UNION ALL
        SELECT p.id, r.quantity_type_id, r.minimum, r.maximum, false, s.id, s.name
        FROM plants p JOIN species s ON s.id = p.species_id JOIN species_ranges r ON r.species_id = s.id
        WHERE {_PLANTS} AND NOT EXISTS (SELECT FROM plant_ranges o
            WHERE o.plant_id = p.id AND o.quantity_type_id = r.quantity_type_id)
    )
"""  # noqa: S608
_SAME = """
    h.plant_id = w.plant_id AND h.quantity_type_id = w.quantity_type_id AND h.is_own = w.is_own
    AND h.minimum IS NOT DISTINCT FROM w.minimum AND h.maximum IS NOT DISTINCT FROM w.maximum
    AND h.species_id IS NOT DISTINCT FROM w.species_id
"""
_END = text(
    f"""
    WITH {_WANTED}
    UPDATE plant_target_ranges h SET until = greatest(h.since, now())
    FROM plants p
    WHERE p.id = h.plant_id AND {_PLANTS} AND h.until IS NULL
      AND NOT EXISTS (SELECT FROM wanted w WHERE {_SAME})
    """  # noqa: S608
)
# What lasted for no time was changed again in the same transaction.
_DROP_EMPTY = text(
    f"""
    DELETE FROM plant_target_ranges h USING plants p
    WHERE p.id = h.plant_id AND {_PLANTS} AND h.until <= h.since
    """  # noqa: S608
)
_BEGIN = text(
    f"""
    WITH {_WANTED}
    INSERT INTO plant_target_ranges
        (plant_id, quantity_type_id, minimum, maximum, is_own, species_id, species_name, since)
    SELECT w.plant_id, w.quantity_type_id, w.minimum, w.maximum, w.is_own, w.species_id, w.species_name,
        greatest(now(), (SELECT max(e.until) FROM plant_target_ranges e
                         WHERE e.plant_id = w.plant_id AND e.quantity_type_id = w.quantity_type_id))
    FROM wanted w
    WHERE NOT EXISTS (SELECT FROM plant_target_ranges h WHERE {_SAME} AND h.until IS NULL)
    """  # noqa: S608
)
_FORGET = text(
    """
    DELETE FROM plant_target_ranges h
    USING (SELECT id, row_number() OVER (PARTITION BY plant_id ORDER BY since DESC, id DESC) AS place
           FROM plant_target_ranges WHERE until IS NOT NULL) old
    WHERE old.id = h.id AND old.place > :most
    """
)
