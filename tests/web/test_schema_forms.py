"""Forms made of JSON Schemas: built-in definitions, each kind of field, rows, and faults at fields."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.definitions.store import built_in_definitions
from hortus.domain.kits.devices import Definition, setting_at_fault
from hortus.domain.kits.schemas import fault_by_schema
from hortus.http.pages.rendering import Templates
from hortus.http.pages.schema_forms.form import SchemaForm
from hortus.http.pages.schema_forms.kinds import Kind, kind_of, label_of, unit_of

DEFINITIONS = built_in_definitions()["peripheralDefinitions"]
NAMES = [definition["name"] for definition in DEFINITIONS]
COMMANDS = [definition for definition in DEFINITIONS if definition["commandSchema"] is not None]
TEMPLATES = Templates()


class _Posted(HTMLParser):
    """What a browser would post of a form."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.ids: set[str] = set()
        self._select = self._area = ""

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if "id" in values:
            self.ids.add(values["id"])
        name = values.get("name", "")
        match tag:
            case "input" if values.get("type") in {"radio", "checkbox"}:
                if "checked" in values:
                    self.fields[name] = values.get("value", "on")
            case "input":
                self.fields[name] = values.get("value", "")
            case "select":
                self._select = name
            case "option":
                if "selected" in values or self._select not in self.fields:
                    self.fields[self._select] = values["value"]
            case "textarea":
                self._area, self.fields[name] = name, ""

    def handle_endtag(self, tag):
        if tag == "textarea":
            self.fields[self._area] = self.fields[self._area].removeprefix("\n")
            self._area = ""

    def handle_data(self, data):
        if self._area:
            self.fields[self._area] += data


def posted(form: SchemaForm, texts, faults=None) -> _Posted:
    """The form as a browser would post it."""
    field = form.field(texts, faults or {}, "Settings")
    html = TEMPLATES._environment.from_string(
        '{% from "kits/_schema_form.html" import fields %}{{ fields(field) }}'
    ).render(field=field)
    parser = _Posted()
    parser.feed(html)
    return parser


def no_fault(_value):
    return None


def definition_of(entry) -> Definition:
    return Definition(
        id=1,
        name=entry["name"],
        symbol_location=entry["symbolLocation"],
        symbol=entry["symbol"],
        configuration_schema=entry["configurationSchema"],
        command_schema=entry["commandSchema"],
    )


@pytest.mark.parametrize("entry", DEFINITIONS, ids=NAMES)
def test_the_posted_defaults_of_every_built_in_definition_are_valid(entry):
    form = SchemaForm(entry["configurationSchema"], "settings")
    shown = posted(form, form.blank())
    definition = definition_of(entry)
    entered = form.read(shown.fields, lambda value: setting_at_fault(definition, value))
    assert entered.faults == {}
    assert setting_at_fault(definition, entered.value) is None


@pytest.mark.parametrize("entry", DEFINITIONS, ids=NAMES)
def test_a_stored_configuration_comes_back_unchanged_from_its_form(entry):
    form = SchemaForm(entry["configurationSchema"], "settings")
    first = form.read(posted(form, form.blank()).fields, no_fault).value
    assert form.read(posted(form, form.filled(first)).fields, no_fault, before=first).value == first


@pytest.mark.parametrize("entry", COMMANDS, ids=[entry["name"] for entry in COMMANDS])
def test_every_command_schema_makes_a_form_whose_defaults_it_accepts(entry):
    form = SchemaForm(entry["commandSchema"], "command")
    entered = form.read(
        posted(form, form.blank()).fields,
        lambda value: fault_by_schema(entry["commandSchema"], value, entry["name"]),
    )
    assert entered.faults == {}


def bounded(schema, name, level=0):
    """Yield each number of a schema with a bound: its field, and values beyond the bounds."""
    match kind_of(schema, level=level):
        case Kind.GROUP:
            for key, part in schema["properties"].items():
                yield from bounded(part, f"{name}.{key}", level + 1)
        case Kind.WHOLE | Kind.NUMBER | Kind.INTERVAL:
            for key, step in (("minimum", -1), ("maximum", 1)):
                if key in schema:
                    yield name, schema[key] + step


BOUNDS = [
    (entry["name"], schema, name, value)
    for entry in DEFINITIONS
    for schema in (entry["configurationSchema"], entry["commandSchema"])
    for name, value in bounded(schema, "settings")
]


@pytest.mark.parametrize(("_of", "schema", "name", "value"), BOUNDS, ids=lambda each: str(each)[:40])
def test_every_bound_of_the_built_in_schemas_is_refused_at_its_field(_of, schema, name, value):
    form = SchemaForm(schema, "settings")
    texts = posted(form, form.blank()).fields | {name: str(value)}
    if f"{name}.unit" in texts:
        texts[f"{name}.unit"] = "s"
    entered = form.read(texts, no_fault)
    assert list(entered.faults) == [name]
    assert name in posted(form, texts, entered.faults).ids, "the summary links to it"


