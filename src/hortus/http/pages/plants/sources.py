"""What can measure a plant: the kits that a viewer may configure, and their series."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.language.translation import gettext
from hortus.domain.plants.links import MeasuringSource
from hortus.http.access.kit_access import role_in
from hortus.http.access.permissions import Permission, permissions_of
from hortus.http.access.viewer import Viewer
from hortus.http.pages.wording import quantity_name

_MOST_KITS = 100
_VALUE = re.compile(r"([1-9]\d{0,8})(?::([1-9]\d{0,8}):(.{1,255}))?", re.DOTALL)

_KITS = text(
    """
    SELECT k.id, k.serial, coalesce(k.name, k.serial) AS name, u.is_admin,
           m.access_super, m.access_configure
    FROM kits k
    JOIN users u ON u.id = :user_id
    LEFT JOIN kit_memberships m ON m.kit_id = k.id AND m.user_id = u.id
    WHERE (u.is_admin OR m.access_super OR m.access_configure)
      AND (CAST(:kit_id AS integer) IS NULL OR k.id = CAST(:kit_id AS integer))
    ORDER BY lower(coalesce(k.name, k.serial)), k.id LIMIT :most
    """
)

_SERIES = text(
    """
    SELECT p.kit_id, p.name, q.id AS quantity_type_id, q.physical_quantity AS quantity
    FROM peripherals p
    JOIN kit_configurations c ON c.id = p.kit_configuration_id AND c.active
    JOIN peripheral_definition_expected_quantity_types e
        ON e.peripheral_definition_id = p.peripheral_definition_id
    JOIN quantity_types q ON q.id = e.quantity_type_id
    WHERE p.kit_id = ANY(CAST(:kit_ids AS integer[]))
    ORDER BY p.kit_id, lower(p.name), q.id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A choice: a whole kit, or one of its series. `value` is what the form sends."""

    value: str
    serial: str
    name: str


async def configurable_sources(connection: AsyncConnection, viewer: Viewer) -> list[Source]:
    """Return the kits that the viewer may link plants to, each followed by its series."""
    kits = await _kits(connection, viewer, None)
    series: dict[int, list[Source]] = {}
    names = {kit["id"]: kit for kit in kits}
    for row in (await connection.execute(_SERIES, {"kit_ids": list(names)})).mappings():
        kit = names[row["kit_id"]]
        series.setdefault(row["kit_id"], []).append(
            Source(
                value=f"{row['kit_id']}:{row['quantity_type_id']}:{row['name']}",
                serial="",
                name=f"{kit['name']} · {row['name']} · {quantity_name(row['quantity'])}",
            )
        )
    return [
        each
        for kit in kits
        for each in (
            Source(
                value=str(kit["id"]),
                serial=kit["serial"],
                name=gettext("%(kit)s: the whole kit", kit=kit["name"]),
            ),
            *series.get(kit["id"], ()),
        )
    ]


async def source_named(connection: AsyncConnection, viewer: Viewer, value: str) -> MeasuringSource | None:
    """Return the source that a form names, or None if the viewer may not link plants to it."""
    found = _VALUE.fullmatch(value)
    if found is None or not await _kits(connection, viewer, int(found[1])):
        return None
    if found[2] is None:
        return MeasuringSource(kit_id=int(found[1]))
    return MeasuringSource(kit_id=int(found[1]), quantity_type_id=int(found[2]), peripheral_name=found[3])


async def _kits(connection: AsyncConnection, viewer: Viewer, kit_id: int | None) -> list[RowMapping]:
    if viewer.user is None:
        return []
    parameters = {"user_id": viewer.user.id, "kit_id": kit_id, "most": _MOST_KITS}
    rows = (await connection.execute(_KITS, parameters)).mappings().all()
    return [
        row for row in rows if Permission.EDIT_CONFIGURATION in permissions_of(role_in(row), is_public=False)
    ]
