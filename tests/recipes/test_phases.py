"""Phases change when they are due, whenever that is computed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hortus.domain.recipes.document import Recipe
from hortus.domain.recipes.phases import Progress, Standing, TooEarly, change_by_hand, progress
from hortus.domain.recipes.reading import read_recipe
from hortus.domain.recipes.redating import Redating, would_have_changed
from hortus.domain.recipes.runs import PhaseChange, Reason, Run, RunHasEnded, UnknownPhase, begin_run

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
START = datetime(2026, 3, 20, 15, 30, tzinfo=AMSTERDAM)
FIRST = START.date()
RECIPE = read_recipe(
    """
format: hortus-recipe/1
name: Basil
gdd: {base: 11}
phases:
  - {name: propagation, ends: {days: 14}}
  - {name: growth, ends: {gdd: 100, minDays: 5, maxDays: 12}}
  - {name: flowers, ends: {days: 3, at: lightsOn}, photoperiod: {hours: 16, from: "06:30"}}
  - {name: harvest, ends: {byHand: true}}
"""
)
RUN = begin_run(RECIPE, START, AMSTERDAM)


def warm(count: int, value: float = 10, first: date = FIRST) -> dict[date, float]:
    return {first + timedelta(days=number): value for number in range(count)}


def at(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=AMSTERDAM).astimezone(UTC)


def standing(result: Progress) -> Standing:
    assert result.standing is not None
    return result.standing


def in_growth(degree_days: dict[date, float], now: datetime) -> Progress:
    run = RUN.with_change(progress(RECIPE, RUN, {}, at(4, 3)).changes[0])
    return progress(RECIPE, run, degree_days, now)


def test_days_are_local_midnights_whatever_the_hour_at_which_the_phase_began() -> None:
    before = progress(RECIPE, RUN, warm(13), at(4, 2, 23, 59))
    assert (before.changes, standing(before).days) == ((), 13)
    (change,) = progress(RECIPE, RUN, warm(14), at(4, 3)).changes
    assert change == PhaseChange(
        at=at(4, 3), left="propagation", entered="growth", reason=Reason.DAYS, days=14, degree_days=140
    )
    assert change.at == datetime(2026, 4, 2, 22, tzinfo=UTC)  # summer time began on the way


def test_degree_days_count_from_the_first_day_of_the_phase_and_only_closed_days() -> None:
    days = warm(100)
    assert standing(in_growth(days, at(4, 12, 23))).degree_days == 90
    (change,) = in_growth(days, at(4, 13)).changes
    assert (change.at, change.reason, change.days, change.degree_days) == (
        at(4, 13),
        Reason.DEGREE_DAYS,
        10,
        100,
    )


def test_a_phase_that_is_warm_enough_waits_for_its_least_days() -> None:
    (change, *_) = in_growth(warm(100, 50), at(4, 9)).changes
    assert (change.at, change.days, change.degree_days) == (at(4, 8), 5, 250)


def test_a_person_is_asked_after_the_most_days_and_nothing_changes() -> None:
    cold = warm(100, 5)
    assert standing(in_growth(cold, at(4, 15, 1, 59))).asks_since is None  # readings may still arrive
    asked = in_growth(cold, at(4, 18))
    assert asked.changes == ()
    assert standing(asked).asks_since == at(4, 15)
    assert in_growth(cold, at(4, 23)).changes[0].days == 20  # the warmth came at last


def test_missing_days_are_counted_and_add_nothing() -> None:
    days = warm(17) | warm(1, first=date(2026, 4, 8))
    assert standing(in_growth(days, at(4, 10, 12))) == Standing(
        phase="growth",
        began_at=at(4, 3),
        days=7,
        degree_days=40,
        missing_days=3,
        counted_until=date(2026, 4, 8),
        asks_since=None,
    )
    assert standing(in_growth(days, at(4, 10, 1))).missing_days == 2  # yesterday's may still arrive


def test_a_change_can_wait_for_the_light_to_go_on() -> None:
    days = warm(100)
    (_, change) = in_growth(days, at(4, 16, 6, 30)).changes
    assert (change.at, change.entered, change.days) == (at(4, 16, 6, 30), "harvest", 3)
    assert len(in_growth(days, at(4, 16, 6, 29)).changes) == 1


def test_a_pause_is_made_up_with_the_dates_that_were_due() -> None:
    changes = progress(RECIPE, RUN, warm(100), at(6, 1)).changes
    assert [(change.at, change.entered) for change in changes] == [
        (at(4, 3), "growth"),
        (at(4, 13), "flowers"),
        (at(4, 16, 6, 30), "harvest"),
    ]


def test_a_change_by_hand_is_made_at_once_and_the_next_phase_counts_from_it() -> None:
    change = change_by_hand(RECIPE, RUN, warm(100), at(3, 25, 14))
    assert change == PhaseChange(
        at=at(3, 25, 14), left="propagation", entered="growth", reason=Reason.BY_HAND, days=5, degree_days=50
    )
    (following, *_) = progress(RECIPE, RUN.with_change(change), warm(100), at(4, 5)).changes
    assert (following.at, following.degree_days) == (at(4, 4), 100)


def test_the_end_of_the_last_phase_ends_the_run() -> None:
    run = Run(zone=AMSTERDAM, started_at=START, first_phase="harvest")
    ended = run.with_change(change_by_hand(RECIPE, run, {}, at(5, 1)))
    assert ended.changes[-1].entered is None
    assert progress(RECIPE, ended, warm(100), at(6, 1)) == Progress(changes=(), standing=None)
    with pytest.raises(RunHasEnded):
        change_by_hand(RECIPE, ended, {}, at(5, 2))


def test_a_person_can_go_back_to_an_earlier_phase_but_not_before_the_present_one_began() -> None:
    run = RUN.with_change(change_by_hand(RECIPE, RUN, {}, at(3, 25)))
    assert change_by_hand(RECIPE, run, {}, at(3, 26), "propagation").entered == "propagation"
    with pytest.raises(TooEarly):
        change_by_hand(RECIPE, run, {}, at(3, 24))
    with pytest.raises(UnknownPhase):
        change_by_hand(RECIPE, run, {}, at(3, 26), "drying")


def test_a_revision_without_the_present_phase_is_refused() -> None:
    run = Run(zone=AMSTERDAM, started_at=START, first_phase="drying")
    with pytest.raises(UnknownPhase):
        progress(RECIPE, run, {}, at(4, 1))


def test_late_data_alters_no_past_change_and_is_told() -> None:
    sparse = {day: value for day, value in warm(100).items() if day not in (date(2026, 4, 5), date(2026, 4, 6))}
    made = progress(RECIPE, RUN, sparse, at(4, 15)).changes
    assert made[1].at == at(4, 15)
    run = Run(zone=AMSTERDAM, started_at=START, first_phase="propagation", changes=made)
    assert would_have_changed(RECIPE, run, sparse, at(4, 16)) == []
    assert progress(RECIPE, run, warm(100), at(4, 16)).changes == ()
    (late,) = would_have_changed(RECIPE, run, warm(100), at(4, 16))
    assert late == Redating(change=made[1], would_be_at=at(4, 13), days_earlier=2)
    (colder,) = would_have_changed(RECIPE, run, warm(100, 1), at(4, 16))
    assert (colder.would_be_at, colder.days_earlier) == (None, None)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        begin_run(RECIPE, datetime(2026, 1, 1), AMSTERDAM)  # noqa: DTZ001


ZONES = st.sampled_from(["UTC", "Europe/Amsterdam", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Cairo"])
ENDS = st.one_of(
    st.integers(1, 9).map(lambda days: f"{{days: {days}}}"),
    st.integers(1, 9).map(lambda days: f"{{days: {days}, at: lightsOn}}"),
    st.tuples(st.integers(1, 90), st.integers(1, 5)).map(lambda x: f"{{gdd: {x[0]}, minDays: {x[1]}}}"),
    st.integers(1, 60).map(lambda gdd: f"{{gdd: {gdd}, maxDays: 4}}"),
    st.just("{byHand: true}"),
)


def recipe_ending(ends: list[str]) -> Recipe:
    light = 'photoperiod: {hours: 12, from: "02:30"}'
    phases = ", ".join(f"{{name: p{index}, ends: {end}, {light}}}" for index, end in enumerate(ends))
    return read_recipe(f"format: hortus-recipe/1\nname: a\ngdd: {{base: 5}}\nphases: [{phases}]")


@settings(max_examples=60)
@given(
    st.lists(ENDS, min_size=1, max_size=5),
    ZONES,
    st.datetimes(datetime(2018, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001
    st.lists(st.none() | st.floats(0, 30), min_size=40, max_size=40),
    st.integers(1, 40),
)
def test_changes_are_the_same_every_three_hours_and_after_a_pause(
    ends: list[str], zone: str, start: datetime, values: list[float | None], days: int
) -> None:
    recipe = recipe_ending(ends)
    run = begin_run(recipe, start.replace(tzinfo=UTC), ZoneInfo(zone))
    first = run.started_at.astimezone(run.zone).date()
    known = {first + timedelta(days=n): value for n, value in enumerate(values) if value is not None}
    nightly, now = run, run.started_at
    while now < run.started_at + timedelta(days=days):
        now += timedelta(hours=3)
        for change in progress(recipe, nightly, known, now).changes:
            nightly = nightly.with_change(change)
            assert now - timedelta(hours=3) < change.at <= now
    assert progress(recipe, run, known, now).changes == nightly.changes
    assert would_have_changed(recipe, nightly, known, now) == []
    moments = [run.started_at, *(change.at for change in nightly.changes)]
    assert all(earlier < later for earlier, later in pairwise(moments))
