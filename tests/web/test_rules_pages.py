"""The pages of control rules: targets, outputs and rules by their forms, and what the rules would do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from sqlalchemy import text
from test_configuration_pages import (  # noqa: F401  (fixtures)
    ada,
    bob,
    configurations,
    created,
    devices,
    fields_of,
    shown,
    world,
)
from web_helpers import add_readings

from hortus.domain.kits.control_rules import broken_rules
from hortus.domain.kits.rule_editing import split_at_midnight, with_part, with_rule, without_part, without_rule
from hortus.domain.kits.rule_references import renamed_in_rules, rules_naming

TARGET = {"part": "input", "device": "Climate", "key": "1"}
OUTPUT = {"part": "output", "device": "Heater", "key": "heat", "type": "continuous"}
ALL_DAY = {"part.activeFrom": "00:00:00", "part.activeTo": "23:59:59"}


@pytest.fixture
async def draft(ada, world):  # noqa: F811
    return await created(ada, world, "virtual")


async def rules_of(engine, world, draft):  # noqa: F811
    number = int(draft.rsplit("/", 1)[1])
    row = next(each for each in await configurations(engine, world.kit) if each["id"] == number)
    return row["control_rules"]


async def set_rules(engine, draft, rules):
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE kit_configurations SET control_rules = CAST(:rules AS json) WHERE id = :id"),
            {"rules": json.dumps(rules), "id": int(draft.rsplit("/", 1)[1])},
        )


async def edited(client, draft, part, **values):
    """Open the form of a part, and save it with these values."""
    form = await client.get(f"{draft}/rules/edit?{urlencode(part)}")
    assert form.status_code == 200, form.text
    return await client.post(f"{draft}/rules/edit", data=without_action(fields_of(form)) | values)


def without_action(fields):
    return {name: value for name, value in fields.items() if name != "action"}


async def with_both(client, draft):
    """Add a target of 21 °C and the heater as output."""
    answer = await edited(client, draft, TARGET, **{"part.setpoints.0.value": "21", "part.nominalRange": "2"})
    assert answer.status_code == 303, shown(answer)
    assert (await edited(client, draft, OUTPUT)).status_code == 303


async def test_a_target_and_an_output_begin_with_what_their_schemas_say(engine, world, ada, draft):  # noqa: F811
    await with_both(ada, draft)
    control = (await rules_of(engine, world, draft))["fuzzyControl"]
    assert control["input"] == {
        "Climate": {
            "1": {
                "setpoints": [{"time": "00:00:00", "value": 21}],
                "interpolated": False,
                "nominalRange": 2,
                "nominalDeltaRange": 0.5,
                "deltaMeasurements": 3,
            }
        }
    }
    continuous = {"type": "continuous", "continuous": {"minimal": 0, "maximal": 10}}
    assert control["output"] == {"Heater": {"heat": continuous}}


async def test_a_rule_across_midnight_becomes_two_and_the_page_says_so(engine, world, ada, draft):  # noqa: F811
    await with_both(ada, draft)
    answer = await edited(
        ada,
        draft,
        {"part": "rule"},
        **{
            "part.condition.0.word": "largeNegative",
            "part.condition.0.hedge": "very",
            "part.implication.count": "1",
            "part.implication.0.of": "heat@Heater",
            "part.implication.0.word": "maximal",
            "part.activeFrom": "22:00",
            "part.activeTo": "06:00",
        },
    )
    assert answer.headers["location"].endswith("/rules?said=two-rules")
    page = shown(await ada.get(answer.headers["location"]))
    assert "The one across midnight became two rules." in page
    assert "Rule 1 · From 22:00 to 23:59:59" in page
    assert "Rule 2 · From 00:00 to 06:00" in page
    assert page.count("Climate · Temperature is very far below target.") == 2
    assert "Heater · Heat is maximal." in page
    rules = await rules_of(engine, world, draft)
    assert not broken_rules(rules)
    assert [(each["activeFrom"], each["activeTo"]) for each in rules["fuzzyControl"]["rules"]] == [
        ("22:00:00", "23:59:59"),
        ("00:00:00", "06:00:00"),
    ]
    assert "2 control rules" in shown(await ada.get(draft))


async def test_a_rule_comes_back_unchanged_from_its_form(engine, world, ada, draft):  # noqa: F811
    await with_both(ada, draft)
    rule = {
        "condition": [
            {"peripheral": "Climate", "quantityType": 1, "fuzzyVariable": "smallPositive", "negation": True,
             "delta": True, "hedge": "slightly"},
            {"peripheral": "Climate", "quantityType": 1, "fuzzyVariable": "nominal", "negation": False,
             "delta": False, "hedge": None},
        ],
        "implication": [{"peripheral": "Heater", "command": "heat", "fuzzyVariable": "low"}],
        "schedules": [],
        "activeFrom": "06:00:00",
        "activeTo": "22:00:00",
    }  # fmt: skip
    await set_rules(engine, draft, with_rule(await rules_of(engine, world, draft), None, rule)[0])
    before = await rules_of(engine, world, draft)
    assert "Climate · Temperature is not slightly rising." in shown(await ada.get(f"{draft}/rules"))
    assert (await edited(ada, draft, {"part": "rule", "number": "1"})).status_code == 303
    assert await rules_of(engine, world, draft) == before
    for part in (TARGET, OUTPUT):
        assert (await edited(ada, draft, part)).status_code == 303
        assert await rules_of(engine, world, draft) == before


async def test_schedules_are_entered_by_number_and_sorted(engine, world, ada, draft):  # noqa: F811
    part = OUTPUT | {"type": "scheduled"}
    rows = [("2", "08:00", "5"), ("1", "22:00", "0"), ("1", "06:00", "7")]
    values = {"part.entries.count": "3"}
    for row, (number, time, value) in enumerate(rows):
        name = f"part.entries.{row}"
        values |= {f"{name}.schedule": number, f"{name}.time": time, f"{name}.value": value}
    assert (await edited(ada, draft, part, **values)).status_code == 303
    output = (await rules_of(engine, world, draft))["fuzzyControl"]["output"]["Heater"]["heat"]
    assert output == {
        "type": "scheduled",
        "scheduled": {
            "interpolated": False,
            "schedules": [
                {"schedule": [{"time": "06:00:00", "value": 7}, {"time": "22:00:00", "value": 0}]},
                {"schedule": [{"time": "08:00:00", "value": 5}]},
            ],
        },
    }
    form = await ada.get(f"{draft}/rules/edit?{urlencode(part)}")
    again = await ada.post(f"{draft}/rules/edit", data=without_action(fields_of(form)))
    assert again.status_code == 303
    assert (await rules_of(engine, world, draft))["fuzzyControl"]["output"]["Heater"]["heat"] == output


@pytest.mark.parametrize(
    ("part", "values", "field", "sentence"),
    [
        (TARGET, {"part.setpoints.count": "0"}, "part.setpoints", "Add at least one time and value."),
        (
            TARGET,
            {"part.nominalRange": "0"},
            "part.nominalRange",
            "Enter a number from 0.001 to",
        ),
        (TARGET, {"part.deltaMeasurements": "0"}, "part.deltaMeasurements", "Enter a whole number from 1"),
        (
            TARGET,
            {"part.setpoints.count": "2", "part.setpoints.1.time": "00:00", "part.setpoints.1.value": "3"},
            "part.setpoints.1.time",
            "This time is there twice.",
        ),
        (OUTPUT, {"part.maximal": "11"}, "part.maximal", "Enter a number from 0 to 10."),
        (
            OUTPUT,
            {"part.minimal": "9", "part.maximal": "5"},
            "part.maximal",
            "Maximal has to be at least minimal",
        ),
        (
            OUTPUT | {"type": "scheduled"},
            {"part.entries.0.schedule": "2"},
            "part.entries",
            "Number the schedules from 1, without a gap.",
        ),
        ({"part": "rule"}, {"part.condition.count": "0"}, "part.condition", "Add a condition"),
        ({"part": "rule"}, {}, "part", "Add what the rule does"),
        ({"part": "rule"}, {"part.activeTo": "25:00"}, "part.activeTo", "Enter a time of day"),
    ],
)
async def test_faults_are_at_their_fields(engine, world, ada, draft, part, values, field, sentence):  # noqa: F811
    if part == {"part": "rule"}:
        await with_both(ada, draft)
    before = await rules_of(engine, world, draft)
    answer = await edited(ada, draft, part, **values)
    assert answer.status_code == 422
    assert f'<a href="#{field}">{sentence}' in answer.text
    assert f'id="{field}"' in answer.text
    assert await rules_of(engine, world, draft) == before


async def test_rows_are_added_without_saving(engine, world, ada, draft):  # noqa: F811
    before = await rules_of(engine, world, draft)
    answer = await edited(ada, draft, TARGET, action="add:part.setpoints")
    assert answer.status_code == 200
    assert fields_of(answer)["part.setpoints.count"] == "2"
    assert await rules_of(engine, world, draft) == before


async def test_what_another_person_saved_meanwhile_is_not_overwritten(engine, world, ada, draft):  # noqa: F811
    await with_both(ada, draft)
    form = without_action(fields_of(await ada.get(f"{draft}/rules/edit?{urlencode(TARGET)}")))
    assert (await edited(ada, draft, TARGET, **{"part.setpoints.0.value": "22"})).status_code == 303
    before = await rules_of(engine, world, draft)
    answer = await ada.post(f"{draft}/rules/edit", data=form | {"part.setpoints.0.value": "30"})
    assert answer.headers["location"].endswith("?said=meanwhile")
    assert "Somebody else changed the rules meanwhile." in shown(await ada.get(answer.headers["location"]))
    assert await rules_of(engine, world, draft) == before


async def test_parts_are_removed_and_rules_that_name_them_are_a_fault(engine, world, ada, draft):  # noqa: F811
    await with_both(ada, draft)
    rule = {
        "part.implication.count": "1",
        "part.implication.0.of": "heat@Heater",
        "part.implication.0.word": "high",
    }
    assert (await edited(ada, draft, {"part": "rule"}, **rule)).status_code == 303
    page = await ada.get(f"{draft}/rules")
    stamp = fields_of(page)["stamp"]
    sent = {"stamp": stamp, "part": "output", "device": "Heater", "key": "heat"}
    assert (await ada.post(f"{draft}/rules/remove", data=sent)).headers["location"].endswith("said=removed")
    page = await ada.get(f"{draft}/rules")
    assert "1 problem in the rules" in shown(page)
    assert "calculated here" not in shown(page).replace("(calculated here", "")
    sent = {"stamp": fields_of(page)["stamp"], "part": "rule", "key": "1", "device": ""}
    assert (await ada.post(f"{draft}/rules/remove", data=sent)).status_code == 303
    assert (await ada.post(f"{draft}/rules/remove", data=sent)).headers["location"].endswith("meanwhile")
    assert (await rules_of(engine, world, draft))["fuzzyControl"]["rules"] == []
    gone = sent | {"stamp": fields_of(await ada.get(f"{draft}/rules"))["stamp"], "key": "7"}
    assert (await ada.post(f"{draft}/rules/remove", data=gone)).status_code == 404


async def test_the_day_is_calculated_for_what_one_supposes(engine, world, ada, draft, database_url):  # noqa: F811
    await with_both(ada, draft)
    rule = {
        "part.condition.0.word": "largeNegative",
        "part.implication.count": "1",
        "part.implication.0.of": "heat@Heater",
        "part.implication.0.word": "maximal",
    }
    assert (await edited(ada, draft, {"part": "rule"}, **rule)).status_code == 303
    page = shown(await ada.get(f"{draft}/rules?s0=10"))
    assert "What the rules would do, calculated here" in page
    assert "00:00 10 06:00 10 12:00 10 18:00 10 22:00 10" in page
    assert "00:00 0 06:00 0 12:00 0" in shown(await ada.get(f"{draft}/rules?s0=nonsense"))
    assert "(calculated here, not by the kit)" not in page
    (climate, *_) = await rows_of_climate(engine, world)
    await add_readings(database_url, world.kit, [(datetime.now(UTC), 15.5)], peripheral=climate)
    page = shown(await ada.get(f"{draft}/rules"))
    assert "Now 15.5 °C: far below target (calculated here, not by the kit)" in page


async def rows_of_climate(engine, world):  # noqa: F811
    """The places of the device named Climate among those of the kit's standard configuration."""
    return [number for number, each in enumerate(world.kit.peripherals) if each.name == "Climate"]


