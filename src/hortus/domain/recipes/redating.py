"""Past changes of phase that late data would date differently: told, never made. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hortus.domain.recipes.counting import DegreeDaysByDay, closed, due_at
from hortus.domain.recipes.document import AfterDegreeDays, Recipe
from hortus.domain.recipes.runs import PhaseChange, Reason, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Redating:
    """A past change that would have been made `days_earlier` with what is known now; negative: later.

    `would_be_at` and `days_earlier` are None if it would not have been made yet.
    """

    change: PhaseChange
    would_be_at: datetime | None
    days_earlier: int | None


def would_have_changed(recipe: Recipe, run: Run, degree_days: DegreeDaysByDay, now: datetime) -> list[Redating]:
    """Return the past changes that the degree days known now would date differently.

    Only phases that end by gdd are compared, and one that ended by hand only if it would have ended earlier.
    Each counts from when it did begin. `recipe` is the revision that the run had then.
    """
    counted = closed(degree_days, run.zone, now)
    found = (_redating(recipe, run, index, counted) for index in range(len(run.changes)))
    return [redating for redating in found if redating is not None]


def _redating(recipe: Recipe, run: Run, index: int, counted: DegreeDaysByDay) -> Redating | None:
    change, stay = run.changes[index], run.stay_before(index)
    phase = None if stay is None else recipe.phase(change.left)
    if stay is None or phase is None or not isinstance(phase.ends, AfterDegreeDays):
        return None
    at = due_at(phase, stay.first_day(run.zone), counted, run.zone)
    if change.reason is Reason.BY_HAND and (at is None or at >= change.at):
        return None
    if at is None:
        return Redating(change=change, would_be_at=None, days_earlier=None)
    earlier = (change.at.astimezone(run.zone).date() - at.astimezone(run.zone).date()).days
    return Redating(change=change, would_be_at=at, days_earlier=earlier) if earlier else None