def test_limits_of_kits_beyond_the_schema_are_refused_at_their_fields():
    entry = next(each for each in DEFINITIONS if each["symbol"] == "Pwm")
    form = SchemaForm(entry["configurationSchema"], "settings")
    texts = form.blank() | {"settings.gpioAddresses.1": "2000"}
    entered = form.read(texts, lambda value: setting_at_fault(definition_of(entry), value))
    assert list(entered.faults) == ["settings.gpioAddresses.1"]


def test_an_empty_schedule_of_a_camera_is_refused_at_the_list():
    entry = next(each for each in DEFINITIONS if each["symbol"] == "Random")
    form = SchemaForm(entry["configurationSchema"], "settings")
    texts = form.with_rows_changed(form.blank(), "remove:settings.schedule.0")
    entered = form.read(texts, lambda value: setting_at_fault(definition_of(entry), value))
    assert list(entered.faults) == ["settings.schedule"]
    assert "settings.schedule" in posted(form, texts, entered.faults).ids


def test_rows_are_added_with_defaults_and_removed_from_the_middle():
    schema = {
        "type": "object",
        "required": ["pins"],
        "properties": {
            "pins": {"type": "array", "items": {"type": "integer", "default": 4}, "default": [1, 2, 3]}
        },
    }
    form = SchemaForm(schema, "s")
    texts = form.with_rows_changed(form.blank(), "add:s.pins")
    assert form.read(texts, no_fault).value == {"pins": [1, 2, 3, 4]}
    texts = form.with_rows_changed(texts, "remove:s.pins.1")
    assert form.read(texts, no_fault).value == {"pins": [1, 3, 4]}


@pytest.mark.parametrize(
    "action",
    [
        "",
        "save",
        "add:",
        "add:s",
        "add:s.other",
        "remove:s.pins",
        "remove:s.pins.x",
        "add:s.pins:",
        "remove:.1",
    ],
)
def test_other_buttons_change_no_rows(action):
    schema = {"type": "object", "properties": {"pins": {"type": "array", "items": {"type": "integer"}}}}
    assert SchemaForm(schema, "s").with_rows_changed({"s.pins.count": "1", "s.pins.0": "4"}, action) is None


def test_a_list_never_grows_beyond_its_limit():
    schema = {"type": "array", "items": {"type": "integer"}}
    form = SchemaForm(schema, "s")
    assert len(form.read({"s.count": "9999"}, no_fault).faults) == 100
    texts = {"s.count": "100"}
    assert form.with_rows_changed(texts, "add:s") == texts
    assert form.read({"s.count": "99999999999"}, no_fault).value == []


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "number"}, "2,5", 2.5),
        ({"type": "number"}, " 2.50 ", 2.5),
        ({"type": "number"}, "−3", -3),
        ({"type": "integer"}, "60", 60),
        ({"type": "integer"}, "60.0", 60),
        ({"type": "string", "format": "time"}, "07:30", "07:30:00"),
        ({"type": "string"}, "./data", "./data"),
        ({"enum": [1, "1"]}, "1", 1),
        ({"anyOf": [{"type": "integer"}]}, '{"a": [1]}', {"a": [1]}),
    ],
)
def test_what_people_type_becomes_the_value(schema, text, value):
    entered = SchemaForm(schema, "s").read({"s": text}, no_fault)
    assert (entered.value, entered.faults) == (value, {})
    assert type(entered.value) is type(value)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "number"}, "1e5"),
        ({"type": "number"}, "nan"),
        ({"type": "number"}, "1.000,5"),
        ({"type": "number"}, "9" * 400),
        ({"type": "integer"}, "1.5"),
        ({"type": "integer"}, ""),
        ({"type": "string", "format": "time"}, "7:30"),
        ({"type": "string", "format": "time"}, "07:30Z"),
        ({"type": "string", "maxLength": 3}, "four"),
        ({"type": "string"}, "a\x00b"),
        ({"type": "string", "minLength": 3}, "ab"),
        ({"enum": ["a"]}, "b"),
        ({"anyOf": []}, "{"),
    ],
)
def test_what_a_schema_does_not_take_is_a_fault_at_the_field(schema, text):
    assert list(SchemaForm(schema, "s").read({"s": text}, no_fault).faults) == ["s"]


def test_intervals_are_entered_in_seconds_minutes_or_hours():
    schema = {"type": "integer", "description": "Seconds from one to the next.", "minimum": 5}
    form = SchemaForm(schema, "every")
    assert form.filled(1800) == {"every": "30", "every.unit": "min"}
    assert form.filled(3600) == {"every": "1", "every.unit": "h"}
    assert form.filled(60) == {"every": "60", "every.unit": "s"}
    assert form.read({"every": "1,5", "every.unit": "h"}, no_fault).value == 5400
    assert form.read({"every": "0.01", "every.unit": "min"}, no_fault).faults
    assert form.read({"every": "4", "every.unit": "s"}, no_fault).faults == {"every": "Enter at least 5 s."}