async def test_members_read_rules_and_used_ones_stay(engine, world, ada, bob, draft):  # noqa: F811
    await with_both(ada, draft)
    page = await bob.get(f"{draft}/rules")
    assert "Only members who can configure this kit can change it. Ask ada." in shown(page)
    for address in (f"{draft}/rules/edit?{urlencode(TARGET)}", f"{draft}/rules/edit?part=rule"):
        assert address.split("/rules")[1] not in page.text
        assert (await bob.get(address)).status_code == 403
    for path in ("edit", "remove"):
        assert (await bob.post(f"{draft}/rules/{path}", data={"of-part": "rule"})).status_code == 403
        foreign = await ada.post(f"{draft}/rules/{path}", headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
    assert (await ada.post(f"{draft}/activate")).status_code == 303
    assert (await ada.get(f"{draft}/rules/edit?{urlencode(TARGET)}")).status_code == 409
    assert (await ada.post(f"{draft}/rules/remove", data={"part": "input"})).status_code == 409
    assert "its rules stay as they are" in shown(await ada.get(f"{draft}/rules"))


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"part": "input", "device": "Climate", "key": "99"},
        {"part": "input", "device": "Nobody", "key": "1"},
        {"part": "output", "device": "Camera", "key": "x"},
        {"part": "rule"},
        {"part": "rule", "number": "1"},
        {"part": "rule", "number": "²"},
    ],
)
async def test_parts_that_do_not_exist_are_not_found(engine, ada, draft, part):  # noqa: F811
    assert (await ada.get(f"{draft}/rules/edit?{urlencode(part)}")).status_code == 404


