"""`/admin/definitions`: quantities, devices and limits that administrators define."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text
from starlette.responses import PlainTextResponse
from web_helpers import app_of, client_of, client_to, log_in, make_kit, make_user

from hortus.domain.administration.definitions import list_all_devices, list_all_quantities
from hortus.domain.administration.log import list_deeds
from hortus.domain.definitions.precision import decimals_of
from hortus.domain.definitions.store import load_definitions
from hortus.http.pages.figures import measured

QUANTITY = {
    "physical_quantity": "Dissolved oxygen",
    "physical_unit": "Milligrams per litre",
    "symbol": "mg/l",
    "decimals": "1",
}
SCHEMA = {"type": "object", "title": "Configuration", "properties": {"pin": {"type": "integer"}}}
DEVICE = {
    "name": "Oxygen probe",
    "description": "",
    "brand": "Acme",
    "model": "DO-1",
    "symbol_location": "acme.sensors",
    "symbol": "Oxygen",
    "configuration_schema": json.dumps(SCHEMA),
    "command_schema": "",
}


@pytest.fixture
async def client(own_engine):
    async with own_engine.begin() as connection:
        await make_user(connection, "root", is_admin=True)
    async with client_of(own_engine) as client:
        await log_in(client, "root")
        yield client


async def quantity(engine, name):
    async with engine.connect() as connection:
        found = [each for each in await list_all_quantities(connection) if each.physical_quantity == name]
    return found[0] if found else None


async def device(engine, name):
    async with engine.connect() as connection:
        found = [each for each in await list_all_devices(connection) if each.definition.name == name]
    return found[0] if found else None


async def deeds(engine) -> list[tuple[str, str]]:
    async with engine.connect() as connection:
        return [(each.deed, each.subject) for each in await list_deeds(connection, before_id=None, most=20)]


async def test_a_quantity_is_defined_changed_and_deleted(client, own_engine):
    made = await client.post("/admin/definitions/quantities", data=QUANTITY)
    assert made.headers["location"] == "/admin/definitions?said=created"
    oxygen = await quantity(own_engine, "Dissolved oxygen")
    assert (oxygen.symbol, oxygen.decimals, oxygen.is_built_in) == ("mg/l", 1, False)
    path = f"/admin/definitions/quantities/{oxygen.id}"
    await client.post(path, data={"symbol": "", "decimals": "3"})
    changed = await quantity(own_engine, "Dissolved oxygen")
    assert (changed.symbol, changed.decimals) == (None, 3)
    assert (await client.post(f"{path}/delete")).headers["location"].endswith("said=deleted")
    assert await quantity(own_engine, "Dissolved oxygen") is None
    name = "Dissolved oxygen (Milligrams per litre)"
    assert await deeds(own_engine) == [
        ("quantity-deleted", name),
        ("quantity-changed", name),
        ("quantity-created", name),
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"physical_quantity": ""}, "physical_quantity"),
        ({"physical_unit": "x" * 101}, "physical_unit"),
        ({"physical_quantity": "a\tb"}, "physical_quantity"),
        ({"decimals": "7"}, "decimals"),
        ({"decimals": "-1"}, "decimals"),
        ({"physical_quantity": "Temperature", "physical_unit": "Degrees Celsius"}, "physical_quantity"),
    ],
)
async def test_a_quantity_with_faults_comes_back_filled_in(client, change, field):
    answer = await client.post("/admin/definitions/quantities", data=QUANTITY | change)
    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text
    assert 'value="mg/l"' in answer.text


async def test_what_is_built_in_cannot_be_changed_or_deleted(client, own_engine):
    for form in ({"symbol": "K", "decimals": "0"}, None):
        path = "/admin/definitions/quantities/1" + ("/delete" if form is None else "")
        answer = await client.post(path, data=form)
        assert answer.status_code == 409
        assert "comes with Hortus" in answer.text
    assert (await client.post("/admin/definitions/devices/1/delete")).status_code == 409
    assert (await client.post("/admin/definitions/devices/1", data=DEVICE)).status_code == 409
    assert (await client.get("/admin/definitions/devices/1")).status_code == 200
    assert await deeds(own_engine) == []


async def test_a_used_quantity_cannot_be_deleted(client, own_engine):
    await client.post("/admin/definitions/quantities", data=QUANTITY)
    oxygen = await quantity(own_engine, "Dissolved oxygen")
    await client.post("/admin/definitions/devices", data=DEVICE | {"measures": str(oxygen.id)})
    answer = await client.post(f"/admin/definitions/quantities/{oxygen.id}/delete")
    assert answer.status_code == 409
    assert "has to stay" in answer.text


async def test_a_device_is_defined_and_used_and_then_stays(client, own_engine):
    made = await client.post("/admin/definitions/devices", data=DEVICE | {"measures": ["1", "3"]})
    assert made.status_code == 303
    probe = await device(own_engine, "Oxygen probe")
    assert probe.definition.configuration_schema == SCHEMA
    assert sorted(probe.definition.quantity_types) == [1, 3]
    path = f"/admin/definitions/devices/{probe.id}"
    await client.post(path, data=DEVICE | {"brand": "", "measures": "1"})
    assert (await device(own_engine, "Oxygen probe")).definition.brand is None

    async with own_engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        await connection.execute(
            text("UPDATE peripherals SET peripheral_definition_id = :id WHERE id = :peripheral"),
            {"id": probe.id, "peripheral": kit.peripherals[0].id},
        )
    page = (await client.get(path)).text
    assert "Used by 1 kit." in page
    assert "Kits have such a device, so it has to stay." in page
    assert (await client.post(f"{path}/delete")).status_code == 409
    other = json.dumps(SCHEMA | {"required": ["pin"]})
    refused = await client.post(path, data=DEVICE | {"configuration_schema": other})
    assert refused.status_code == 409
    assert (await client.post(path, data=DEVICE | {"description": "By the pond."})).status_code == 303
    assert (await device(own_engine, "Oxygen probe")).definition.description == "By the pond."


@pytest.mark.parametrize(
    "schema", ["", "{", "[]", '{"type": "nothing"}', '{"$ref": "#/nowhere"}', '{"title": "\\u0000"}', "7"]
)
async def test_a_schema_that_cannot_be_used_is_refused(client, own_engine, schema):
    answer = await client.post("/admin/definitions/devices", data=DEVICE | {"configuration_schema": schema})
    assert answer.status_code == 422
    assert 'href="#configuration_schema"' in answer.text
    assert await device(own_engine, "Oxygen probe") is None


async def test_own_limits_replace_the_built_in_ones_until_they_are_reset(client, own_engine):
    before = (await quantity(own_engine, "Temperature")).limits
    path = "/admin/definitions/quantities/1/limits"
    assert (await client.post(path, data={"minimum": "−5,5", "maximum": "60"})).status_code == 303
    limits = (await quantity(own_engine, "Temperature")).limits
    assert (limits.minimum, limits.maximum, limits.is_own) == (-5.5, 60, True)
    async with own_engine.begin() as connection:
        # As an upgrade does.
        await load_definitions(connection)
    assert (await quantity(own_engine, "Temperature")).limits == limits
    assert "are not those that come with Hortus" in (await client.get("/admin/definitions/quantities/1")).text
    await client.post(path, data={"reset": "yes"})
    assert (await quantity(own_engine, "Temperature")).limits == before
    assert [deed for deed, _ in await deeds(own_engine)] == ["limits-reset", "limits-set"]


@pytest.mark.parametrize(
    "form",
    [{"minimum": "9", "maximum": "3"}, {"minimum": "x"}, {"minimum": "", "maximum": ""}, {"maximum": "nan"}],
)
async def test_limits_that_make_no_sense_are_refused_at_their_field(client, own_engine, form):
    before = (await quantity(own_engine, "Temperature")).limits
    answer = await client.post("/admin/definitions/quantities/1/limits", data=form)
    assert answer.status_code == 422
    assert "One field needs a change" in answer.text
    assert (await quantity(own_engine, "Temperature")).limits == before


async def test_a_device_can_have_limits_of_its_own(client, own_engine):
    dry = next(
        each for each in await _devices(own_engine) if not each.limits and each.definition.quantity_types
    )
    number = next(iter(dry.definition.quantity_types))
    path = f"/admin/definitions/devices/{dry.id}/limits"
    form = {"quantity": str(number), f"minimum-{number}": "0", f"maximum-{number}": "50"}
    assert (await client.post(path, data=form)).status_code == 303
    (limits,) = (await device(own_engine, dry.definition.name)).limits
    assert (limits.minimum, limits.maximum, limits.is_own) == (0, 50, True)
    wrong = await client.post(path, data=form | {f"minimum-{number}": "99"})
    assert wrong.status_code == 422
    assert f'href="#minimum-{number}"' in wrong.text
    await client.post(path, data={"quantity": str(number), "reset": "yes"})
    assert (await device(own_engine, dry.definition.name)).limits == []


async def _devices(engine):
    async with engine.connect() as connection:
        return await list_all_devices(connection)


@pytest.mark.parametrize(
    "path", ["quantities/999", "quantities/x", "devices/999", "devices/99999999999999999999"]
)
async def test_unknown_definitions_are_not_found(client, path):
    assert (await client.get(f"/admin/definitions/{path}")).status_code == 404
    assert (await client.post(f"/admin/definitions/{path}/delete")).status_code == 404


async def test_values_are_shown_with_the_decimals_of_an_own_quantity(client, own_engine):
    await client.post("/admin/definitions/quantities", data=QUANTITY | {"decimals": "3"})
    seen = []

    async def page(request):
        seen.extend(
            [measured(1234.56789, "Dissolved oxygen"), decimals_of("Dissolved oxygen"), measured(2, "pH")]
        )
        return PlainTextResponse("")

    app = app_of(own_engine)
    app.add_route("/seen", page)
    async with client_to(app) as other:
        await other.get("/seen")
    assert seen == ["1,234.568", 3, "2.0"]
    assert measured(1234.56789, "Dissolved oxygen") == "1,234.6"
