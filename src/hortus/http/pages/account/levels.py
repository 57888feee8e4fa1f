"""The three levels of access to a kit, in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hortus.base.language.translation import gettext, gettext_noop


class Level(StrEnum):
    """What a member may do."""

    VIEW = "view"
    CONFIGURE = "configure"
    FULL = "full"

    @property
    def access_super(self) -> bool:
        return self is Level.FULL

    @property
    def access_configure(self) -> bool:
        return self is not Level.VIEW


class HasAccess(Protocol):
    """A membership or an invitation."""

    @property
    def access_super(self) -> bool: ...

    @property
    def access_configure(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelChoice:
    """A level for `component.radios`: what it is called, and what it allows."""

    value: str
    name: str
    about: str


_NAMES = {
    Level.VIEW: gettext_noop("Can view"),
    Level.CONFIGURE: gettext_noop("Can configure"),
    Level.FULL: gettext_noop("Full access"),
}
_ABOUT = {
    Level.VIEW: gettext_noop("Sees readings, pictures and plants."),
    Level.CONFIGURE: gettext_noop("Also changes name, place and configuration, and deletes pictures."),
    Level.FULL: gettext_noop("Also sends commands, manages members, and can delete the kit."),
}
_TOLD = {
    Level.VIEW: gettext_noop("You will see its readings, pictures and plants."),
    Level.CONFIGURE: gettext_noop(
        "You will see its readings, pictures and plants, and can change its name, place and configuration."
    ),
    Level.FULL: gettext_noop(
        "You will have full access: you can also send commands, manage members and delete the kit."
    ),
}


def level_of(access: HasAccess) -> Level:
    """Return the level of a membership or an invitation."""
    if access.access_super:
        return Level.FULL
    return Level.CONFIGURE if access.access_configure else Level.VIEW


def level_named(text: str) -> Level | None:
    """Return the level that a form names, or None."""
    return Level(text) if text in set(Level) else None


def level_name(level: Level) -> str:
    """Return what the level is called."""
    return gettext(_NAMES[level])


def level_choices(*levels: Level) -> list[LevelChoice]:
    """Return these levels as choices, or all of them."""
    return [
        LevelChoice(value=level.value, name=gettext(_NAMES[level]), about=gettext(_ABOUT[level]))
        for level in levels or Level
    ]


def told(access: HasAccess) -> str:
    """Return what somebody who is invited will see."""
    return gettext(_TOLD[level_of(access)])
