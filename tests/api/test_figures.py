"""Numbers in a peripheral's configuration with which a kit would crash or never report."""

from __future__ import annotations

from typing import Any

import pytest

from hortus.domain.kits.figures import LARGEST_FIGURE, MOST_BYTES, MOST_VALUES, fault_of_figures


def intervals(measurement: Any = 60, aggregate: Any = 1800) -> dict[str, Any]:
    return {"intervals": {"measurementInterval": measurement, "aggregateInterval": aggregate}}


EVERY_MINUTE = [{"time": f"{minute // 60:02}:{minute % 60:02}:00", "command": "ndvi"} for minute in range(1440)]


@pytest.mark.parametrize(
    "configuration",
    [
        None,
        {},
        intervals(),
        intervals(1, 1),
        intervals(86_400, 604_800),
        intervals(60.0, 90.5),
        {"gpioAddress": 17, **intervals()},
        {"gpioAddresses": [16, 19, 0, 53]},
        {"gpioAddress": None},
        {"offset": -40.5, "scale": LARGEST_FIGURE, "on": True},
        {"camera": "piCameraV2", "schedule": EVERY_MINUTE},
        {"storagePath": "./data"},
    ],
)
def test_what_kits_run_with_is_accepted(configuration: Any) -> None:
    assert fault_of_figures(configuration) is None


@pytest.mark.parametrize("seconds", [0, -1, 0.5, 1e30, 1e308, 604_801, "60", None, True, [60], float("nan")])
@pytest.mark.parametrize("name", ["measurementInterval", "aggregateInterval"])
def test_an_interval_is_a_number_of_seconds_that_passes(name: str, seconds: Any) -> None:
    fault = fault_of_figures({"intervals": {name: seconds}})
    most = 86_400 if name == "measurementInterval" else 604_800
    assert fault == f"intervals.{name}: a number of seconds from 1 to {most} is expected."
    assert fault_of_figures({name: seconds}) is not None


@pytest.mark.parametrize(
    ("configuration", "place"),
    [
        ({"gpioAddress": -1}, "gpioAddress: a whole number from 0 to 1023"),
        ({"gpioAddress": 1e30}, "gpioAddress: a whole number from 0 to 1023"),
        ({"gpioAddressFarRed": 17.5}, "gpioAddressFarRed: a whole"),
        ({"gpioAddresses": [16, 1024]}, "gpioAddresses.1: a whole"),
        ({"deep": [{"offset": -(2**31)}]}, "deep.0.offset: The number is too large"),
        (1e30, "configuration: The number is too large"),
        ({"text": "x" * MOST_BYTES}, "configuration: It has more than"),
        ([0] * MOST_VALUES, "configuration: It holds more than"),
    ],
)
def test_other_figures_are_bounded_too(configuration: Any, place: str) -> None:
    fault = fault_of_figures(configuration)
    assert fault is not None
    assert fault.startswith(place)
