"""YAML text to a recipe, or all its faults at once. Pure."""

from __future__ import annotations

from hortus.domain.recipes.document import FORMAT, DegreeDayMethod, DegreeDays, Recipe
from hortus.domain.recipes.faults import Fault, UnusableRecipe
from hortus.domain.recipes.fields import Field
from hortus.domain.recipes.reading_phases import read_phases
from hortus.domain.recipes.writing import write_recipe
from hortus.domain.recipes.yaml_nodes import MOST_BYTES, compose

MOST_TEXT_CHARACTERS = 100
MOST_NOTES_CHARACTERS = 5000
MOST_AUTHORS = 20

_KEYS = ("format", "name", "species", "cultivar", "authors", "licence", "notes", "gdd", "phases")


def read_recipe(content: str | bytes) -> Recipe:
    """Return the recipe of a YAML file of at most MOST_BYTES (bytes: UTF-8). Raises UnusableRecipe."""
    file = Field(compose(content), "", [])
    recipe = _recipe(file, file.members(_KEYS))
    if not file.faults and len(write_recipe(recipe).encode()) > MOST_BYTES:
        file.refuse("The recipe would be too large when it is written out. Shorten it.")
    if file.faults:
        raise UnusableRecipe(file.faults)
    return recipe


def _recipe(file: Field, members: dict[str, Field]) -> Recipe:
    _check_format(file, members)
    gdd = members.get("gdd")
    return Recipe(
        name=_required_name(file, members),
        species=_text(members, "species"),
        cultivar=_text(members, "cultivar"),
        authors=_authors(members),
        licence=_text(members, "licence"),
        notes=members["notes"].text(MOST_NOTES_CHARACTERS, of_lines=True) if "notes" in members else None,
        degree_days=_degree_days(gdd) if gdd is not None else None,
        phases=read_phases(members["phases"], counts_degree_days=gdd is not None)
        if "phases" in members
        else (),
    )


def _check_format(file: Field, members: dict[str, Field]) -> None:
    """Note what is missing. Raises UnusableRecipe for another format, by whose rules nothing else is judged."""
    if "phases" not in members:
        file.refuse("A recipe needs at least one phase. Add `phases:`.")
    if "format" not in members:
        file.refuse(f"The file does not say that it is a recipe. Begin it with `format: {FORMAT}`.")
    elif members["format"].node.value != FORMAT:
        faults: list[Fault] = []
        Field(members["format"].node, "format", faults).refuse(
            f"This version of Hortus reads {FORMAT} only. Write that, or update Hortus."
        )
        raise UnusableRecipe(faults)


def _required_name(file: Field, members: dict[str, Field]) -> str:
    if "name" not in members:
        file.refuse("The recipe has no name. Add `name:`.")
    return _text(members, "name") or ""


def _text(members: dict[str, Field], key: str) -> str | None:
    return members[key].text(MOST_TEXT_CHARACTERS) if key in members else None


def _authors(members: dict[str, Field]) -> tuple[str, ...]:
    if "authors" not in members:
        return ()
    return tuple(entry.text(MOST_TEXT_CHARACTERS) for entry in members["authors"].entries(MOST_AUTHORS))


def _degree_days(field: Field) -> DegreeDays | None:
    members = field.members(("base", "upper", "method"))
    method = DegreeDayMethod.HOURLY
    if "method" in members:
        method = members["method"].choice(DegreeDayMethod, method)
    upper = members["upper"].number(-5, 60, "°C") if "upper" in members else None
    if "base" not in members:
        field.refuse("There is no base temperature. Add `base:`.")
        return None
    base = members["base"].number(-5, 20, "°C")
    if base is None:
        return None
    if upper is not None and base >= upper:
        members["upper"].refuse("The upper temperature is not above the base. Change one of them.")
    return DegreeDays(base=base, upper=upper, method=method)
