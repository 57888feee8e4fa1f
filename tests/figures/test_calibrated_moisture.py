"""Moisture from raw readings by two points, and water content by permittivity."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.figures.limits import OutOfRange
from hortus.domain.figures.moisture import (
    Calibration,
    CalibrationRefused,
    Ends,
    percent_of_span,
    should_be_calibrated_again,
    shown_percent,
    water_content_by_calibration,
    water_content_by_permittivity,
)

FALLING = Calibration(raw_dry=3000, raw_wet=1200, ends=Ends.SUBSTRATE)


@pytest.mark.parametrize(
    ("raw", "calibration", "percent", "content"),
    [
        (2000, FALLING, 55.556, 0.3556),
        (3000, FALLING, 0, 0.05),
        (1100, FALLING, 105.556, 0.6306),
        (500, Calibration(raw_dry=300, raw_wet=800, ends=Ends.AIR_AND_WATER), 40, 0.27),
    ],
)
def test_moisture_by_two_points(raw: float, calibration: Calibration, percent: float, content: float) -> None:
    assert percent_of_span(raw, calibration) == pytest.approx(percent, abs=5e-4)
    assert water_content_by_calibration(raw, calibration, 0.05, 0.60) == pytest.approx(content, abs=5e-5)


@pytest.mark.parametrize(("dry", "wet"), [(800, 800), (nan, 800), (300, inf)])
def test_a_calibration_without_two_ends_is_refused(dry: float, wet: float) -> None:
    with pytest.raises(CalibrationRefused):
        Calibration(raw_dry=dry, raw_wet=wet, ends=Ends.SUBSTRATE)


def test_water_contents_of_the_ends_are_checked() -> None:
    with pytest.raises(CalibrationRefused):
        water_content_by_calibration(2000, FALLING, 0.6, 0.6)
    with pytest.raises(OutOfRange):
        water_content_by_calibration(2000, FALLING, 5, 60)


def test_a_narrow_calibration_is_noticed() -> None:
    assert Calibration(raw_dry=1000, raw_wet=796, ends=Ends.SUBSTRATE).is_narrow(4096)
    assert not Calibration(raw_dry=1000, raw_wet=795, ends=Ends.SUBSTRATE).is_narrow(4096)


def test_percent_is_shown_clamped_and_far_outside_asks_for_a_calibration() -> None:
    assert [shown_percent(each) for each in (-1, 0, 55.5, 101)] == [0, 0, 55.5, 100]
    asks = [should_be_calibrated_again(each) for each in (-5.1, -5, 0, 105, 105.556, nan)]
    assert asks == [True, False, False, False, True, True]


@given(st.floats(0, 4095), st.floats(0, 4095), st.floats(0, 4095), st.floats(0, 4095))
def test_a_calibration_keeps_the_order_of_readings(dry: float, width: float, raw: float, other: float) -> None:
    for wet in (dry + width + 1, dry - width - 1):
        calibration = Calibration(raw_dry=dry, raw_wet=wet, ends=Ends.SUBSTRATE)
        drier, wetter = sorted([raw, other], reverse=wet < dry)
        assert percent_of_span(drier, calibration) <= percent_of_span(wetter, calibration)
        assert percent_of_span(dry, calibration) == 0
        assert percent_of_span(wet, calibration) == 100


@pytest.mark.parametrize(("permittivity", "content"), [(5, 0.0798), (20, 0.3454), (40, 0.5102)])
def test_water_content_by_permittivity(permittivity: float, content: float) -> None:
    assert water_content_by_permittivity(permittivity) == pytest.approx(content, abs=5e-5)


@given(st.floats(1, 81), st.floats(1, 81))
def test_more_permittivity_is_more_water(one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert water_content_by_permittivity(low) <= water_content_by_permittivity(high)
