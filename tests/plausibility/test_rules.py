"""What cannot have been measured, by the rule for one hour of a series."""

from __future__ import annotations

from typing import Any

import pytest

from hortus.domain.definitions.store import built_in_definitions
from hortus.domain.plausibility.rules import (
    UNLIMITED,
    Limits,
    Verdict,
    explanation,
    implausible_of_hour,
    is_implausible_aggregate,
)

DS18B20 = Limits(
    minimum=-55,
    maximum=125,
    error_values={-127.0: "driver returns when it does not find the sensor: check its wiring"},
    lone_error_value=85.0,
    lone_error_within=10.0,
    lone_error_meaning="sends when it has just lost power: check its wiring",
    device="DS18B20",
)


@pytest.mark.parametrize(
    ("values", "implausible"),
    [
        ([21.0, 85.0, 21.1], [85.0]),
        ([85.0, 85.0, 85.0], [85.0, 85.0, 85.0]),
        ([84.0, 85.0, 86.0], []),  # a compost heap
        ([85.0, 84.9375], []),
        ([85.0, 75.0], []),
        ([85.0, 74.9375], [85.0]),
        ([85.0, -127.0, 85.0625], [-127.0]),
        ([-55.0, 125.0, -55.0625, 125.0625], [-55.0625, 125.0625]),
        ([327.67, 1e308, -1e308, 0.0], [327.67, 1e308, -1e308]),
    ],
)
def test_85_degrees_count_only_beside_another_value_near_them(
    values: list[float], implausible: list[float]
) -> None:
    marks = implausible_of_hour(DS18B20, values)
    assert [value for value, mark in zip(values, marks, strict=True) if mark] == implausible


def test_without_limits_every_value_is_plausible() -> None:
    assert implausible_of_hour(UNLIMITED, [-1e308, 0.0, 85.0, 1e308]) == [False] * 4


@pytest.mark.parametrize(
    ("values", "is_implausible"),
    [
        ({"average": 21.0, "minimum": 20.0, "maximum": 22.0, "count": 1e9}, False),
        ({"average": 25.0, "minimum": 20.0, "maximum": 85.0, "count": 30}, True),
        ({"average": 84.0, "minimum": 80.0, "maximum": 85.0}, False),
        ({"average": -3.0, "minimum": -127.0, "maximum": 22.0}, True),
        ({"average": 85.0}, True),
        ({"variance": 1e9}, False),
        ({}, False),
    ],
)
def test_an_aggregate_that_rests_on_such_a_value_is_implausible(
    values: dict[str, float], is_implausible: bool
) -> None:
    assert is_implausible_aggregate(DS18B20, values) is is_implausible


@pytest.mark.parametrize(
    ("limits", "value", "sentence"),
    [
        (
            DS18B20,
            85.0,
            "Sensor reports 85 °C, which the DS18B20 sends when it has just lost power: check its wiring.",
        ),
        (
            DS18B20,
            -127.0,
            (
                "Sensor reports −127 °C, which the DS18B20 driver returns when it does not find the sensor: "
                "check its wiring."
            ),
        ),
        (
            DS18B20,
            327.67,
            (
                "Sensor reports 327.67 °C, which is outside what the DS18B20 can measure (−55 to 125 °C): "
                "check the sensor and its wiring."
            ),
        ),
        (
            Limits(minimum=-90),
            -300.0,
            (
                "Sensor reports −300 °C, which is outside what is possible for temperature (at least −90 °C): "
                "check the sensor and its wiring."
            ),
        ),
        (
            Limits(maximum=150),
            1e308,
            (
                "Sensor reports 1e+308 °C, which is outside what is possible for temperature (at most 150 °C): "
                "check the sensor and its wiring."
            ),
        ),
    ],
)
def test_the_explanation_says_what_the_value_means_and_what_to_check(
    limits: Limits, value: float, sentence: str
) -> None:
    assert explanation(limits, value, "Temperature", "°C") == sentence


def built_in(quantity: str, device: str | None = None) -> Limits:
    (entry,) = (
        each
        for each in built_in_definitions()["plausibleLimits"]
        if (each["physicalQuantity"], each["peripheralDefinition"]) == (quantity, device)
    )
    lone: dict[str, Any] = entry["loneErrorValue"] or {"value": None, "within": 0.0}
    return Limits(
        minimum=entry["minimum"],
        maximum=entry["maximum"],
        error_values={each["value"]: each["meaning"] for each in entry["errorValues"]},
        lone_error_value=lone["value"],
        lone_error_within=lone["within"],
    )


@pytest.mark.parametrize(
    ("limits", "implausible", "plausible"),
    [
        (built_in("Temperature"), [327.67, -127.0, 1e308], [-60.0, 85.0, 56.7]),
        (built_in("Pressure"), [0.0, 1200.0], [337.0, 1085.0]),  # on Mount Everest; the highest at sea level
        (built_in("Humidity"), [-5.0, 130.0], [0.0, 100.0, 100.5]),
        (built_in("Concentration"), [-1.0, 65535.0], [0.0, 420.0]),
        (built_in("Concentration", "AstroPlant air CO² sensor"), [0.0, 65535.0], [400.0, 10000.0]),
        (built_in("Light intensity"), [-2.0, 1e6], [0.0, 120000.0]),
        (built_in("Soil moisture"), [316.0, -20.0], [0.0, 101.0]),
        (built_in("Light level"), [-1.0, 2001.0], [0.0, 2000.0]),
    ],
)
def test_the_built_in_limits_tell_error_values_from_what_is_measured(
    limits: Limits, implausible: list[float], plausible: list[float]
) -> None:
    assert {limits.verdict(value) for value in implausible} == {Verdict.IMPLAUSIBLE}
    assert {limits.verdict(value) for value in plausible} == {Verdict.PLAUSIBLE}


def test_every_built_in_limit_belongs_to_a_built_in_quantity_and_device() -> None:
    document = built_in_definitions()
    quantities = {(each["physicalQuantity"], each["physicalUnit"]) for each in document["quantityTypes"]}
    devices = {each["name"] for each in document["peripheralDefinitions"]} | {None}
    for entry in document["plausibleLimits"]:
        assert (entry["physicalQuantity"], entry["physicalUnit"]) in quantities
        assert entry["peripheralDefinition"] in devices
        assert entry["minimum"] < entry["maximum"]
    generally = {
        each["physicalQuantity"] for each in document["plausibleLimits"] if each["peripheralDefinition"] is None
    }
    assert generally == {quantity for quantity, _ in quantities}
