"""`hortus recipe`: checking and comparing files of grow recipes. It needs no server."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from hortus.app.command_line.terminal import JsonOption, console, print_json
from hortus.base.errors import UsageError
from hortus.domain.recipes.canonical import recipe_sha256
from hortus.domain.recipes.differences import Difference, differences
from hortus.domain.recipes.document import AfterDays, AfterDegreeDays, PhaseEnd, Recipe
from hortus.domain.recipes.faults import UnusableRecipe
from hortus.domain.recipes.reading import read_recipe
from hortus.domain.recipes.yaml_nodes import MOST_BYTES

app = typer.Typer(no_args_is_help=True, help="Check and compare files of grow recipes (docs/recipes.md).")

RecipeFile = Annotated[Path, typer.Argument(help="A recipe in YAML.", show_default=False)]


@app.command()
def check(file: RecipeFile, as_json: JsonOption = False) -> None:
    """Say what is wrong with a recipe, or what its phases are. The exit code is 2 for a faulty one."""
    try:
        recipe = _read(file)
    except UnusableRecipe as error:
        if not as_json:
            raise
        print_json({"file": str(file), "faults": [asdict(fault) for fault in error.faults]})
        raise typer.Exit(error.exit_code) from None
    if as_json:
        names = [phase.name for phase in recipe.phases]
        print_json({"file": str(file), "sha256": recipe_sha256(recipe), "name": recipe.name, "phases": names})
        return
    console.print(f"{recipe.name}: a valid recipe of {_counted(recipe)} ({recipe_sha256(recipe)[:12]})")
    for phase in recipe.phases:
        console.print(f"  {phase.name}: {_end(phase.ends)}")


@app.command()
def compare(before: RecipeFile, after: RecipeFile, as_json: JsonOption = False) -> None:
    """List what differs between two recipes. The order of keys, comments and layout do not count."""
    found = differences(_read(before), _read(after))
    if as_json:
        print_json([asdict(each) for each in found])
        return
    if not found:
        console.print("The recipes are equal.")
    for each in found:
        console.print(_line(each))


def _read(file: Path) -> Recipe:
    """Return the recipe of a file. Raises UnusableRecipe, or UsageError for a file that cannot be read."""
    try:
        with file.open("rb") as source:
            content = source.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    return read_recipe(content)


def _counted(recipe: Recipe) -> str:
    return "1 phase" if len(recipe.phases) == 1 else f"{len(recipe.phases)} phases"


def _end(end: PhaseEnd) -> str:
    match end:
        case AfterDays():
            return f"{end.days} d"
        case AfterDegreeDays():
            return f"{end.degree_days:g} °C d"
        case _:
            return "until ended by hand"


def _line(difference: Difference) -> str:
    return f"{difference.path}: {_value(difference.old)} → {_value(difference.new)}"


def _value(value: Any) -> str:
    return "not set" if value is None else orjson.dumps(value).decode()
