"""Control rules of a configuration over HTTP: stored as they are, checked on activation, bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_client import Installation, assert_invalid
from workbench import Workbench, rules


async def test_rules_are_stored_as_they_are_and_checked_against_peripherals_on_activation(
    api: Installation,
) -> None:
    bench = await Workbench.of(api)
    configuration_id = await bench.runnable()
    # The front-end writes the rules before it renames the peripheral that they name.
    written = await bench.change(configuration_id, controlRules=rules(climate="Air"))
    assert (written.status_code, written.json()["controlRules"]) == (200, rules(climate="Air"))
    refused = await bench.change(configuration_id, active=True)
    assert "fuzzyControl.input.Air" in refused.json()["detail"]
    assert_invalid(refused, controlRules=["other"])
    climate = (await bench.listed())[0]["peripherals"][0]
    await bench.request("PATCH", f"/peripherals/{climate['id']}", {**climate, "name": "Air"})
    assert (await bench.change(configuration_id, active=True)).status_code == 200


@pytest.mark.parametrize(
    "unusable", [rules(heater="Oven"), rules(command="cool"), rules(quantity=999), rules(heater="Climate")]
)
async def test_rules_that_no_peripheral_can_follow_do_not_become_active(
    api: Installation, unusable: Any
) -> None:
    bench = await Workbench.of(api)
    configuration_id = await bench.runnable()
    refused = await bench.change(configuration_id, controlRules=unusable, active=True)
    assert_invalid(refused, controlRules=["other"])
    assert (await bench.listed())[0]["controlRules"] == {}


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            {
                "type": "scheduled",
                "scheduled": {
                    "interpolated": False,
                    "schedules": [{"schedule": [{"time": "00:00:00", "value": "hot"}]}],
                },
            },
            "fuzzyControl.output.Heater.heat.scheduled.schedules[0].schedule[0].value: 'hot' is not of type",
        ),
        (
            {"type": "continuous", "continuous": {"minimal": -500, "maximal": 500}},
            "fuzzyControl.output.Heater.heat.continuous.maximal: 500 is greater than the maximum of 10",
        ),
    ],
)
async def test_values_that_the_device_does_not_take_do_not_become_active(
    api: Installation, output: Any, reason: str
) -> None:
    bench = await Workbench.of(api)
    configuration_id = await bench.runnable()
    unusable = {"fuzzyControl": {"input": {}, "output": {"Heater": {"heat": output}}, "rules": []}}
    assert (await bench.change(configuration_id, controlRules=unusable)).status_code == 200
    refused = await bench.change(configuration_id, active=True)
    assert reason in refused.json()["detail"]
    assert_invalid(refused, controlRules=["other"])
    assert not (await bench.listed())[0]["active"]


async def test_the_front_end_deletes_an_input_while_a_rule_refers_to_it(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = await bench.runnable()
    written = rules()
    await bench.change(configuration_id, controlRules=written)
    written["fuzzyControl"]["input"] = {}
    deleted = await bench.change(configuration_id, controlRules=written)
    assert (deleted.status_code, deleted.json()["controlRules"]) == (200, written)
    # A kit would crash on it, so it is not sent to kits. The front-end shows the rule without the condition,
    # and writes it so as soon as anything else is edited.
    refused = await bench.change(configuration_id, active=True)
    assert "rules[0].condition[0]" in refused.json()["detail"]
    assert_invalid(refused, controlRules=["other"])
    written["fuzzyControl"]["rules"][0]["condition"] = []
    assert (await bench.change(configuration_id, controlRules=written)).status_code == 200
    assert (await bench.change(configuration_id, active=True)).status_code == 200


@pytest.mark.parametrize("broken", [[], "x", 1, {"fuzzyControl": {}}, {"fuzzyControl": None}])
async def test_broken_rules_are_refused(api: Installation, broken: Any) -> None:
    bench = await Workbench.of(api)
    configuration_id = (await bench.configuration())["id"]
    refused = await bench.change(configuration_id, controlRules=broken)
    assert refused.json()["detail"]
    assert_invalid(refused, controlRules=["other"])


def nested(levels: int) -> Any:
    return [] if levels == 1 else [nested(levels - 1)]


@pytest.mark.parametrize(
    ("oversized", "why"),
    [
        ({**rules(), "remark": "x" * 131_072}, "131072 bytes"),
        (
            {"fuzzyControl": {"input": {}, "output": {}, "rules": [{}] * 24_000 + ["x" * 90_000]}},
            "131072 bytes",
        ),
        ({**rules(), "remark": nested(20)}, "20 levels"),
    ],
)
async def test_rules_that_are_too_large_are_not_looked_at(api: Installation, oversized: Any, why: str) -> None:
    bench = await Workbench.of(api)
    configuration_id = await bench.runnable()
    refused = await bench.change(configuration_id, controlRules=oversized)
    assert why in refused.json()["detail"]
    assert_invalid(refused, controlRules=["other"])
    # As they may be in a database from before they were bounded.
    await api.run(
        "UPDATE kit_configurations SET control_rules = CAST(:rules AS json) WHERE id = :id",
        rules=json.dumps(oversized),
        id=configuration_id,
    )
    refused = await bench.change(configuration_id, active=True)
    assert why in refused.json()["detail"]
    assert_invalid(refused, controlRules=["other"])


async def test_rules_that_are_large_but_useful_are_taken(api: Installation) -> None:
    bench = await Workbench.of(api)
    configuration_id = await bench.runnable()
    many = rules()
    many["fuzzyControl"]["rules"] *= 250
    many["remark"] = nested(19)
    assert len(json.dumps(many)) > 60_000
    assert (await bench.change(configuration_id, controlRules=many, active=True)).status_code == 200
