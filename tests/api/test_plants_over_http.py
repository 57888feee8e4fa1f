"""Plants over HTTP: creating them, their links, their condition, and who may see them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from api_client import Installation, Person, assert_invalid, assert_problem
from PIL import Image

from hortus.domain.kits.store import CreatedKit, CreatedPeripheral, add_standard_configuration

TEMPERATURE, PRESSURE, HUMIDITY = 1, 2, 3


async def equipped_kit(api: Installation, **arguments: Any) -> tuple[CreatedKit, list[CreatedPeripheral]]:
    kit = await api.kit(**arguments)
    async with api.engine.begin() as connection:
        return kit, await add_standard_configuration(connection, kit.id)


async def measure(
    api: Installation, kit: CreatedKit, peripheral: CreatedPeripheral, value: float, *, age_seconds: float = 0
) -> None:
    await api.run(
        "INSERT INTO raw_measurements"
        " (datetime, value, id, kit_id, peripheral_id, kit_configuration_id, quantity_type_id)"
        " SELECT :moment, :value, :id, kit_id, id, kit_configuration_id, 1"
        " FROM peripherals WHERE id = :peripheral",
        moment=datetime.now(UTC) - timedelta(seconds=age_seconds),
        value=value,
        id=uuid.uuid4(),
        peripheral=peripheral.id,
    )


async def made(api: Installation, person: Person, **body: Any) -> Any:
    response = await api.client.post("/plants", json={"name": "Monty", **body}, headers=person.headers)
    assert response.status_code == 201, response.text
    return response.json()


def quantity(plant: Any, quantity_type_id: int) -> Any:
    (found,) = (each for each in plant["quantities"] if each["quantityTypeId"] == quantity_type_id)
    return found


async def test_a_plant_is_made_judged_changed_and_deleted(api: Installation) -> None:
    kit, (thermometer, *_) = await equipped_kit(api)
    person = await api.member(kit, access_super=True)
    await measure(api, kit, thermometer, 17.5, age_seconds=60)
    plant = await made(api, person, speciesId=1, kitSerial=kit.serial, remark="By the window")
    assert (plant["owner"], plant["condition"], plant["mayEdit"]) == (person.username, "low", True)
    assert plant["species"] == {"id": 1, "name": "Monstera"}
    temperature = quantity(plant, TEMPERATURE)
    assert 60 <= temperature.pop("ageSeconds") < 3600
    assert temperature.pop("datetime")
    assert temperature == {
        "quantityTypeId": TEMPERATURE,
        "condition": "low",
        "value": 17.5,
        "minimum": 18.0,
        "maximum": 27.0,
        "kitSerial": kit.serial,
        "peripheralName": "Temperature",
        "implausible": None,
    }
    assert quantity(plant, HUMIDITY)["condition"] == "noData"
    assert quantity(plant, PRESSURE)["condition"] is None

    shown = await api.client.get(f"/plants/{plant['id']}", headers=person.headers)
    assert shown.json()["links"] == plant["links"]
    change = {"name": "Monstera at home", "speciesId": None, "remark": None}
    changed = await api.client.patch(f"/plants/{plant['id']}", json=change, headers=person.headers)
    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["species"]) == ("Monstera at home", None)
    assert (changed.json()["remark"], changed.json()["condition"]) == ("By the window", "noData")

    deleted = await api.client.delete(f"/plants/{plant['id']}", headers=person.headers)
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert_problem(await api.client.get(f"/plants/{plant['id']}", headers=person.headers), 404)


async def test_a_plants_own_range_goes_before_its_species(api: Installation) -> None:
    kit, (thermometer, *_) = await equipped_kit(api)
    person = await api.member(kit, access_super=True)
    await measure(api, kit, thermometer, 17.5)
    plant = await made(api, person, speciesId=1, kitSerial=kit.serial)
    url = f"/plants/{plant['id']}/ranges/{TEMPERATURE}"
    own = await api.client.put(url, json={"minimum": 17.5}, headers=person.headers)
    assert quantity(own.json(), TEMPERATURE)["condition"] == "ok"
    assert own.json()["ranges"] == [{"quantityTypeId": TEMPERATURE, "minimum": 17.5, "maximum": None}]
    unjudged = await api.client.put(url, json={}, headers=person.headers)
    assert quantity(unjudged.json(), TEMPERATURE)["condition"] is None
    again = await api.client.delete(url, headers=person.headers)
    assert (quantity(again.json(), TEMPERATURE)["condition"], again.json()["ranges"]) == ("low", [])
    assert_problem(await api.client.delete(url, headers=person.headers), 404)
    wrong = await api.client.put(url, json={"minimum": 3, "maximum": 2}, headers=person.headers)
    assert_invalid(wrong, range=["other"])
    unknown = await api.client.put(f"/plants/{plant['id']}/ranges/99999", json={}, headers=person.headers)
    assert_invalid(unknown, quantityTypeId=["other"])


async def test_links_are_made_ended_and_kept_as_history(api: Installation) -> None:
    kit, _ = await equipped_kit(api)
    person = await api.member(kit, access_configure=True)
    plant = await made(api, person)
    url = f"/plants/{plant['id']}/links"
    body = {"kitSerial": kit.serial, "from": "2026-01-01T00:00:00Z"}
    linked = await api.client.post(url, json=body, headers=person.headers)
    assert linked.status_code == 201
    (link,) = linked.json()["links"]
    assert link == {
        "id": link["id"],
        "kitSerial": kit.serial,
        "kitName": "Basil",
        "peripheralName": None,
        "quantityTypeId": None,
        "from": "2026-01-01T00:00:00Z",
        "until": None,
    }
    assert_problem(await api.client.post(url, json=body, headers=person.headers), 409)
    single = {"kitSerial": kit.serial, "peripheralName": "Climate", "quantityTypeId": TEMPERATURE}
    both = await api.client.post(url, json=single, headers=person.headers)
    assert quantity(both.json(), TEMPERATURE)["peripheralName"] == "Climate"
    ended = await api.client.patch(
        f"{url}/{link['id']}", json={"until": "2026-01-02T00:00:00+00:00"}, headers=person.headers
    )
    assert [(each["id"] == link["id"], each["until"]) for each in ended.json()["links"]] == [
        (True, "2026-01-02T00:00:00Z"),
        (False, None),
    ]
    deleted = await api.client.delete(f"{url}/{link['id']}", headers=person.headers)
    assert len(deleted.json()["links"]) == 1
    assert_problem(await api.client.delete(f"{url}/{link['id']}", headers=person.headers), 404)


async def test_a_plant_is_seen_and_edited_by_those_of_its_kit_and_deleted_by_its_owner(
    api: Installation,
) -> None:
    kit, (thermometer, *_) = await equipped_kit(api)
    owner = await api.member(kit, access_super=True)
    viewer, configurer = await api.member(kit), await api.member(kit, access_configure=True)
    stranger, admin = await api.person(), await api.person(is_admin=True)
    await measure(api, kit, thermometer, 20.0)
    plant = await made(api, owner, kitSerial=kit.serial)
    url = f"/plants/{plant['id']}"
    for person, sees, edits in (
        (owner, 200, 200),
        (viewer, 200, 403),
        (configurer, 200, 200),
        (admin, 200, 200),
    ):
        shown = await api.client.get(url, headers=person.headers)
        assert (shown.status_code, shown.json()["mayEdit"]) == (sees, edits == 200)
        changed = await api.client.patch(url, json={"remark": "x"}, headers=person.headers)
        assert changed.status_code == edits
        listed = await api.client.get(f"/kits/{kit.serial}/plants", headers=person.headers)
        assert [each["id"] for each in listed.json()] == [plant["id"]]
    for method in ("GET", "PATCH", "DELETE"):
        unknown = f"/plants/{2**31 - 1}"
        for headers, status in ((stranger.headers, 404), ({}, 401)):
            hidden = await api.client.request(method, url, json={}, headers=headers)
            absent = await api.client.request(method, unknown, json={}, headers=headers)
            assert (hidden.status_code, hidden.json()) == (absent.status_code, absent.json())
            assert hidden.status_code == status
    assert_problem(await api.client.delete(url, headers=configurer.headers), 403)
    mine = await api.client.get("/plants", headers=viewer.headers)
    assert [each["id"] for each in mine.json()] == [plant["id"]]
    assert (await api.client.get("/plants", headers=stranger.headers)).json() == []
    assert_problem(await api.client.get("/plants"), 401, "/probs/authorization-header", category="missing")
    of_owner = f"/users/{owner.username}/plants"
    assert len((await api.client.get(of_owner, headers=viewer.headers)).json()) == 1
    assert (await api.client.get(of_owner, headers=stranger.headers)).json() == []
    assert (await api.client.delete(url, headers=owner.headers)).status_code == 200


async def test_an_owner_who_left_the_kit_keeps_the_plant_but_not_the_readings(api: Installation) -> None:
    kit, (thermometer, *_) = await equipped_kit(api)
    owner = await api.member(kit, access_super=True)
    await measure(api, kit, thermometer, 20.0)
    plant = await made(api, owner, kitSerial=kit.serial)
    assert quantity(plant, TEMPERATURE)["value"] == 20.0
    await api.run("DELETE FROM kit_memberships WHERE user_id = :id", id=owner.id)
    shown = (await api.client.get(f"/plants/{plant['id']}", headers=owner.headers)).json()
    assert (shown["links"], shown["quantities"], shown["condition"]) == ([], [], "noData")


async def test_a_plant_of_a_public_kit_is_public(api: Installation) -> None:
    kit, _ = await equipped_kit(api, public=True)
    owner = await api.member(kit, access_super=True)
    plant = await made(api, owner, kitSerial=kit.serial)
    assert (await api.client.get(f"/plants/{plant['id']}")).json()["mayEdit"] is False
    assert [each["id"] for each in (await api.client.get(f"/kits/{kit.serial}/plants")).json()] == [plant["id"]]


async def test_linking_needs_the_right_to_configure_the_kit(api: Installation) -> None:
    kit, _ = await equipped_kit(api)
    viewer, stranger = await api.member(kit), await api.person()
    body = {"name": "Monty", "kitSerial": kit.serial}
    assert_problem(await api.client.post("/plants", json=body, headers=viewer.headers), 403)
    for serial in (kit.serial, "k-0000-0000-0000", "\u0000x" * 30):
        plant = await api.client.post("/plants", json=body | {"kitSerial": serial}, headers=stranger.headers)
        if "\u0000" in serial:
            assert plant.status_code == 400
        else:
            assert_invalid(plant, kitSerial=["notFound"])
    assert (await api.client.get("/plants", headers=stranger.headers)).json() == []


async def test_what_an_api_key_may_do_depends_on_its_scopes(api: Installation) -> None:
    person = await api.person()
    plant = await made(api, person)
    keys = {}
    for scope in ("read", "configure"):
        body = {"name": scope, "scopes": [scope]}
        key = (await api.client.post("/me/api-keys", json=body, headers=person.headers)).json()["key"]
        keys[scope] = {"Authorization": f"Bearer {key}"}
    url = f"/plants/{plant['id']}"
    assert (await api.client.get(url, headers=keys["read"])).status_code == 200
    assert_problem(await api.client.patch(url, json={}, headers=keys["read"]), 403)
    assert_problem(await api.client.get(url, headers=keys["configure"]), 403)
    assert (await api.client.patch(url, json={}, headers=keys["configure"])).status_code == 200
    assert_problem(await api.client.get("/plants", headers=keys["configure"]), 403)


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"name": ""}, {"name": [{"mustHaveLengthBetween": {"min": 1, "max": 80}}]}),
        ({"name": "x" * 81}, {"name": [{"mustHaveLengthBetween": {"min": 1, "max": 80}}]}),
        ({"name": "x", "remark": "x" * 4001}, {"remark": [{"mustHaveLengthBetween": {"min": 0, "max": 4000}}]}),
        ({"name": "x", "image": ""}, {"image": [{"mustHaveLengthBetween": {"min": 1, "max": 2000}}]}),
        ({"name": "x", "speciesId": 99999}, {"speciesId": ["notFound"]}),
    ],
)
async def test_a_plant_that_cannot_be_is_refused(api: Installation, body: Any, refused: Any) -> None:
    person = await api.person()
    assert_invalid(await api.client.post("/plants", json=body, headers=person.headers), **refused)


async def test_lists_go_on_where_a_header_says(api: Installation) -> None:
    person = await api.person()
    await api.run(
        "INSERT INTO plants (owner_id, name) SELECT :owner, 'plant ' || n FROM generate_series(1, 101) n",
        owner=person.id,
    )
    first = await api.client.get("/plants", headers=person.headers)
    rest = await api.client.get(first.headers["x-next"], headers=person.headers)
    assert (len(first.json()), len(rest.json()), "x-next" in rest.headers) == (100, 1, False)


# Species


async def test_built_in_species_are_seen_by_all_and_changed_by_nobody(api: Installation) -> None:
    listed = await api.client.get("/species")
    assert [species["name"] for species in listed.json()][:5] == [
        "Monstera",
        "Philodendron",
        "Calathea",
        "Aloe Vera",
        "Pothos",
    ]
    assert all(species["isBuiltIn"] for species in listed.json())
    admin = await api.person(is_admin=True)
    for method in ("PATCH", "DELETE"):
        refused = await api.client.request(method, "/species/1", json={"name": "x"}, headers=admin.headers)
        assert_problem(refused, 403)
    assert (await api.client.get("/species/1")).json() == listed.json()[0]


async def test_ones_own_species_is_described_used_changed_and_deleted(api: Installation) -> None:
    person, other = await api.person(), await api.person()
    ranges = [{"quantityTypeId": 1, "minimum": 18.0, "maximum": None}]
    body = {"name": "Basil", "ranges": ranges}
    made_species = await api.client.post("/species", json=body, headers=person.headers)
    assert made_species.status_code == 201
    species = made_species.json()
    assert (species["name"], species["ranges"], species["isBuiltIn"]) == ("Basil", ranges, False)
    url = f"/species/{species['id']}"
    listed = await api.client.get("/species", headers=person.headers)
    assert listed.json()[-1] == species
    assert species not in (await api.client.get("/species", headers=other.headers)).json()
    assert_problem(await api.client.get(url, headers=other.headers), 404)
    assert_problem(await api.client.patch(url, json={}, headers=other.headers), 404)
    taken = await api.client.post(
        "/plants", json={"name": "x", "speciesId": species["id"]}, headers=other.headers
    )
    assert_invalid(taken, speciesId=["notFound"])

    plant = await made(api, person, speciesId=species["id"])
    assert_problem(await api.client.delete(url, headers=person.headers), 409)
    changed = await api.client.patch(
        url, json={"ranges": [{"quantityTypeId": 3, "maximum": 80}]}, headers=person.headers
    )
    assert changed.json()["ranges"] == [{"quantityTypeId": 3, "minimum": None, "maximum": 80.0}]
    shown = (await api.client.get(f"/plants/{plant['id']}", headers=person.headers)).json()
    assert [each["quantityTypeId"] for each in shown["quantities"]] == [3]
    await api.client.delete(f"/plants/{plant['id']}", headers=person.headers)
    assert (await api.client.delete(url, headers=person.headers)).status_code == 200
    assert_problem(await api.client.get(url, headers=person.headers), 404)


@pytest.mark.parametrize(
    "ranges",
    [
        [{"quantityTypeId": 1}],
        [{"quantityTypeId": 1, "minimum": 2, "maximum": 1}],
        [{"quantityTypeId": 1, "minimum": 2}, {"quantityTypeId": 1, "maximum": 3}],
        [{"quantityTypeId": 99999, "minimum": 2}],
    ],
)
async def test_ranges_that_cannot_be_are_refused(api: Installation, ranges: Any) -> None:
    person = await api.person()
    body = {"name": "Basil", "ranges": ranges}
    assert_invalid(await api.client.post("/species", json=body, headers=person.headers), ranges=["other"])


# Photos


def picture(kind: str, size: tuple[int, int] = (2000, 1000), **saving: Any) -> bytes:
    content = BytesIO()
    Image.new("RGB", size, "green").save(content, kind, **saving)
    return content.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_a_photo_is_made_small_and_shown(api: Installation, kind: str) -> None:
    person = await api.person()
    plant = await made(api, person)
    url = f"/plants/{plant['id']}/photo"
    assert_problem(await api.client.get(url, headers=person.headers), 404)
    headers = person.headers | {"Content-Type": f"image/{kind.lower()}"}
    uploaded = await api.client.put(url, content=picture(kind), headers=headers)
    assert uploaded.status_code == 200
    shown = await api.client.get(uploaded.json()["photo"], headers=person.headers)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(BytesIO(shown.content)).size == (1600, 800)
    etag = {"If-None-Match": shown.headers["etag"]}
    assert (await api.client.get(url, headers=person.headers | etag)).status_code == 304
    assert_problem(await api.client.get(url, headers=(await api.person()).headers), 404)
    removed = await api.client.delete(url, headers=person.headers)
    assert removed.json()["photo"] is None
    assert_problem(await api.client.delete(url, headers=person.headers), 404)


async def test_a_photo_does_not_tell_where_it_was_taken_and_stands_upright(api: Installation) -> None:
    person = await api.person()
    plant = await made(api, person)
    exif = Image.Exif()
    exif[0x010E] = "at home"  # description
    exif[0x0112] = 6  # taken with the camera turned
    content = picture("JPEG", (400, 200), exif=exif)
    headers = person.headers | {"Content-Type": "image/jpeg"}
    uploaded = await api.client.put(f"/plants/{plant['id']}/photo", content=content, headers=headers)
    shown = Image.open(
        BytesIO((await api.client.get(uploaded.json()["photo"], headers=person.headers)).content)
    )
    assert (shown.size, dict(shown.getexif())) == ((200, 400), {})


async def test_what_is_no_photo_is_refused_in_words(api: Installation) -> None:
    person = await api.person()
    plant = await made(api, person)
    url = f"/plants/{plant['id']}/photo"
    jpeg = {"Content-Type": "image/jpeg"}
    for content, headers, status in (
        (b"<svg/>", {"Content-Type": "image/svg+xml"}, 415),
        (b"", jpeg, 400),
        (b"no picture", jpeg, 400),
        (picture("PNG")[:200], jpeg, 400),
        (picture("PNG", (10_000, 5_001)), jpeg, 400),
        (b"x" * (10 * 1024 * 1024 + 1), jpeg, 413),
    ):
        refused = await api.client.put(url, content=content, headers=person.headers | headers)
        assert (refused.status_code, bool(refused.json()["detail"])) == (status, True)
    assert (await api.client.get(f"/plants/{plant['id']}", headers=person.headers)).json()["photo"] is None
