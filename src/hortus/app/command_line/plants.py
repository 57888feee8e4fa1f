"""`hortus plant` and `hortus species`: the condition of all plants, for the operator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.app.command_line.database_access import open_ready_engine
from hortus.app.command_line.terminal import DataDirOption, JsonOption, console, print_json, run
from hortus.base.errors import UsageError
from hortus.base.settings import read_settings
from hortus.domain.definitions.queries import list_quantity_types
from hortus.domain.plants.links import PlantLink, links_of_plants
from hortus.domain.plants.overview import PlantOverview, overviews
from hortus.domain.plants.species_store import Species, find_species, list_all_species
from hortus.domain.plants.state import Condition, QuantityState, Range
from hortus.domain.plants.store import Plant, find_plant, list_all_plants

plant_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Plants and how they do: list, show.")
species_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Species and their ranges: list, show."
)

Identifier = Annotated[int, typer.Argument(metavar="ID", min=1, max=2**31 - 1, help="As `list` shows it.")]

_MOST_QUANTITY_TYPES = 10_000
_WORDS_AND_STYLES = {
    Condition.OK: ("ok", "green"),
    Condition.NO_DATA: ("no data", "yellow"),
    Condition.LOW: ("low", "red"),
    Condition.HIGH: ("high", "red"),
}


@plant_app.command("list")
def list_command(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List all plants with their worst condition."""

    async def work() -> list[tuple[PlantOverview, Sequence[PlantLink]]]:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            return await _look_at(connection, await list_all_plants(connection))

    found = run(work())
    if as_json:
        print_json([_plant_document(overview, links) for overview, links in found])
        return
    table = Table("Id", "Name", "Species", "Owner", "Kit", Column("Does", no_wrap=True))
    for overview, links in found:
        plant = overview.plant
        table.add_row(
            str(plant.id),
            plant.name,
            plant.species_name or "",
            plant.owner_username or "",
            ", ".join(dict.fromkeys(link.serial for link in links if link.until is None)),
            _condition(overview.condition),
        )
    console.print(table if found else "No plants yet. People make them over the API (docs/plants.md).")