async def test_rules_that_nobody_can_read_are_named_and_not_touched(engine, world, ada, draft):  # noqa: F811
    for rules in ({"fuzzyControl": []}, [], {"fuzzyControl": {"input": {"A": 1}, "output": {}, "rules": []}}):
        await set_rules(engine, draft, rules)
        page = await ada.get(f"{draft}/rules")
        assert "problem" in shown(page)
        assert (await ada.get(draft)).status_code == 200


def test_editing_keeps_what_kits_do_not_read():
    rules = {"mine": 1, "fuzzyControl": {"input": {}, "output": {}, "rules": [], "note": "x"}}
    changed = with_part(rules, "input", "Air", "1", {"a": 1})
    assert changed["mine"] == 1
    assert changed["fuzzyControl"]["note"] == "x"
    assert rules["fuzzyControl"]["input"] == {}, "the former rules are as they were"


def test_the_last_part_of_a_device_takes_the_device_with_it():
    target = {
        "nominalRange": 1,
        "nominalDeltaRange": 1,
        "deltaMeasurements": 1,
        "interpolated": False,
        "setpoints": [{"time": "00:00", "value": 1}],
    }
    rules = with_part(with_part({}, "input", "Air", "1", target), "input", "Air", "2", target)
    rules = without_part(rules, "input", "Air", "1")
    assert list(rules["fuzzyControl"]["input"]["Air"]) == ["2"]
    assert without_part(rules, "input", "Air", "2")["fuzzyControl"]["input"] == {}


