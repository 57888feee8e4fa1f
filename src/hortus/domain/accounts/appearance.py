"""A user's choices of how pages look, as they are stored."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from sqlalchemy.engine import RowMapping

from hortus.base.language.appearance import (
    CHOOSABLE_LANGUAGES,
    DEFAULT_APPEARANCE,
    Appearance,
)
from hortus.domain.accounts.tables import UserRow

Choice = TypeVar("Choice", bound=StrEnum)

APPEARANCE_COLUMNS = (
    UserRow.language,
    UserRow.temperature_unit,
    UserRow.clock,
    UserRow.theme,
    UserRow.shortcuts,
    # Kits, which are read together with people, have one too.
    UserRow.time_zone.label("own_time_zone"),
)


def appearance_in(row: RowMapping) -> Appearance:
    """Return the choices in a row that has APPEARANCE_COLUMNS; what this version does not know is left out."""
    return Appearance(
        language=row["language"] if row["language"] in CHOOSABLE_LANGUAGES else None,
        temperature_unit=_known(row["temperature_unit"], DEFAULT_APPEARANCE.temperature_unit),
        clock=_known(row["clock"], DEFAULT_APPEARANCE.clock),
        theme=_known(row["theme"], DEFAULT_APPEARANCE.theme),
        shortcuts=row["shortcuts"],
        time_zone=row["own_time_zone"],
    )


def _known(stored: str, otherwise: Choice) -> Choice:
    kind = type(otherwise)
    return kind(stored) if stored in set(kind) else otherwise
