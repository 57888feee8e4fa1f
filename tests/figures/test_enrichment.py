"""Enrichment with carbon dioxide."""

from __future__ import annotations

import pytest
from figure_days import DAY, FIVE_MINUTES, about, at, span, steps

from hortus.domain.figures.carbon_dioxide import Enrichment, enrichment, ppm_at_standard_pressure
from hortus.domain.figures.limits import OutOfRange
from hortus.domain.figures.samples import Sample


def carbon_dioxide() -> list[Sample]:
    return steps((6, 420), (10, 1000), (6, 700), (2, 900))


def test_enrichment_counts_in_light_only() -> None:
    found = enrichment(carbon_dioxide(), [span(6, 22)], FIVE_MINUTES)
    assert found == Enrichment(
        enriched_hours=about(10, abs=1e-5),
        light_hours=16,
        dose_ppm_hours=about(7480, abs=1e-3),
        highest_ppm=1000,
        coverage=1,
        left_out=0,
    )
    assert found.share_of_light == pytest.approx(0.625, abs=1e-6)
    assert not found.is_dangerous


def test_enrichment_from_another_concentration() -> None:
    found = enrichment(carbon_dioxide(), [span(6, 22)], FIVE_MINUTES, enriched_ppm=700)
    assert found.enriched_hours == pytest.approx(16, abs=1e-5)


def test_gaps_are_not_enriched_and_impossible_readings_left_out() -> None:
    samples = [each for each in carbon_dioxide() if not at(8) < each.at < at(10)]
    found = enrichment([*samples, Sample(at(9), 299)], [span(6, 16)], FIVE_MINUTES)
    assert (found.enriched_hours, found.left_out) == (about(8, abs=1e-5), 1)
    assert found.coverage == pytest.approx(0.8)


def test_a_concentration_that_endangers_people_is_kept() -> None:
    assert enrichment([Sample(at(1), 5001)], [DAY], FIVE_MINUTES).is_dangerous
    assert not enrichment([Sample(at(1), 5000)], [DAY], FIVE_MINUTES).is_dangerous


def test_a_day_without_light_has_no_share() -> None:
    assert enrichment(carbon_dioxide(), [], FIVE_MINUTES).share_of_light is None


def test_altitude_is_corrected() -> None:
    assert ppm_at_standard_pressure(888, 900) == pytest.approx(999.74, abs=0.005)
    with pytest.raises(OutOfRange):
        ppm_at_standard_pressure(888, 90)
