"""Finding kits, plants, species, sensors and people by a part of their name, as the viewer may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.http.access.viewer import VISIBLE_KITS, Viewer, visibility_parameters
from hortus.http.server.database_access import snapshot

MOST_OF_A_KIND = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One find. `path` is empty for what has no page of its own; `about` says where it belongs."""

    name: str
    path: str = ""
    about: str = ""
    is_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finds:
    """What was found of each kind, at most MOST_OF_A_KIND each. People are for administrators only."""

    kits: Sequence[Found] = ()
    plants: Sequence[Found] = ()
    species: Sequence[Found] = ()
    sensors: Sequence[Found] = ()
    people: Sequence[Found] = ()


class SearchReader:
    """Searches the database, with a fixed number of statements."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, viewer: Viewer, wanted: str) -> Finds:
        """Return what contains this text, in any case. An empty text finds the first kits and plants.

        Raises DatabaseNotAnswering.
        """
        visible = {**visibility_parameters(viewer), "part": _pattern(wanted), "most": MOST_OF_A_KIND}
        async with snapshot(self._engine) as connection:

            async def rows(statement: TextClause) -> Sequence[Found]:
                found = await connection.execute(statement, visible)
                return [Found(**row) for row in found.mappings()]

            kits, plants = await rows(_KITS), await rows(_PLANTS)
            if not wanted:
                return Finds(kits=kits, plants=plants)
            return Finds(
                kits=kits,
                plants=plants,
                species=await rows(_SPECIES),
                sensors=await rows(_SENSORS),
                people=await rows(_PEOPLE) if viewer.is_admin else (),
            )

    async def serial_of(self, viewer: Viewer, text_: str) -> str | None:
        """Return the serial that this text is, in whatever case, if the viewer may see the kit."""
        async with snapshot(self._engine) as connection:
            parameters = {**visibility_parameters(viewer), "serial": text_}
            serial: str | None = await connection.scalar(_SERIAL, parameters)
            return serial


def _pattern(wanted: str) -> str:
    escaped = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


_KITS = text(
    f"""
    SELECT coalesce(k.name, k.serial) AS name, '/kits/' || k.serial AS path,
           CASE WHEN k.name IS NULL THEN '' ELSE k.serial END AS about, k.name IS NULL AS is_code
    FROM kits k
    WHERE k.id IN ({VISIBLE_KITS}) AND (k.name ILIKE :part OR k.serial ILIKE :part)
    ORDER BY lower(coalesce(k.name, k.serial)), k.id LIMIT :most
    """  # noqa: S608  (built from constants)
)

# As hortus.http.access.plant_access has it: the owner's, and those that a visible kit measures now.
_PLANTS = text(
    f"""
    SELECT p.name, '/plants/' || p.id AS path, coalesce(s.name, '') AS about
    FROM plants p LEFT JOIN species s ON s.id = p.species_id
    WHERE (CAST(:is_admin AS boolean) OR p.owner_id = CAST(:user_id AS integer) OR p.id IN (
              SELECT l.plant_id FROM plant_links l
              WHERE l.linked_until IS NULL AND l.kit_id IN ({VISIBLE_KITS})))
      AND (p.name ILIKE :part OR s.name ILIKE :part)
    ORDER BY lower(p.name), p.id LIMIT :most
    """  # noqa: S608  (built from constants)
)

_SPECIES = text(
    """
    SELECT s.name, '/species/' || s.id AS path, coalesce(s.scientific_name, '') AS about FROM species s
    WHERE (s.key IS NOT NULL OR s.owner_id = CAST(:user_id AS integer) OR CAST(:is_admin AS boolean))
      AND (s.name ILIKE :part OR s.scientific_name ILIKE :part)
    ORDER BY lower(s.name), s.id LIMIT :most
    """
)

_SENSORS = text(
    f"""
    SELECT p.name, '/kits/' || k.serial AS path, coalesce(k.name, k.serial) AS about
    FROM peripherals p
    JOIN kit_configurations c ON c.id = p.kit_configuration_id AND c.active
    JOIN kits k ON k.id = p.kit_id
    WHERE k.id IN ({VISIBLE_KITS}) AND p.name ILIKE :part
    ORDER BY lower(p.name), lower(coalesce(k.name, k.serial)), p.id LIMIT :most
    """  # noqa: S608  (built from constants)
)

_PEOPLE = text(
    """
    SELECT u.display_name AS name, u.username AS about FROM users u
    WHERE u.display_name ILIKE :part OR u.username ILIKE :part OR u.email_address ILIKE :part
    ORDER BY lower(u.display_name), u.id LIMIT :most
    """
)

_SERIAL = text(
    f"""
    SELECT k.serial FROM kits k WHERE lower(k.serial) = lower(:serial) AND k.id IN ({VISIBLE_KITS})
    ORDER BY k.serial <> :serial LIMIT 1
    """  # noqa: S608  (built from constants)
)
