"""The average temperature of a day, and the difference between day and night."""

from __future__ import annotations

import pytest
from figure_days import (
    DAY,
    FIVE_MINUTES,
    about,
    at,
    course,
    span,
    steps,
)

from hortus.domain.figures.day_and_night import DayAndNight, average_daily_temperature, day_and_night
from hortus.domain.figures.light_periods import PPFD_THRESHOLD
from hortus.domain.figures.photoperiod import photoperiod
from hortus.domain.figures.samples import Sample


@pytest.mark.parametrize(
    ("light_hours", "light", "dark", "average", "dif"),
    [
        (16, 24, 18, 22, 6),
        (12, 21, 16, 18.5, 5),
        (12, 27, 15, 21, 12),
        (12, 24, 18, 21, 6),
        (10, 17, 20, 18.75, -3),
    ],
)
def test_average_and_difference_of_day_and_night(
    light_hours: float, light: float, dark: float, average: float, dif: float
) -> None:
    samples = steps((light_hours, light), (24 - light_hours, dark))
    assert average_daily_temperature(samples, DAY, FIVE_MINUTES).mean == pytest.approx(average, abs=1e-5)
    parts = day_and_night(samples, [span(0, light_hours)], [span(light_hours, 24)], FIVE_MINUTES)
    assert parts.dif_kelvin == pytest.approx(dif, abs=1e-5)


def test_a_part_needs_3_hours_and_three_quarters_of_its_time() -> None:
    samples = [*steps((12, 24), (12, 18)), Sample(at(3.01), 99)]
    short = day_and_night(samples, [span(0, 2.9)], [span(12, 24)], FIVE_MINUTES)
    assert short == DayAndNight(light_celsius=None, dark_celsius=about(18), left_out=1)
    assert short.dif_kelvin is None
    thin = day_and_night(course(lambda _: 20, end_hours=18), [span(0, 12)], [span(12, 24)], FIVE_MINUTES)
    assert (thin.light_celsius, thin.dark_celsius) == (20, None)


def test_the_night_before_the_first_light_is_compared_with_the_light_of_the_day() -> None:
    light = steps((6, 0), (16, 200), (8, 0), (16, 200), (2, 0), start_hours=-24)
    celsius = steps((22, 60), (8, 17), (16, 24), (2, 60), start_hours=-24)
    seen = photoperiod(light, DAY, PPFD_THRESHOLD)
    found = day_and_night(celsius, seen.main_light, seen.night, FIVE_MINUTES)
    assert found.dif_kelvin == pytest.approx(7, abs=1e-4)
