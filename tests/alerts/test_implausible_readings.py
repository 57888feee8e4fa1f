"""What cannot have been measured neither opens nor ends an alert."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from alert_garden import ago

from garden import Garden
from hortus.domain.alerts.judged_quantities import (
    MOST_READINGS_PER_KIT,
    LookingBack,
    judged_quantities,
    new_readings,
)


@pytest.mark.parametrize("value", [-127.0, 327.67, 1e308])
async def test_an_impossible_value_opens_no_alert(garden: Garden, value: float) -> None:
    await garden.measure(value, at=ago(minutes=2))
    await garden.judge()
    assert await garden.alerts() == []
    assert await garden.messages() == []


async def test_an_impossible_value_does_not_end_an_open_alert(garden: Garden) -> None:
    # Both too low; then what counts as high, if it counted.
    await garden.measure(10.0, at=ago(minutes=5))
    await garden.judge()
    assert await garden.alerts() == [("low", True)]
    await garden.measure(327.67, at=ago(minutes=4))
    await garden.judge()
    assert await garden.alerts() == [("low", True)]
    await garden.measure(20.0, at=ago(minutes=3))
    await garden.judge()
    assert await garden.alerts() == [("low", False)]


async def test_an_error_value_among_true_ones_is_passed_over(garden: Garden) -> None:
    await _make_ds18b20(garden)
    at = ago(minutes=2)
    at -= timedelta(minutes=at.minute == 59)  # all of it within an hour
    await garden.measure(20.0, at=at)
    await garden.measure(85.0, at=at + timedelta(seconds=20))
    await garden.judge()
    assert await garden.alerts() == []
    # A compost heap: another value near it in the same hour shows that 85 °C was measured.
    await garden.measure(84.0, at=at + timedelta(seconds=30))
    await garden.measure(85.0, at=at + timedelta(seconds=40))
    await garden.judge()
    assert await garden.alerts() == [("high", True)]
    assert await garden.value("SELECT value FROM alerts") == 85.0  # the first one counts by now


async def test_a_sensor_that_only_sends_error_values_is_silent_to_the_judge(garden: Garden) -> None:
    await _make_ds18b20(garden)
    for minute in (4, 3, 2):
        await garden.measure(85.0, at=ago(minutes=minute))
        await garden.judge()
    assert await garden.alerts() == []
    assert await garden.value("SELECT count(*) FROM alert_states WHERE judged_until IS NOT NULL") == 0


async def test_reading_goes_on_behind_a_flood_of_implausible_values(garden: Garden) -> None:
    at = ago(minutes=30)
    await garden.connection.execute(
        "INSERT INTO raw_measurements (datetime, value, id, kit_id, peripheral_id, kit_configuration_id, "
        "quantity_type_id) SELECT $1::timestamptz + n * interval '1 ms', 400, gen_random_uuid(), kit_id, id, "
        "kit_configuration_id, 1 FROM peripherals, generate_series(1, $3) AS n WHERE id = $2",
        *(at, garden.thermometer.id, MOST_READINGS_PER_KIT),
    )
    await garden.run("UPDATE plant_links SET linked_from = :since", since=at - timedelta(hours=1))
    kits = {garden.kit.id}
    quantities = await judged_quantities(garden.connection, kits)
    now = datetime.now(UTC)
    found = await new_readings(garden.connection, kits, quantities, now, {}, LookingBack())
    assert found.by_series == {}
    assert found.read_until[garden.kit.id] > at + timedelta(seconds=4)


async def _make_ds18b20(garden: Garden) -> None:
    await garden.run(
        "UPDATE peripherals SET peripheral_definition_id = (SELECT id FROM peripheral_definitions "
        "WHERE name = 'AstroPlant water temperature sensor') WHERE id = :id",
        id=garden.thermometer.id,
    )
