"""A run of a recipe: where and when it began, and the changes of phase so far. Pure.

UsageError
├── RunHasEnded         the last phase is over
└── UnknownPhase        the recipe has no phase of this name
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from hortus.base.errors import UsageError
from hortus.domain.recipes.document import Phase, Recipe


class RunHasEnded(UsageError):
    """The run has no phase any more."""

    def __init__(self) -> None:
        super().__init__("The run has ended. Start a new one.")


class UnknownPhase(UsageError):
    """The recipe has no phase of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The recipe has no phase named “{name}”. Choose one of its phases.")


class Reason(StrEnum):
    """Why a phase ended; the values are the keys of `ends` in a recipe's file."""

    DAYS = "days"
    DEGREE_DAYS = "gdd"
    BY_HAND = "byHand"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseChange:
    """A change of phase. `entered` is None if it ended the run.

    `at` is when it was due, which may be earlier than when it was made. `days` (local midnights) and
    `degree_days` (°C d; None if the recipe does not count them) are those of the phase that was left.
    """

    at: datetime
    left: str
    entered: str | None
    reason: Reason
    days: int
    degree_days: float | None

    def __post_init__(self) -> None:
        _require_aware(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """The phase that a run is in, and since when."""

    phase: str
    began_at: datetime

    def first_day(self, zone: ZoneInfo) -> date:
        """Return the local day on which the phase began, which is its day 0."""
        return self.began_at.astimezone(zone).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run in the time zone of its kit, with all changes made so far, the earliest first."""

    zone: ZoneInfo
    started_at: datetime
    first_phase: str
    changes: tuple[PhaseChange, ...] = ()

    def __post_init__(self) -> None:
        _require_aware(self.started_at)

    @property
    def stay(self) -> Stay | None:
        """The present phase; None after the end of the run."""
        return self.stay_before(len(self.changes))

    def stay_before(self, index: int) -> Stay | None:
        """Return the phase that the change of this index ends, or would end."""
        if index == 0:
            return Stay(phase=self.first_phase, began_at=self.started_at)
        last = self.changes[index - 1]
        return None if last.entered is None else Stay(phase=last.entered, began_at=last.at)

    def with_change(self, change: PhaseChange) -> Run:
        """Return the run after one more change."""
        return replace(self, changes=(*self.changes, change))


def begin_run(recipe: Recipe, started_at: datetime, zone: ZoneInfo) -> Run:
    """Return a run that begins with the recipe's first phase."""
    return Run(zone=zone, started_at=started_at, first_phase=recipe.phases[0].name)


def require_phase(recipe: Recipe, name: str) -> Phase:
    """Return the phase of this name. Raises UnknownPhase."""
    phase = recipe.phase(name)
    if phase is None:
        raise UnknownPhase(name)
    return phase


def _require_aware(moment: datetime) -> None:
    if moment.tzinfo is None:
        raise ValueError("A time without a zone is ambiguous.")