def test_below_an_interval_stands_how_often_a_day_that_is():
    schema = next(each for each in DEFINITIONS if each["symbol"] == "Barometer")["configurationSchema"]
    form = SchemaForm(schema, "s")
    interval, summary = form.field(form.blank(), {}, "S").parts[0].parts
    assert (interval.note, summary.note) == ("1,440 readings a day", "48 summaries a day")


def test_what_has_no_field_is_kept_and_optional_fields_left_empty_are_left_out():
    schema = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "more": {"type": "object", "properties": {"a": {"type": "integer"}}},
        },
    }
    form = SchemaForm(schema, "s")
    assert form.read(form.filled({}), no_fault).value == {}
    before = {"id": "28-1", "calibration": [1, 2], "more": {"b": 7}}
    assert form.read(form.filled(before), no_fault, before=before).value == before
    emptied = form.filled(before) | {"s.id": ""}
    assert form.read(emptied, no_fault, before=before).value == {"calibration": [1, 2], "more": {"b": 7}}


def test_keys_of_any_text_make_fields_of_their_own():
    schema = {"type": "object", "properties": {"a.b": {"type": "integer"}, 'é" <x>': {"type": "integer"}}}
    form = SchemaForm(schema, "s")
    value = {"a.b": 1, 'é" <x>': 2}
    assert form.read(posted(form, form.filled(value)).fields, no_fault).value == value


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (None, Kind.JSON),
        (True, Kind.JSON),
        ({}, Kind.JSON),
        ({"type": ["integer", "null"]}, Kind.JSON),
        ({"type": "object"}, Kind.JSON),
        ({"type": "object", "properties": []}, Kind.JSON),
        ({"enum": [{}]}, Kind.JSON),
        ({"enum": []}, Kind.JSON),
        ({"type": "array", "items": [{"type": "integer"}]}, Kind.JSON),
        ({"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}, Kind.JSON),
        ({"$ref": "#/definitions/x", "type": "integer"}, Kind.JSON),
        ({"type": "null"}, Kind.NOTHING),
        ({"type": "boolean"}, Kind.SWITCH),
    ],
)
def test_what_no_field_can_hold_is_entered_as_json(schema, kind):
    assert kind_of(schema) is kind


def test_what_is_deeper_than_three_levels_is_entered_as_json():
    schema: dict = {"type": "integer"}
    for _ in range(5):
        schema = {"type": "object", "properties": {"x": schema}}
    form = SchemaForm(schema, "s")
    assert form.filled({"x": {"x": {"x": {"x": {"x": 1}}}}}) == {"s.x.x.x": '{\n  "x": {\n    "x": 1\n  }\n}'}


def test_a_switch_that_is_not_sent_is_off():
    schema = {"type": "object", "required": ["on"], "properties": {"on": {"type": "boolean", "default": True}}}
    form = SchemaForm(schema, "s")
    assert form.read(posted(form, form.blank()).fields, no_fault).value == {"on": True}
    assert form.read({}, no_fault).value == {"on": False}


def test_labels_and_units_come_from_the_schema():
    assert label_of({}, "farRed") == "Far red"
    assert label_of({"title": "I2C address"}, "i2cAddress") == "I2C address"
    assert unit_of({"description": "Percentage of full power."}) == "%"
    assert unit_of({"description": "Brightness, in percent of full brightness."}) == "%"
    assert unit_of({}, "%") == "%"
    assert unit_of({"description": "Anything."}, "%") == ""


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
KEYWORDS = (
    "type",
    "properties",
    "items",
    "enum",
    "required",
    "default",
    "minimum",
    "maximum",
    "title",
    "description",
    "format",
    "minLength",
)
SCHEMAS = st.recursive(
    st.sampled_from([{"type": kind} for kind in ("string", "integer", "number", "boolean", "null")])
    | st.dictionaries(st.sampled_from(KEYWORDS), JSON_VALUES, max_size=4),
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(
            lambda parts: {"type": "object", "properties": parts},
            st.dictionaries(st.text(max_size=4), inner, max_size=3),
        )
    ),
    max_leaves=6,
)


@given(schema=SCHEMAS | JSON_VALUES, value=JSON_VALUES)
def test_any_schema_and_any_stored_value_make_a_form_that_can_be_posted(schema, value):
    form = SchemaForm(schema, "s")
    for texts in (form.blank(), form.filled(value)):
        shown = posted(form, texts)
        entered = form.read(shown.fields, no_fault, before=value)
        again = posted(form, shown.fields, entered.faults)
        assert entered.faults.keys() <= again.ids