def test_a_rule_is_split_only_if_it_crosses_midnight():
    rule = {"condition": [], "implication": [], "schedules": [], "activeFrom": "06:00", "activeTo": "06:00"}
    assert split_at_midnight(rule) == [rule]
    assert len(split_at_midnight(rule | {"activeFrom": "06:01"})) == 2
    rules, count = with_rule({}, None, rule)
    assert (count, rules["fuzzyControl"]["rules"]) == (1, [rule])
    assert without_rule(rules, 1)["fuzzyControl"]["rules"] == []


def test_a_device_that_is_renamed_is_renamed_wherever_rules_name_it():
    rules = {
        "fuzzyControl": {
            "input": {"Air": {"1": {}}},
            "output": {"Fan": {}},
            "rules": [
                {"condition": [{"peripheral": "Air"}], "implication": [{"peripheral": "Fan"}], "schedules": []},
                {"condition": [], "implication": [], "schedules": [{"peripheral": "Air"}]},
                "odd",
            ],
        }
    }
    assert rules_naming(rules, "Air") == [1, 2]
    renamed = renamed_in_rules(rules, "Air", "Roof")
    assert rules_naming(renamed, "Roof") == [1, 2]
    assert rules_naming(renamed, "Air") == []
    assert list(renamed["fuzzyControl"]["input"]) == ["Roof"]
    for odd in (None, [], {}, {"fuzzyControl": 3}):
        assert renamed_in_rules(odd, "Air", "Roof") == odd
