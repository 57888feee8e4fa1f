"""Reading the condition of plants, for the plant page and the lists of kits, as the viewer may see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.domain.alerts.store import alerts_of_plant, concerning
from hortus.domain.definitions.queries import quantity_types_by_id
from hortus.domain.plants.measured import MeasuredSeries
from hortus.domain.plants.overview import PlantOverview, overviews
from hortus.domain.plants.state import Condition, QuantityState, Range
from hortus.domain.plants.store import find_plants
from hortus.http.access.plant_access import PlantAccess, access_to_plant, access_to_plants
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.problems import Problem
from hortus.http.pages.chart_address import chart_address
from hortus.http.pages.plant_status import (
    PlantAlert,
    PlantLine,
    PlantQuantity,
    PlantsOfKit,
    PlantStatus,
    plant_alert,
)
from hortus.http.pages.viewers import caller_of
from hortus.http.pages.wording import OutOfRange
from hortus.http.server.database_access import snapshot

Types = Mapping[int, RowMapping]

_MOST_OPEN_ALERTS = 100
_LAST_ALERTS = 20
_PLANTS_PER_KIT = 12

_PLANTS_OF_KITS = text(
    """
    SELECT k.id AS kit_id, p.id, p.plants
    FROM unnest(CAST(:kit_ids AS integer[])) AS k (id)
    CROSS JOIN LATERAL (
        SELECT plants.id, lower(plants.name) AS place, count(*) OVER () AS plants
        FROM plants
        WHERE plants.id IN (
            SELECT l.plant_id FROM plant_links l WHERE l.kit_id = k.id AND l.linked_until IS NULL
        )
        ORDER BY place, plants.id LIMIT :most
    ) p
    ORDER BY k.id, p.place, p.id
    """
)


class NoSuchPlant(LookupError):
    """There is no plant with this id that the viewer may see."""


async def visible_plant(connection: AsyncConnection, viewer: Viewer, plant_id: int) -> PlantAccess:
    """Return a plant by the API's own access rules. Raises NoSuchPlant for hidden and absent plants alike."""
    try:
        access = await access_to_plant(connection, caller_of(viewer), plant_id)
        access.require_view()
    except Problem as error:
        raise NoSuchPlant from error
    return access


class PlantReader:
    """Reads the condition of plants. `clock` returns the current time as an aware datetime."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], datetime], freshness: timedelta) -> None:
        self._engine = engine
        self._clock = clock
        self._freshness = freshness

    async def read(self, viewer: Viewer, plant_id: int) -> PlantStatus:
        """Return the plant from one snapshot (P7). Raises NoSuchPlant or DatabaseNotAnswering."""
        now = self._clock()
        async with snapshot(self._engine) as connection:
            access = await visible_plant(connection, viewer, plant_id)
            (overview,) = await self._overviews(connection, [access], now)
            types = await _types_of(connection, [overview])
            alerts = await _alerts(connection, access)
        return PlantStatus(
            now=now,
            plant=access.plant,
            condition=overview.condition,
            out_of_range=_out_of_range(overview, types),
            quantities=_quantities(overview, types),
            links=tuple(link for link in access.links if link.until is None),
            alerts=alerts,
        )

    async def plants_of_kits(self, viewer: Viewer, kit_ids: Sequence[int]) -> dict[int, PlantsOfKit]:
        """Return the plants that each of these kits measures. The viewer must be allowed to see the kits.

        Raises DatabaseNotAnswering.
        """
        async with snapshot(self._engine) as connection:
            rows = (
                await connection.execute(_PLANTS_OF_KITS, {"kit_ids": list(kit_ids), "most": _PLANTS_PER_KIT})
            ).all()
            if not rows:
                return {}
            plants = await find_plants(connection, {row.id for row in rows})
            accesses = await access_to_plants(connection, caller_of(viewer), plants)
            found = await self._overviews(connection, accesses, self._clock())
            types = await _types_of(connection, found)
        lines = {each.plant.id: _line(each, types) for each in found}
        totals = {row.kit_id: row.plants for row in rows}
        of_kits: dict[int, list[PlantLine]] = defaultdict(list)
        for row in rows:
            if row.id in lines:
                of_kits[row.kit_id].append(lines[row.id])
        return {
            kit_id: PlantsOfKit(lines=shown, more=max(0, totals[kit_id] - _PLANTS_PER_KIT))
            for kit_id, shown in of_kits.items()
        }

    async def _overviews(
        self, connection: AsyncConnection, accesses: Sequence[PlantAccess], now: datetime
    ) -> list[PlantOverview]:
        return await overviews(
            connection,
            [access.plant for access in accesses],
            {access.plant.id: access.links for access in accesses},
            now=now,
            freshness=self._freshness,
        )


async def _types_of(connection: AsyncConnection, found: Sequence[PlantOverview]) -> Types:
    ids = {state.quantity_type_id for overview in found for state in overview.states}
    return await quantity_types_by_id(connection, ids)


def _quantities(overview: PlantOverview, types: Types) -> tuple[PlantQuantity, ...]:
    def quantity(state: QuantityState) -> PlantQuantity:
        type_ = types[state.quantity_type_id]
        return PlantQuantity(
            name=type_["physical_quantity"],
            unit=type_["physical_unit_symbol"] or type_["physical_unit"],
            condition=state.condition,
            range=state.range or Range(),
            reading=state.reading,
            source=_source(overview.measured.get(state.quantity_type_id)),
            trouble=_trouble(overview.measured.get(state.quantity_type_id)),
            chart=_chart(overview.measured.get(state.quantity_type_id)),
        )

    return tuple(quantity(state) for state in overview.states if state.quantity_type_id in types)


def _source(measured: MeasuredSeries | None) -> str:
    return "" if measured is None else f"{measured.peripheral_name}, {measured.serial}"


def _trouble(measured: MeasuredSeries | None) -> str | None:
    return None if measured is None or measured.implausible is None else measured.implausible.explanation


def _chart(measured: MeasuredSeries | None) -> str:
    if measured is None:
        return ""
    return chart_address(measured.serial, measured.peripheral_name, measured.quantity_type_id)


async def _alerts(connection: AsyncConnection, access: PlantAccess) -> tuple[PlantAlert, ...]:
    """Return all open alerts, then the most recently closed ones."""
    kit_ids = {link.source.kit_id for link in access.links}
    plant_id = access.plant.id
    open_ones = await alerts_of_plant(
        connection, plant_id, kit_ids, open_only=True, before=None, most=_MOST_OPEN_ALERTS
    )
    last_ones = await alerts_of_plant(
        connection, plant_id, kit_ids, open_only=False, before=None, most=_LAST_ALERTS
    )
    user_id = access.caller.user_id
    unseen = [row["id"] for row in open_ones if row["seen_at"] is None]
    concerns = await concerning(connection, user_id, unseen) if user_id is not None and unseen else set()
    rows = [*open_ones, *(row for row in last_ones if row["over_at"] is not None)]
    return tuple(plant_alert(row, concerns_viewer=row["id"] in concerns) for row in rows)


def _out_of_range(overview: PlantOverview, types: Types) -> tuple[OutOfRange, ...]:
    return tuple(
        OutOfRange(quantity=types[state.quantity_type_id]["physical_quantity"], condition=state.condition)
        for state in overview.states
        if state.condition in (Condition.LOW, Condition.HIGH) and state.quantity_type_id in types
    )


def _line(overview: PlantOverview, types: Types) -> PlantLine:
    return PlantLine(
        id=overview.plant.id,
        name=overview.plant.name,
        condition=overview.condition,
        out_of_range=_out_of_range(overview, types),
    )
