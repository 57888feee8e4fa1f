"""Values as the fields of a form give them: numbers and ids as text, and nothing as an empty text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from plantkeeper_world import MONSTERA, Gardener, PlantKeeper, assert_error
from pydantic import TypeAdapter, ValidationError

from hortus.http.conventions.parameters import LARGEST_ID, SMALLEST_ID
from hortus.http.plantkeeper.form_values import Id, Number, Reference, Whole

BOUNDS = {name: value for name, value in MONSTERA.items() if name not in {"type", "description"}}


async def call(keeper: PlantKeeper, who: Gardener, method: str, path: str, body: Any) -> httpx.Response:
    return await keeper.client.request(method, path, json=body, headers=who.headers)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_bounds_of_a_general_plant_may_be_text(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    as_text = {name: f" {value} " for name, value in BOUNDS.items()}
    made = await call(keeper, owner, "POST", "/general-plants", MONSTERA | as_text)
    assert made.status_code == 201, made.text
    assert made.json().items() >= MONSTERA.items()
    path = f"/general-plants/{made.json()['id']}"
    changed = await call(keeper, owner, "PATCH", path, {"humidityMin": "45", "temperatureMax": "27.5"})
    assert changed.json().items() >= (MONSTERA | {"humidityMin": 45, "temperatureMax": 27.5}).items()
    # An emptied field is null, which keeps what there is.
    kept = await call(keeper, owner, "PATCH", path, {"humidityMin": "", "temperatureMax": " "})
    assert kept.json().items() >= {"humidityMin": 45, "temperatureMax": 27.5}.items()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"humidityMin": "wet"}, "humidityMin: a whole number is expected, such as 40."),
        ({"humidityMin": "40.5"}, "humidityMin: a whole number is expected, such as 40."),
        ({"lightMax": "1,500"}, "lightMax: a whole number is expected, such as 40."),
        ({"temperatureMin": "18,5"}, "temperatureMin: a number is expected, such as 21.5, with a point."),
        ({"temperatureMin": "NaN"}, "temperatureMin: a number is expected, such as 21.5, with a point."),
        ({"temperatureMin": "٣"}, "temperatureMin: a number is expected, such as 21.5, with a point."),
        ({"humidityMax": "9" * 4000}, "humidityMax: a whole number is expected, such as 40."),
        ({"humidityMax": "99999999999"}, "humidityMax: input should be less than or equal to 2147483647."),
    ],
)
async def test_a_text_that_is_no_number_is_refused_with_what_is_right(
    keeper: PlantKeeper, method: str, change: Any, words: str
) -> None:
    owner = await keeper.gardener()
    path = "/general-plants"
    if method == "PATCH":
        path += f"/{(await call(keeper, owner, 'POST', path, MONSTERA)).json()['id']}"
    refused = await call(keeper, owner, method, path, MONSTERA | change)
    assert_error(refused, 422, words)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_required_bound_may_not_be_an_empty_text(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    for name in BOUNDS:
        refused = await call(keeper, owner, "POST", "/general-plants", MONSTERA | {name: ""})
        assert_error(refused, 422)
        assert refused.json()["message"].startswith(f"{name}: a ")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("form", ['{"id": %d}', '{"id": "%d"}', "%d", '"%d"', '" %d "'])
async def test_a_plant_names_its_sensor_and_its_kind_in_every_form_that_clients_use(
    keeper: PlantKeeper, form: str
) -> None:
    owner = await keeper.gardener()
    first, second = await keeper.sensor(owner), await keeper.sensor(owner)

    def reference(number: int) -> Any:
        return json.loads(form % number)

    wanted = {"name": "Monty", "remark": "", "sensor": reference(first), "generalPlant": reference(2)}
    made = await call(keeper, owner, "POST", "/users/plants", wanted)
    assert made.status_code == 201, made.text
    assert (made.json()["sensorId"], made.json()["generalPlantId"]) == (first, 2)
    path = f"/plants/{made.json()['id']}"
    moved = await call(keeper, owner, "PATCH", path, {"sensor": reference(second), "generalPlantId": "3"})
    assert (moved.json()["sensorId"], moved.json()["generalPlantId"]) == (second, 3)
    by_id = await call(keeper, owner, "PATCH", path, {"sensorId": str(first)})
    assert by_id.json()["sensorId"] == first


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("nothing", [None, "", " ", {"id": None}, {"id": ""}])
async def test_nothing_as_the_sensor_unlinks_the_plant(keeper: PlantKeeper, nothing: Any) -> None:
    owner = await keeper.gardener()
    sensor_id = await keeper.sensor(owner)
    plant = await keeper.plant(owner, sensor=sensor_id)
    for name in ("sensor",) if isinstance(nothing, dict) else ("sensor", "sensorId"):
        path = f"/plants/{plant['id']}"
        linked = await call(keeper, owner, "PATCH", path, {"sensor": sensor_id})
        assert linked.json()["sensorId"] == sensor_id
        unlinked = await call(keeper, owner, "PATCH", path, {name: nothing})
        assert (unlinked.status_code, unlinked.json()["sensor"]) == (200, None)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_whole_row_can_be_sent_back(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    sensor_id = await keeper.sensor(owner)
    plant = await keeper.plant(owner, sensor={"id": sensor_id})
    path = f"/plants/{plant['id']}"
    same = await call(keeper, owner, "PATCH", path, plant | {"remark": "by the window"})
    assert same.status_code == 200, same.text
    volatile = {"remark", "updatedAt"}
    assert {k: v for k, v in same.json().items() if k not in volatile} == {
        k: v for k, v in plant.items() if k not in volatile
    }
    # The relation counts, not the column beside it that the client did not update.
    unlinked = await call(keeper, owner, "PATCH", path, plant | {"sensor": None})
    assert unlinked.json()["sensorId"] is None


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "wrong", ["two", "2.5", True, [2], {"number": 2}, {"id": "two"}, {"id": {"id": 2}}, 2.5]
)
async def test_a_reference_that_is_none_is_refused(keeper: PlantKeeper, wrong: Any) -> None:
    owner = await keeper.gardener()
    for name in ("sensor", "generalPlant", "user"):
        body = {"name": "Monty", "remark": "", "generalPlant": 1, name: wrong}
        refused = await call(keeper, owner, "POST", "/plants", body)
        assert_error(refused, 422)
        assert refused.json()["message"].startswith(f"{name}: ")


@pytest.mark.asyncio(loop_scope="module")
async def test_the_owner_of_a_sensor_or_plant_may_be_named_by_text(keeper: PlantKeeper) -> None:
    owner, admin = await keeper.gardener(), await keeper.gardener(is_admin=True)
    sensor = {"name": "pot", "remark": ""}
    for whose in ({"userId": str(owner.id)}, {"user": {"id": str(owner.id)}}, {"user": owner.id}):
        for_owner = await call(keeper, admin, "POST", "/sensors", sensor | whose)
        assert (for_owner.status_code, for_owner.json()["userId"]) == (201, owner.id)
        plant = {"name": "Monty", "remark": "", "generalPlant": "1"}
        assert (await call(keeper, owner, "POST", "/plants", plant | whose)).status_code == 201
        assert_error(await call(keeper, admin, "POST", "/plants", plant | whose), 403)


@pytest.mark.asyncio(loop_scope="module")
async def test_an_empty_id_is_none_and_a_text_creates_nothing(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    made = await call(keeper, owner, "POST", "/users/sensors", {"name": "pot", "remark": "", "id": ""})
    assert made.status_code == 201
    taken = {"name": "pot", "remark": "", "id": str(made.json()["id"])}
    assert_error(await call(keeper, owner, "POST", "/users/sensors", taken), 422)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_reading_may_be_text(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    sensor_id = await keeper.sensor(owner)
    reading = {"id": f" {sensor_id} ", "humidity": " 55.6", "light": "900 ", "temperature": "-1.5e0"}
    answer = await call(keeper, owner, "PATCH", f"/sensors/{sensor_id}", reading)
    assert answer.status_code == 200, answer.text
    assert sorted(await keeper.stored(sensor_id)) == [
        ("Light level", 900.0),
        ("Soil moisture", 55.6),
        ("Temperature", -1.5),
    ]
    empty = await call(keeper, owner, "PATCH", f"/sensors/{sensor_id}", {"humidity": "", "temperature": " "})
    assert (empty.status_code, empty.json()["humidity"]) == (200, 56)
    assert len(await keeper.stored(sensor_id)) == 3
    refused = await call(keeper, owner, "PATCH", f"/sensors/{sensor_id}", {"temperature": "21,4"})
    assert_error(refused, 422, "temperature: a number is expected, such as 21.5, with a point.")


@pytest.mark.asyncio(loop_scope="module")
async def test_every_number_in_every_body_may_be_text(keeper: PlantKeeper) -> None:
    """No body has times or yes-or-no values either, whose text would need a rule, too."""
    described = (await keeper.client.get("/openapi.json")).json()
    numbers, others = 0, []
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                for name, kinds in _kinds_of_fields(content["schema"], described):
                    numbers += bool(kinds & {"integer", "number"})
                    if (kinds & {"integer", "number"} and "string" not in kinds) or "boolean" in kinds:
                        others.append((method, path, name))
    assert numbers > 20
    assert others == []


def _kinds_of_fields(schema: Any, described: Any) -> Iterator[tuple[str, set[str]]]:
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for name, field in schema.get("properties", {}).items():
        alternatives = field.get("anyOf", [field])
        yield name, {each.get("type", "object") for each in alternatives}
        for each in alternatives:
            yield from _kinds_of_fields(each, described)


WHOLES = TypeAdapter(Whole)
NUMBERS = TypeAdapter(Number)
IDS = TypeAdapter(Id)
REFERENCES = TypeAdapter(Reference)
SPACES = st.text(" \t\n\u00a0", max_size=3)


@given(st.integers(SMALLEST_ID, LARGEST_ID), SPACES, SPACES)
def test_a_whole_number_and_its_text_are_the_same(number: int, before: str, after: str) -> None:
    text = f"{before}{number}{after}"
    assert [kind.validate_python(text) for kind in (WHOLES, IDS, REFERENCES)] == [number] * 3
    assert REFERENCES.validate_python({"id": text}) == number


@given(st.floats(-1e9, 1e9, allow_nan=False))
@example(5e-16)
@example(1e-7)
def test_a_number_and_its_text_are_the_same(number: float) -> None:
    assert NUMBERS.validate_python(repr(number)) == number


@given(st.text(max_size=30) | st.from_regex(r"[0-9eE+\-.,_ ]{0,12}"))
@example("1_000")
@example("1e400")
@example("0x1")
@example("infinity")
def test_any_text_is_a_number_or_refused(text: str) -> None:
    for kind in (WHOLES, NUMBERS, IDS):
        try:
            number = kind.validate_python(text)
        except ValidationError:
            continue
        assert float(text) == number
        assert text.strip().isascii()
        assert "_" not in text
