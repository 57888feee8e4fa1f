"""What the pages of configurations read from the database."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException

from hortus.base.language.translation import gettext
from hortus.domain.definitions.queries import list_definitions, quantity_types_by_id
from hortus.domain.kits.configuration_difference import Content
from hortus.domain.kits.configurations import devices_of_configuration, find_configuration, find_peripheral
from hortus.domain.kits.devices import ConfiguredDevice
from hortus.http.conventions.parameters import LARGEST_ID
from hortus.http.pages.kits.opened import OpenedKit

PAGE_SIZE = 50
MOST_DEFINITIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedConfiguration:
    """A configuration in the list."""

    id: int
    description: str | None
    active: bool
    never_used: bool
    created_at: datetime
    updated_at: datetime
    first_activated_at: datetime | None
    devices: int
    rules: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownQuantity:
    """A quantity that a definition is expected to measure."""

    id: int
    quantity: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDefinition:
    """A definition with what it measures."""

    row: RowMapping
    quantities: tuple[ShownQuantity, ...]

    @property
    def id(self) -> int:
        return int(self.row["id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedConfiguration:
    """A configuration of the kit with its devices."""

    row: RowMapping
    devices: Sequence[ConfiguredDevice]
    peripherals: Sequence[RowMapping]

    @property
    def id(self) -> int:
        return int(self.row["id"])

    @property
    def is_draft(self) -> bool:
        """Whether it was never active, and can therefore change."""
        return bool(self.row["never_used"])

    @property
    def content(self) -> Content:
        """What it does."""
        return Content(devices=self.devices, control_rules=self.row["control_rules"])


async def own_configuration(connection: AsyncConnection, kit: OpenedKit, configuration_id: int) -> RowMapping:
    """Return a configuration of this kit. Raises HTTPException 404."""
    row = await find_configuration(connection, configuration_id) if configuration_id <= LARGEST_ID else None
    if row is None or row["kit_id"] != kit.id:
        raise HTTPException(404, gettext("This configuration does not exist, or it was deleted."))
    return row


async def opened_configuration(
    connection: AsyncConnection, kit: OpenedKit, configuration_id: int
) -> OpenedConfiguration:
    """Return a configuration of this kit with its devices. Raises HTTPException 404."""
    row = await own_configuration(connection, kit, configuration_id)
    return OpenedConfiguration(
        row=row,
        devices=await devices_of_configuration(connection, row["id"]),
        peripherals=(await connection.execute(_PERIPHERALS, {"id": row["id"]})).mappings().all(),
    )


async def own_peripheral(
    connection: AsyncConnection, configuration: RowMapping, peripheral_id: int
) -> RowMapping:
    """Return a device of this configuration. Raises HTTPException 404."""
    row = await find_peripheral(connection, peripheral_id) if peripheral_id <= LARGEST_ID else None
    if row is None or row["kit_configuration_id"] != configuration["id"]:
        raise HTTPException(404, gettext("This device does not exist, or it was removed."))
    return row


async def listed_configurations(
    connection: AsyncConnection, kit_id: int, *, before: int | None, most: int
) -> list[ListedConfiguration]:
    """Return configurations: on the first page the active one first, then the newest."""
    parameters = {"kit_id": kit_id, "before": before, "most": most}
    rows = await connection.execute(_LIST, parameters)
    return [ListedConfiguration(**row) for row in rows.mappings()]


async def shown_definitions(connection: AsyncConnection) -> dict[int, ShownDefinition]:
    """Return all definitions by id, with what they measure."""
    rows, expected = await list_definitions(connection, None, MOST_DEFINITIONS)
    types = await quantity_types_by_id(connection, {each for ids in expected.values() for each in ids})
    return {
        row["id"]: ShownDefinition(
            row=row,
            quantities=tuple(_quantity(types[each]) for each in expected.get(row["id"], ()) if each in types),
        )
        for row in rows
    }


async def kits_to_copy_to(connection: AsyncConnection, kit: OpenedKit) -> Sequence[RowMapping]:
    """Return the other kits whose configuration this viewer may change, by name."""
    user = kit.viewer.user
    if user is None:
        return ()
    parameters = {"kit_id": kit.id, "user_id": user.id, "is_admin": user.is_admin}
    return (await connection.execute(_OTHER_KITS, parameters)).mappings().all()


async def configurers_of(connection: AsyncConnection, kit: OpenedKit, *, full_access: bool) -> str:
    """Return the names of members who can do what this viewer cannot; empty for those who are no members."""
    if not kit.is_member:
        return ""
    names = await connection.scalars(_PEOPLE, {"kit_id": kit.id, "full_access": full_access})
    return ", ".join(names)


def stamp_of(value: Any) -> str:
    """Return a stamp that changes with the value: it tells a form whether somebody else changed it."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:20]


def rules_of(configuration: RowMapping) -> Mapping[str, Any]:
    """Return the fuzzy control of a configuration, with all three parts."""
    rules = configuration["control_rules"]
    control = rules.get("fuzzyControl") if isinstance(rules, dict) else None
    if not isinstance(control, dict):
        control = {}
    return {
        "input": control.get("input") if isinstance(control.get("input"), dict) else {},
        "output": control.get("output") if isinstance(control.get("output"), dict) else {},
        "rules": control.get("rules") if isinstance(control.get("rules"), list) else [],
    }


def _quantity(row: RowMapping) -> ShownQuantity:
    return ShownQuantity(
        id=row["id"], quantity=row["physical_quantity"], unit=row["physical_unit_symbol"] or ""
    )


_PERIPHERALS = text(
    """
    SELECT id, peripheral_definition_id, name, configuration FROM peripherals
    WHERE kit_configuration_id = :id AND deleted_at IS NULL ORDER BY id
    """
)
_LIST = text(
    """
    SELECT c.id, c.description, c.active, c.never_used, c.created_at, c.updated_at, c.first_activated_at,
        (SELECT count(*) FROM peripherals p WHERE p.kit_configuration_id = c.id AND p.deleted_at IS NULL)
            AS devices,
        CASE WHEN json_typeof(c.control_rules #> '{fuzzyControl,rules}') = 'array'
            THEN json_array_length(c.control_rules #> '{fuzzyControl,rules}') ELSE 0 END AS rules
    FROM kit_configurations c
    WHERE c.kit_id = :kit_id AND c.deleted_at IS NULL
      AND (CAST(:before AS integer) IS NULL OR (c.id < :before AND NOT c.active))
    ORDER BY c.active DESC, c.id DESC LIMIT :most
    """
)
_OTHER_KITS = text(
    """
    SELECT k.serial, coalesce(k.name, k.serial) AS name FROM kits k
    WHERE k.id <> :kit_id AND (:is_admin OR EXISTS (
        SELECT FROM kit_memberships m
        WHERE m.kit_id = k.id AND m.user_id = :user_id AND (m.access_configure OR m.access_super)))
    ORDER BY lower(coalesce(k.name, k.serial)), k.id LIMIT 200
    """
)
_PEOPLE = text(
    """
    SELECT u.display_name FROM kit_memberships m JOIN users u ON u.id = m.user_id
    WHERE m.kit_id = :kit_id AND (m.access_super OR (m.access_configure AND NOT :full_access))
    ORDER BY m.access_super DESC, m.id LIMIT 3
    """
)
