"""Which changes of phase a run is due, and what to say about its present phase. Pure.

    progress(recipe, run, degree days, now)   ->  the changes due since the last one, and the present standing
    change_by_hand(recipe, run, …, at, to)    ->  the change that a person makes

A change is dated when it was due, whenever it is computed, so a run that nobody looked at for a month has the
same changes as one computed every night. A change once made is never altered: `run` has it, and the next phase
counts from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from hortus.base.errors import UsageError
from hortus.base.time_zones import day_start
from hortus.domain.recipes.counting import (
    ARRIVAL,
    ONE_DAY,
    DegreeDaysByDay,
    closed,
    due_at,
    missing_between,
    sum_between,
)
from hortus.domain.recipes.document import AfterDays, AfterDegreeDays, Recipe
from hortus.domain.recipes.runs import PhaseChange, Reason, Run, RunHasEnded, Stay, require_phase


class TooEarly(UsageError):
    """A change before the phase that it ends."""

    def __init__(self) -> None:
        super().__init__("The phase had not begun then. Choose a later time.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the present phase stands.

    `days` are local midnights since it began. `degree_days` (°C d) is a lower bound if `missing_days` is not 0,
    and stands still since `counted_until`, the last day with a value. `asks_since`: maxDays have passed
    without the degree days, and a person has to decide. Without `gdd` in the recipe, nothing is counted.
    """

    phase: str
    began_at: datetime
    days: int
    degree_days: float | None
    missing_days: int
    counted_until: date | None
    asks_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The changes that are due, the earliest first, and how the run stands after them; None if it has ended."""

    changes: tuple[PhaseChange, ...]
    standing: Standing | None


def progress(recipe: Recipe, run: Run, degree_days: DegreeDaysByDay, now: datetime) -> Progress:
    """Return the changes due up to `now`, and the standing after them.

    `degree_days` are by local day; days that are not over are not counted. Raises UnknownPhase if the recipe
    lacks the run's present phase.
    """
    counted = closed(degree_days, run.zone, now)
    changes = []
    while (change := _next_change(recipe, run, counted, now)) is not None:
        changes.append(change)
        run = run.with_change(change)
    stay = run.stay
    return Progress(
        changes=tuple(changes),
        standing=None if stay is None else _standing(recipe, run, stay, counted, now),
    )


def change_by_hand(
    recipe: Recipe, run: Run, degree_days: DegreeDaysByDay, at: datetime, to: str | None = None
) -> PhaseChange:
    """Return a person's change at `at`: to the next phase, or to another one, such as an earlier one, by name.

    Make all changes that are due first. Raises RunHasEnded, UnknownPhase or TooEarly.
    """
    stay = run.stay
    if stay is None:
        raise RunHasEnded
    if at < stay.began_at:
        raise TooEarly
    require_phase(recipe, stay.phase)
    entered = require_phase(recipe, to) if to is not None else recipe.phase_after(stay.phase)
    counted = closed(degree_days, run.zone, at)
    return _change(recipe, run, stay, counted, at, Reason.BY_HAND, entered.name if entered else None)


def _next_change(recipe: Recipe, run: Run, counted: DegreeDaysByDay, now: datetime) -> PhaseChange | None:
    stay = run.stay
    if stay is None or now < stay.began_at:
        return None
    phase = require_phase(recipe, stay.phase)
    at = due_at(phase, stay.first_day(run.zone), counted, run.zone)
    if at is None or at > now:
        return None
    reason = Reason.DAYS if isinstance(phase.ends, AfterDays) else Reason.DEGREE_DAYS
    entered = recipe.phase_after(phase.name)
    return _change(recipe, run, stay, counted, at, reason, entered.name if entered else None)


def _change(
    recipe: Recipe,
    run: Run,
    stay: Stay,
    counted: DegreeDaysByDay,
    at: datetime,
    reason: Reason,
    entered: str | None,
) -> PhaseChange:
    first, today = stay.first_day(run.zone), at.astimezone(run.zone).date()
    return PhaseChange(
        at=at.astimezone(UTC),
        left=stay.phase,
        entered=entered,
        reason=reason,
        days=(today - first).days,
        degree_days=sum_between(counted, first, today) if recipe.degree_days else None,
    )


def _standing(recipe: Recipe, run: Run, stay: Stay, counted: DegreeDaysByDay, now: datetime) -> Standing:
    first, today = stay.first_day(run.zone), now.astimezone(run.zone).date()
    arrived = (now - ARRIVAL).astimezone(run.zone).date()
    counts = recipe.degree_days is not None
    return Standing(
        phase=stay.phase,
        began_at=stay.began_at,
        days=max(0, (today - first).days),
        degree_days=sum_between(counted, first, today) if counts else None,
        missing_days=missing_between(counted, first, arrived) if counts else 0,
        counted_until=max((day for day in counted if day >= first), default=None) if counts else None,
        asks_since=_asks_since(recipe, run, stay, now),
    )


def _asks_since(recipe: Recipe, run: Run, stay: Stay, now: datetime) -> datetime | None:
    end = require_phase(recipe, stay.phase).ends
    if not isinstance(end, AfterDegreeDays) or end.max_days is None:
        return None
    since = day_start(stay.first_day(run.zone) + end.max_days * ONE_DAY, run.zone)
    # The last day may still bring what is missing.
    return since if now >= since + ARRIVAL else None
