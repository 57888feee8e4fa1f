"""Where kits stand: strangers learn it to about a kilometre, members exactly."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.kits.position import rounded_position

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)


def kilometres(a: tuple[float, float], b: tuple[float, float]) -> float:
    (north, east), (other_north, other_east) = ([radians(each) for each in point] for point in (a, b))
    half = (
        sin((other_north - north) / 2) ** 2 + cos(north) * cos(other_north) * sin((other_east - east) / 2) ** 2
    )
    return 2 * 6371 * asin(sqrt(min(1.0, half)))


@given(LATITUDES, LONGITUDES)
def test_a_rounded_position_is_near_and_on_the_globe(latitude: float, longitude: float) -> None:
    north, east = rounded_position(latitude, longitude)
    assert -90 <= north <= 90
    assert -180 <= east <= 180
    # Half a step in both directions.
    assert kilometres((latitude, longitude), (north, east)) < 0.9


@given(LATITUDES, LONGITUDES)
def test_rounding_a_rounded_position_tells_nothing_new(latitude: float, longitude: float) -> None:
    once = rounded_position(latitude, longitude)
    again = rounded_position(*once)
    assert again[0] == once[0]
    assert abs(again[1] - once[1]) < 0.0002


def test_many_places_of_one_neighbourhood_share_a_position() -> None:
    places = {
        rounded_position(52.370 + north / 10_000, 4.895 + east / 10_000)
        for north in range(-40, 41, 8)
        for east in range(-60, 61, 12)
    }
    assert len(places) <= 2
