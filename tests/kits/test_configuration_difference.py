"""The difference between two configurations, and connections that several devices claim."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.kits.configuration_difference import (
    ABSENT,
    Change,
    Content,
    DeviceChange,
    PartChange,
    RuleChange,
    SettingChange,
    difference,
)
from hortus.domain.kits.devices import ConfiguredDevice, Definition
from hortus.domain.kits.shared_pins import Connection, SharedConnection, shared_connections


def device(name, settings=None, definition=1):
    return ConfiguredDevice(
        name=name,
        definition=Definition(
            id=definition,
            name=f"Sensor {definition}",
            symbol_location="m",
            symbol="S",
            configuration_schema={},
            command_schema=None,
        ),
        configuration=settings,
    )


def content(*devices, rules=None):
    return Content(devices=devices, control_rules=rules or {})


def control(*rules, targets=None, outputs=None):
    return {"fuzzyControl": {"input": targets or {}, "output": outputs or {}, "rules": list(rules)}}


def device_changes(before, after):
    return list(difference(content(*before), content(*after)).devices)


def test_added_removed_and_changed_devices_are_told_apart():
    before = [device("Air", {"pin": 17, "every": {"s": 60}}), device("Fan", {"pin": 4})]
    after = [
        device("Air", {"pin": 18, "every": {"s": 60}, "more": 1}),
        device("Lamp", {"pin": 4}, definition=2),
    ]
    assert device_changes(before, after) == [
        DeviceChange(
            change=Change.CHANGED,
            name="Air",
            before_name="Air",
            definition="Sensor 1",
            settings=(
                SettingChange(place=("pin",), before=17, after=18),
                SettingChange(place=("more",), before=ABSENT, after=1),
            ),
        ),
        DeviceChange(change=Change.REMOVED, name="Fan", before_name="Fan", definition="Sensor 1"),
        DeviceChange(change=Change.ADDED, name="Lamp", before_name="Lamp", definition="Sensor 2"),
    ]


def test_a_device_with_another_name_only_is_renamed():
    changes = device_changes([device("Air", {"pin": 17})], [device("Roof", {"pin": 17})])
    assert [(each.change, each.before_name, each.name) for each in changes] == [(Change.CHANGED, "Air", "Roof")]


def test_a_list_is_one_setting():
    (change,) = device_changes([device("Fan", {"pins": [1, 2]})], [device("Fan", {"pins": [1, 3]})])
    assert change.settings == (SettingChange(place=("pins",), before=[1, 2], after=[1, 3]),)


def test_true_is_not_one_and_the_order_of_keys_does_not_matter():
    assert device_changes([device("A", {"x": 1})], [device("A", {"x": True})])
    assert not device_changes([device("A", {"x": 1, "y": 2})], [device("A", {"y": 2, "x": 1})])


def test_rules_are_numbered_as_they_are_afterwards():
    before = control({"a": 1}, {"a": 2}, {"a": 3})
    found = difference(content(rules=before), content(rules=control({"a": 1}, {"a": 9}, {"a": 3}, {"a": 4})))
    assert list(found.rules) == [
        RuleChange(change=Change.CHANGED, number=2),
        RuleChange(change=Change.ADDED, number=4),
    ]
    found = difference(content(rules=before), content(rules=control({"a": 2}, {"a": 3})))
    assert list(found.rules) == [RuleChange(change=Change.REMOVED, number=1)]


def test_targets_and_outputs_are_compared_by_their_device():
    before = control(targets={"Air": {"1": {"x": 1}, "3": {"x": 1}}}, outputs={"Fan": {"on": 1}})
    after = control(targets={"Air": {"1": {"x": 2}}}, outputs={"Fan": {"on": 1, "speed": 2}})
    found = difference(content(rules=before), content(rules=after))
    assert list(found.targets) == [
        PartChange(change=Change.CHANGED, peripheral="Air", key="1"),
        PartChange(change=Change.REMOVED, peripheral="Air", key="3"),
    ]
    assert list(found.outputs) == [PartChange(change=Change.ADDED, peripheral="Fan", key="speed")]


def test_keys_of_the_rules_that_no_kit_reads_are_a_difference_too():
    found = difference(content(rules={}), content(rules={"note": "mine"}))
    assert found.only_other_keys
    assert not found.is_empty


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)
CONTENTS = st.builds(
    lambda devices, rules: Content(devices=devices, control_rules=rules),
    st.lists(st.builds(device, st.sampled_from("ABC"), VALUES, st.integers(1, 2)), max_size=3),
    VALUES
    | st.builds(lambda rules: {"fuzzyControl": {"input": {}, "output": {}, "rules": rules}}, st.lists(VALUES)),
)


@given(CONTENTS, CONTENTS)
def test_only_equal_configurations_have_no_difference(before, after):
    assert difference(before, before).is_empty
    assert difference(before, after).is_empty == (as_text(before) == as_text(after))


def as_text(content):
    """What a configuration does; the order of devices and keys does not matter."""
    devices = sorted(
        orjson.dumps([d.name, d.definition.id, d.configuration], option=orjson.OPT_SORT_KEYS)
        for d in content.devices
    )
    return devices, orjson.dumps(content.control_rules, option=orjson.OPT_SORT_KEYS)


def test_connections_that_are_claimed_twice_are_found():
    devices = [
        device("Air", {"gpioAddress": 17}),
        device("Fan", {"gpioAddresses": [16, 17]}),
        device("Lamp", {"gpioAddressBlue": 21, "gpioAddressRed": 21}),
        device("Light", {"i2cAddress": "0x23"}),
        device("Sun", {"i2cAddress": "35"}),
        device("CO2", {"serialDeviceFile": "/dev/ttyS0"}),
        device("None", None),
        device("Odd", {"gpioAddress": True, "i2cAddress": 5}),
    ]
    assert shared_connections(devices) == [
        SharedConnection(connection=Connection.GPIO, address="17", devices=("Air", "Fan")),
        SharedConnection(connection=Connection.GPIO, address="21", devices=("Lamp", "Lamp")),
        SharedConnection(connection=Connection.I2C, address="0x23", devices=("Light", "Sun")),
    ]


@given(st.lists(VALUES, max_size=4))
def test_any_settings_can_be_looked_through_for_connections(settings):
    shared_connections([device(str(number), each) for number, each in enumerate(settings)])