@plant_app.command("show")
def show_command(plant_id: Identifier, as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """Show a plant: each quantity, its range, and its last reading."""

    async def work() -> tuple[PlantOverview, Sequence[PlantLink], dict[int, str]]:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            plant = await find_plant(connection, plant_id)
            if plant is None:
                raise UsageError(f"There is no plant {plant_id}. `hortus plant list` shows all plants.")
            ((overview, links),) = await _look_at(connection, [plant])
            return overview, links, await _quantity_names(connection)

    overview, links, names = run(work())
    if as_json:
        print_json(_plant_document(overview, links))
        return
    plant = overview.plant
    console.print(
        console.render_str(f"{plant.name}, {plant.species_name or 'no species'}: ")
        + _condition(overview.condition)
    )
    table = Table("Quantity", "Last value", "Measured", "Range", "Is")
    for state in overview.states:
        table.add_row(
            names[state.quantity_type_id],
            f"{state.reading.value:g}" if state.reading else "",
            _measured(overview, state),
            _range(state.range),
            _condition(state.condition),
        )
    console.print(table if overview.states else "It has no ranges, and nothing measures it.")
    for measured in overview.measured.values():
        if measured.implausible is not None:
            words = measured.implausible.explanation
            console.print(f"{measured.serial}, {measured.peripheral_name}: {words}", markup=False)
    for link in links:
        until = "now" if link.until is None else f"{link.until:%Y-%m-%d %H:%M}"
        what = link.source.peripheral_name or "the whole kit"
        console.print(f"{link.serial}, {what}: {link.since:%Y-%m-%d %H:%M} to {until}", markup=False)


@species_app.command("list")
def list_species_command(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List the built-in species and those that people added."""

    async def work() -> list[Species]:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            return await list_all_species(connection)

    found = run(work())
    if as_json:
        print_json([_species_document(species) for species in found])
        return
    table = Table("Id", "Name", "Built in", "Ranges")
    for species in found:
        built_in = "yes" if species.is_built_in else ""
        table.add_row(str(species.id), species.name, built_in, str(len(species.ranges)))
    console.print(table)


@species_app.command("show")
def show_species_command(
    species_id: Identifier, as_json: JsonOption = False, data_dir: DataDirOption = None
) -> None:
    """Show a species and its ranges."""

    async def work() -> tuple[Species, dict[int, str]]:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            species = await find_species(connection, species_id)
            if species is None:
                raise UsageError(f"There is no species {species_id}. `hortus species list` shows all of them.")
            return species, await _quantity_names(connection)

    species, names = run(work())
    if as_json:
        print_json(_species_document(species))
        return
    console.print(species.name, markup=False)
    if species.description:
        console.print_lines(species.description)
    table = Table("Quantity", "Range")
    for quantity_type_id, each in sorted(species.ranges.items()):
        table.add_row(names[quantity_type_id], _range(each))
    console.print(table)


async def _look_at(
    connection: AsyncConnection, plants: Sequence[Plant]
) -> list[tuple[PlantOverview, Sequence[PlantLink]]]:
    links = await links_of_plants(connection, [plant.id for plant in plants])
    freshness = timedelta(seconds=read_settings().plant_fresh_seconds)
    found = await overviews(connection, plants, links, now=datetime.now(UTC), freshness=freshness)
    return [(overview, links[overview.plant.id]) for overview in found]


async def _quantity_names(connection: AsyncConnection) -> dict[int, str]:
    rows = await list_quantity_types(connection, None, _MOST_QUANTITY_TYPES)
    return {
        row["id"]: f"{row['physical_quantity']} ({row['physical_unit_symbol'] or row['physical_unit']})"
        for row in rows
    }


def _condition(condition: Condition | None) -> Text:
    return Text("–") if condition is None else Text(*_WORDS_AND_STYLES[condition])


def _measured(overview: PlantOverview, state: QuantityState) -> str:
    measured = overview.measured.get(state.quantity_type_id)
    if measured is None:
        return "by nothing"
    when = f"{state.reading.at:%Y-%m-%d %H:%M}" if state.reading else "never"
    return f"{when} by {measured.peripheral_name}"


def _range(range_: Range | None) -> str:
    if range_ is None:
        return ""
    least = "" if range_.minimum is None else f"{range_.minimum:g}"
    most = "" if range_.maximum is None else f"{range_.maximum:g}"
    return f"{least} … {most}".strip()


def _plant_document(overview: PlantOverview, links: Sequence[PlantLink]) -> dict[str, Any]:
    plant = overview.plant
    return {
        "id": plant.id,
        "name": plant.name,
        "owner": plant.owner_username,
        "species": plant.species_name,
        "condition": overview.condition,
        "kits": list(dict.fromkeys(link.serial for link in links if link.until is None)),
        "quantities": [
            {
                "quantityTypeId": state.quantity_type_id,
                "condition": state.condition,
                "value": state.reading and state.reading.value,
                "datetime": state.reading and state.reading.at,
                "minimum": state.range and state.range.minimum,
                "maximum": state.range and state.range.maximum,
                "implausible": _implausible(overview, state),
            }
            for state in overview.states
        ],
    }


def _implausible(overview: PlantOverview, state: QuantityState) -> str | None:
    """Return the sentence about a sensor whose newest reading cannot have been measured."""
    measured = overview.measured.get(state.quantity_type_id)
    return None if measured is None or measured.implausible is None else measured.implausible.explanation


def _species_document(species: Species) -> dict[str, Any]:
    return {
        "id": species.id,
        "name": species.name,
        "builtIn": species.is_built_in,
        "description": species.description,
        "ranges": [
            {"quantityTypeId": key, "minimum": each.minimum, "maximum": each.maximum}
            for key, each in sorted(species.ranges.items())
        ],
    }
