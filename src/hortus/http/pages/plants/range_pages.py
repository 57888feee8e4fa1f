"""The target ranges of a plant: those of its species, its own, or none, each beside the last days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext
from hortus.domain.definitions.queries import list_quantity_types
from hortus.domain.plants.overview import PlantOverview
from hortus.domain.plants.rules import InvalidPlant
from hortus.domain.plants.species_store import ranges_of_species
from hortus.domain.plants.state import Range
from hortus.domain.plants.store import own_ranges, set_plant_range, unset_plant_range
from hortus.http.access.plant_access import PlantAccess
from hortus.http.pages.forms import Form
from hortus.http.pages.plant_store import PlantReader, hours_of_week
from hortus.http.pages.plants.fields import range_of, refuse_all
from hortus.http.pages.plants.opening import changing_plant, reading_plant
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.week import WeekPicture, week_of

MOST_QUANTITIES = 300
_MOST_FIELDS = 3 * 100 + 5
_MOST_FORM_BYTES = 32_768

SPECIES, OWN, NONE = "species", "own", "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeField:
    """A quantity in the form: what its species says, what is set, and how it was in the last days."""

    id: int
    name: str
    unit: str
    choice: str
    of_species: Range | None
    minimum: str
    maximum: str
    picture: WeekPicture | None


class PlantRangePages:
    """`/plants/{id}/ranges`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._zone = site.services.messages.time_zone
        self._reader = PlantReader(site.engine, site.clock, site.services.parts.plant_freshness, self._zone)

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/plants/{plant_id}/ranges", self.show, methods=["GET"]),
            Route("/plants/{plant_id}/ranges", self.save, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the form."""
        return await self._page(request, None)

    async def save(self, request: Request) -> Response:
        """Set the ranges, or show the form again with what is wrong."""
        require_same_origin(request)
        values = await read_form(request, most_bytes=_MOST_FORM_BYTES, most_fields=_MOST_FIELDS)
        form = Form(values=values)
        chosen = _chosen(form)
        try:
            if not form.faults:
                async with changing_plant(self._site, request) as (connection, _, access):
                    await _store(connection, access.plant.id, chosen)
        except InvalidPlant as error:
            refuse_all(form, error, {"range": f"min-{next(iter(chosen), 0)}"})
        if form.faults:
            return await self._page(request, form, status_code=422)
        return redirect(request, f"/plants/{request.path_params['plant_id']}", said="ranges")

    async def _page(self, request: Request, form: Form | None, *, status_code: int = 200) -> Response:
        async with reading_plant(self._site, request) as (connection, viewer, access):
            types = await list_quantity_types(connection, None, MOST_QUANTITIES)
            overview = await self._reader.overview(connection, access)
            of_species = await ranges_of_species(
                connection, [access.plant.species_id] if access.plant.species_id else []
            )
            pictures = await self._pictures(connection, access, overview)
        fields = _fields(types, overview, of_species.get(access.plant.species_id or 0, {}), pictures, form)
        added = request.query_params.get("add", "")
        shown = [
            each
            for each in fields
            if each.choice != SPECIES
            or each.of_species is not None
            or each.id in overview.measured
            or str(each.id) == added
            or (form is not None and f"choice-{each.id}" in form.values)
        ]
        return self._site.page(
            request,
            "plants/ranges.html",
            viewer=viewer,
            status_code=status_code,
            plant=access.plant,
            fields=shown,
            others=[each for each in fields if each not in shown],
            form=form or Form(),
        )

    async def _pictures(
        self, connection: AsyncConnection, access: PlantAccess, overview: PlantOverview
    ) -> dict[int, WeekPicture | None]:
        now = self._site.clock()
        ranges = {state.quantity_type_id: state.range or Range() for state in overview.states}
        weeks = await hours_of_week(connection, overview, access.links, now)
        return {
            id_: week_of(hours, ranges.get(id_, Range()), now, self._zone).picture
            for id_, hours in weeks.items()
            if hours
        }


def _chosen(form: Form) -> dict[int, Range | None]:
    """Return what was chosen by quantity type: None for the species' range, one without bounds for none."""
    chosen: dict[int, Range | None] = {}
    for name, choice in form.values.items():
        key = name.removeprefix("choice-")
        if key == name or not key.isascii() or not key.isdigit() or len(key) > 9:
            continue
        if choice == OWN:
            own = range_of(form, key)
            if own.is_open and not form.fault(f"min-{key}") and not form.fault(f"max-{key}"):
                form.refuse(f"min-{key}", gettext("Enter a lower or an upper bound, or both."))
            chosen[int(key)] = own
        else:
            chosen[int(key)] = Range() if choice == NONE else None
    return chosen


async def _store(connection: AsyncConnection, plant_id: int, chosen: Mapping[int, Range | None]) -> None:
    """Set what has changed: each change is noted with its time."""
    before = (await own_ranges(connection, [plant_id])).get(plant_id, {})
    for quantity_type_id, own in chosen.items():
        if own == before.get(quantity_type_id):
            continue
        if own is None:
            await unset_plant_range(connection, plant_id, quantity_type_id)
        else:
            await set_plant_range(connection, plant_id, quantity_type_id, own)


def _fields(
    types: Sequence[RowMapping],
    overview: PlantOverview,
    of_species: Mapping[int, Range],
    pictures: Mapping[int, WeekPicture | None],
    form: Form | None,
) -> list[RangeField]:
    def field(type_: RowMapping) -> RangeField:
        id_ = type_["id"]
        own = overview.own_ranges.get(id_)
        choice = SPECIES if own is None else NONE if own.is_open else OWN
        low, high = (own.minimum, own.maximum) if own is not None else (None, None)
        values = form.values if form is not None else {}
        return RangeField(
            id=id_,
            name=type_["physical_quantity"],
            unit=type_["physical_unit_symbol"] or type_["physical_unit"],
            choice=values.get(f"choice-{id_}", choice),
            of_species=of_species.get(id_),
            minimum=values.get(f"min-{id_}", "" if low is None else f"{low:g}"),
            maximum=values.get(f"max-{id_}", "" if high is None else f"{high:g}"),
            picture=pictures.get(id_),
        )

    return [field(type_) for type_ in types]
