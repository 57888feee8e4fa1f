"""Ownership in the API for PlantKeeper's clients: nobody sees or changes what belongs to others."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from plantkeeper_world import MONSTERA, Gardener, PlantKeeper, assert_error, serve_plantkeeper

from hortus.base.quotas import Quotas
from hortus.http.access.rate_limits import Allowance, Allowances

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def call(
    keeper: PlantKeeper, who: Gardener | None, method: str, path: str, body: Any = None
) -> httpx.Response:
    headers = who.headers if who else {}
    return await keeper.client.request(method, path, json=body, headers=headers)


# Sensors


async def test_a_sensor_is_seen_by_those_who_share_its_kit(keeper: PlantKeeper) -> None:
    owner, viewer, stranger = [await keeper.gardener() for _ in range(3)]
    admin = await keeper.gardener(is_admin=True)
    sensor_id = await keeper.sensor(owner)
    await keeper.join(viewer, sensor_id)
    for path in (f"/sensors/{sensor_id}", f"/sensors/{sensor_id}/linkedPlants"):
        for who, status in ((owner, 200), (viewer, 200), (admin, 200), (stranger, 404), (None, 401)):
            assert (await call(keeper, who, "GET", path)).status_code == status
    absent = await call(keeper, stranger, "GET", "/sensors/4242")
    hidden = await call(keeper, stranger, "GET", f"/sensors/{sensor_id}")
    assert absent.json()["message"].replace("4242", str(sensor_id)) == hidden.json()["message"]
    assert [each["id"] for each in (await call(keeper, viewer, "GET", "/sensors")).json()] == [sensor_id]
    assert (await call(keeper, viewer, "GET", "/users/sensors")).json() == []
    assert (await call(keeper, stranger, "GET", "/sensors")).json() == []
    assert sensor_id in [each["id"] for each in (await call(keeper, admin, "GET", "/sensors")).json()]
    assert_error(await call(keeper, None, "GET", "/sensors"), 401)


async def test_a_sensor_is_registered_for_oneself_and_gets_its_number_from_the_server(
    keeper: PlantKeeper,
) -> None:
    owner, other, admin = await keeper.gardener(), await keeper.gardener(), await keeper.gardener(is_admin=True)
    first = await keeper.sensor(owner)
    body = {"name": "pot", "remark": "by the window"}
    taken_over = await call(keeper, other, "POST", "/users/sensors", body | {"id": first})
    assert_error(taken_over, 422)
    made = (await call(keeper, other, "POST", "/sensors", body | {"userId": other.id})).json()
    assert (made["userId"], made["remark"]) == (other.id, "by the window")
    assert made["id"] > first
    assert_error(await call(keeper, other, "POST", "/sensors", body | {"userId": owner.id}), 403)
    for_owner = await call(keeper, admin, "POST", "/sensors", body | {"user": {"id": owner.id}})
    assert (for_owner.status_code, for_owner.json()["userId"]) == (201, owner.id)
    assert_error(await call(keeper, admin, "POST", "/sensors", body | {"userId": 2**31 - 1}), 422)
    for wrong in ({"name": "x"}, {"remark": "x"}, {"name": 1, "remark": ""}, {"name": "x" * 41, "remark": ""}):
        assert_error(await call(keeper, owner, "POST", "/users/sensors", wrong), 422)
    empty = await call(keeper, owner, "POST", "/users/sensors", {"name": "", "remark": ""})
    assert empty.status_code == 201
    assert_error(await call(keeper, None, "POST", "/sensors", body), 401)


async def test_deleting_a_sensor_unlinks_its_plant_and_keeps_what_it_measured(keeper: PlantKeeper) -> None:
    owner, viewer = await keeper.gardener(), await keeper.gardener()
    sensor_id = await keeper.sensor(owner)
    await keeper.join(viewer, sensor_id)
    plant = await keeper.plant(owner, sensor={"id": sensor_id})
    await call(keeper, owner, "PATCH", f"/sensors/{sensor_id}", {"humidity": 55})
    assert_error(await call(keeper, viewer, "DELETE", f"/sensors/{sensor_id}"), 403)
    assert_error(await call(keeper, None, "DELETE", f"/sensors/{sensor_id}"), 401)
    deleted = await call(keeper, owner, "DELETE", f"/sensors/{sensor_id}")
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert_error(await call(keeper, owner, "DELETE", f"/sensors/{sensor_id}"), 404)
    assert_error(await call(keeper, owner, "PATCH", f"/sensors/{sensor_id}", {"humidity": 1}), 404)
    kept = (await call(keeper, owner, "GET", f"/plants/{plant['id']}")).json()
    assert (kept["id"], kept["sensor"]) == (plant["id"], None)
    assert await keeper.stored(sensor_id) == [("Soil moisture", 55.0)]
    # The board may still send: its number is not reused.
    assert await keeper.sensor(owner) > sensor_id


# Plants


async def test_a_plant_is_its_owners_and_that_of_its_kit(keeper: PlantKeeper) -> None:
    owner, viewer, stranger = [await keeper.gardener() for _ in range(3)]
    sensor_id = await keeper.sensor(owner)
    await keeper.join(viewer, sensor_id)
    plant = await keeper.plant(owner, sensor={"id": sensor_id}, image="monty.png")
    path = f"/plants/{plant['id']}"
    assert (plant["userId"], plant["sensorId"], plant["generalPlantId"], plant["image"]) == (
        owner.id,
        sensor_id,
        1,
        "monty.png",
    )
    for who, sees, changes in ((owner, 200, 200), (viewer, 200, 403), (stranger, 404, 404), (None, 401, 401)):
        assert (await call(keeper, who, "GET", path)).status_code == sees
        assert (await call(keeper, who, "GET", f"{path}/linkedGeneralPlant")).status_code == sees
        assert (await call(keeper, who, "PATCH", path, {"name": "Monty II"})).status_code == changes
    for who, status in ((viewer, 403), (stranger, 404), (None, 401)):
        assert_error(await call(keeper, who, "DELETE", path), status)
    assert [each["id"] for each in (await call(keeper, viewer, "GET", "/plants")).json()] == [plant["id"]]
    assert (await call(keeper, viewer, "GET", "/users/plants")).json() == []
    assert (await call(keeper, stranger, "GET", "/plants")).json() == []
    assert (await call(keeper, owner, "DELETE", path)).status_code == 200
    assert_error(await call(keeper, owner, "DELETE", path), 404)


async def test_a_plant_moves_from_sensor_to_sensor_and_no_sensor_has_two(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    first, second = await keeper.sensor(owner), await keeper.sensor(owner)
    plant = await keeper.plant(owner, sensor={"id": first})
    twice = {"name": "x", "remark": "", "generalPlantId": 1, "sensor": {"id": first}}
    assert_error(await call(keeper, owner, "POST", "/plants", twice), 422)
    path = f"/plants/{plant['id']}"
    same = await call(keeper, owner, "PATCH", path, {"sensor": {"id": first}})
    assert (same.status_code, same.json()["sensorId"]) == (200, first)
    moved = await call(keeper, owner, "PATCH", path, {"sensor": {"id": second}, "remark": "moved"})
    assert (moved.json()["sensorId"], moved.json()["remark"]) == (second, "moved")
    assert (await call(keeper, owner, "GET", f"/sensors/{first}/linkedPlants")).json()["plantId"] is None
    unlinked = await call(keeper, owner, "PATCH", path, {"sensor": None})
    assert unlinked.json()["sensor"] is None
    count = "SELECT count(*) FROM plant_links WHERE plant_id = :id AND linked_until IS NOT NULL"
    assert await keeper.scalar(count, id=plant["id"]) == 2


async def test_plants_are_made_of_what_is_there_and_ones_own(keeper: PlantKeeper) -> None:
    owner, other = await keeper.gardener(), await keeper.gardener()
    sensor_id = await keeper.sensor(other)
    plant = {"name": "Monty", "remark": "", "generalPlant": {"id": 1}}
    made_by_other = (await call(keeper, other, "POST", "/general-plants", MONSTERA)).json()
    for wrong, status in (
        (plant | {"sensor": {"id": sensor_id}}, 422),
        (plant | {"sensor": {"id": 4242}}, 422),
        (plant | {"generalPlant": {"id": 4242}}, 422),
        (plant | {"generalPlant": {"id": made_by_other["id"]}}, 422),
        (plant | {"generalPlant": {"id": 2**40}}, 422),
        ({"name": "Monty", "remark": ""}, 422),
        ({"remark": "", "generalPlantId": 1}, 422),
        (plant | {"name": ""}, 422),
        (plant | {"id": 1}, 422),
        (plant | {"userId": other.id}, 403),
    ):
        assert_error(await call(keeper, owner, "POST", "/plants", wrong), status)
    assert (await call(keeper, owner, "GET", "/users/plants")).json() == []


# General plants


async def test_built_in_general_plants_are_there_for_everybody(keeper: PlantKeeper) -> None:
    listed = await call(keeper, None, "GET", "/general-plants")
    calathea = listed.json()[2]
    assert (
        calathea.items()
        >= {
            "id": 3,
            "type": "Calathea",
            "image": "calathea.png",
            "humidityMin": 50,
            "humidityMax": 70,
            "lightMin": 500,
            "lightMax": 800,
            "temperatureMin": 13.0,
            "temperatureMax": 21.0,
            "plants": [],
        }.items()
    )
    assert (await call(keeper, None, "GET", "/general-plants/3")).json() == calathea
    admin = await keeper.gardener(is_admin=True)
    for method in ("PATCH", "DELETE"):
        assert_error(await call(keeper, admin, method, "/general-plants/3", {"type": "x"}), 403)
        assert_error(await call(keeper, None, method, "/general-plants/3", {"type": "x"}), 401)


async def test_ones_own_general_plant_is_described_changed_and_deleted(keeper: PlantKeeper) -> None:
    owner, other = await keeper.gardener(), await keeper.gardener()
    made = (await call(keeper, owner, "POST", "/general-plants", MONSTERA)).json()
    path = f"/general-plants/{made['id']}"
    assert [each["id"] for each in (await call(keeper, owner, "GET", "/general-plants")).json()][-1] == made[
        "id"
    ]
    for who, status in ((other, 404), (None, 401)):
        assert_error(await call(keeper, who, "PATCH", path, {"type": "x"}), status)
        assert_error(await call(keeper, who, "DELETE", path), status)
        assert_error(await call(keeper, who, "GET", path), 404)
    # Ranges of a species that this API does not know are kept when it is changed here.
    await keeper.run("INSERT INTO species_ranges VALUES (:id, 3, 40, NULL)", id=made["id"])
    changed = await call(
        keeper, owner, "PATCH", path, {"humidityMin": 45, "temperatureMax": 27.5, "image": "m"}
    )
    assert (
        changed.json().items() >= (MONSTERA | {"humidityMin": 45, "temperatureMax": 27.5, "image": "m"}).items()
    )
    assert await keeper.scalar("SELECT count(*) FROM species_ranges WHERE species_id = :id", id=made["id"]) == 4
    plant = await keeper.plant(owner, generalPlant={"id": made["id"]})
    shown = (await call(keeper, owner, "GET", path)).json()
    assert [each["id"] for each in shown["plants"]] == [plant["id"]]
    assert_error(await call(keeper, owner, "DELETE", path), 409)
    await call(keeper, owner, "DELETE", f"/plants/{plant['id']}")
    assert (await call(keeper, owner, "DELETE", path)).status_code == 200
    assert_error(await call(keeper, owner, "GET", path), 404)


async def test_a_changed_general_plant_comes_with_its_plants(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    made = (await call(keeper, owner, "POST", "/general-plants", MONSTERA)).json()
    plant = await keeper.plant(owner, generalPlant={"id": made["id"]})
    path = f"/general-plants/{made['id']}"
    changed = await call(keeper, owner, "PATCH", path, {"description": "e"})
    assert [each["id"] for each in changed.json()["plants"]] == [plant["id"]]
    assert changed.json() == (await call(keeper, owner, "GET", path)).json()
    # The whole row can be sent back: its plants stay its plants.
    same = await call(keeper, owner, "PATCH", path, changed.json() | {"plants": []})
    assert same.json()["plants"] == changed.json()["plants"]


@pytest.mark.parametrize(
    "change",
    [
        {"humidityMin": 40.5},
        {"humidityMin": 61},
        {"lightMax": None},
        {"type": ""},
        {"id": 1},
        {"temperatureMin": "x"},
    ],
)
async def test_a_general_plant_that_cannot_be_is_refused(keeper: PlantKeeper, change: Any) -> None:
    owner = await keeper.gardener()
    assert_error(await call(keeper, owner, "POST", "/general-plants", MONSTERA | change), 422)


# People


async def test_people_see_themselves_and_administrators_everybody(keeper: PlantKeeper) -> None:
    person, other, admin = (
        await keeper.gardener(),
        await keeper.gardener(),
        await keeper.gardener(is_admin=True),
    )
    await keeper.sensor(person)
    own = (await call(keeper, person, "GET", "/users/me")).json()
    assert (own["id"], own["role"], len(own["sensors"])) == (person.id, "User", 1)
    assert (await call(keeper, person, "GET", f"/users/{person.id}")).json() == own
    assert (await call(keeper, person, "GET", "/profile")).json() == own
    assert_error(await call(keeper, other, "GET", f"/users/{person.id}"), 404)
    assert_error(await call(keeper, other, "GET", "/users/999999"), 404)
    assert_error(await call(keeper, other, "GET", "/users/abc"), 422)
    assert_error(await call(keeper, None, "GET", f"/users/{person.id}"), 401)
    assert_error(await call(keeper, person, "GET", "/users"), 403)
    assert (await call(keeper, admin, "GET", f"/users/{person.id}")).json() == own
    everybody = (await call(keeper, admin, "GET", "/users")).json()
    assert own in everybody
    assert {each["role"] for each in everybody} >= {"Admin", "User"}
    key = {"name": "list", "scopes": ["read"]}
    base = f"http://127.0.0.1:{keeper.port}/api"
    made = await keeper.client.post(f"{base}/me/api-keys", json=key, headers=admin.headers)
    listed = await keeper.client.get("/users", headers={"token": made.json()["key"]})
    assert listed.json() == everybody
    assert_error(await keeper.client.get("/users", headers={"token": "0" * 64}), 401)


async def test_logging_in_lasts_until_the_password_is_another(keeper: PlantKeeper) -> None:
    account = {"username": "robin", "email": "robin@example.org", "password": "s3cret s3cret"}
    made = await keeper.client.post("/users", json=account)
    assert made.status_code == 201
    wrong = await keeper.client.post("/auth/login", json={"email": "robin@example.org", "password": "x"})
    nobody = await keeper.client.post("/auth/login", json={"email": "nobody@example.org", "password": "x"})
    for answer in (wrong, nobody):
        assert_error(answer, 401, "Unauthorized")
    log_in = {"email": "Robin@Example.org", "password": "s3cret s3cret"}
    token = (await keeper.client.post("/auth/login", json=log_in)).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    # The token works for our own API too, so a client may use both.
    me = await keeper.client.get(f"http://127.0.0.1:{keeper.port}/api/me", headers=bearer)
    assert me.json()["username"] == "robin"

    for refused in ({"password": "new"}, {"password": "new", "currentPassword": "x"}):
        assert_error(await keeper.client.patch("/users/me", json=refused, headers=bearer), 422)
    admin = {"role": "Admin", "email": "robin@example.com", "username": "robin"}
    changed = await keeper.client.patch("/users/me", json=admin, headers=bearer)
    assert (changed.json()["role"], changed.json()["email"]) == ("User", "robin@example.com")
    new = {"password": "n3w n3w n3w", "currentPassword": "s3cret s3cret"}
    assert (await keeper.client.patch("/users/me", json=new, headers=bearer)).status_code == 200
    assert_error(await keeper.client.get("/users/me", headers=bearer), 401)
    again = {"email": "robin@example.com", "password": "n3w n3w n3w"}
    assert (await keeper.client.post("/auth/login", json=again)).status_code == 201


async def test_accounts_are_made_by_rules_and_never_taken_over(keeper: PlantKeeper) -> None:
    victim = await keeper.gardener()
    account = {"username": "kim", "email": "kim@example.org", "password": "s3cret s3cret"}
    for wrong in (
        account | {"id": victim.id},
        account | {"email": victim.email},
        account | {"email": "nobody"},
        account | {"username": ""},
        {"username": "kim", "email": "kim@example.org"},
        account | {"password": ""},
    ):
        assert_error(await keeper.client.post("/users", json=wrong), 422)
    async with serve_plantkeeper(keeper.world, sign_up_open=False) as closed:
        assert_error(await closed.client.post("/users", json=account), 403)


async def test_guessing_passwords_is_slowed_down_together_with_our_own_log_in(keeper: PlantKeeper) -> None:
    victim = await keeper.gardener()
    name = victim.email.partition("@")[0]
    few = Allowances(log_ins_per_user=Allowance(at_once=4, refill_seconds=3600.0))
    async with serve_plantkeeper(keeper.world, allowances=few) as served:
        theirs = f"{served.url}/auth/login", {"email": victim.email, "password": "x"}
        ours = f"http://127.0.0.1:{served.port}/api/me/auth", {"username": name, "password": "x"}
        statuses = [
            (await served.client.post(url, json=guess)).status_code for url, guess in [theirs, ours] * 3
        ]
        assert statuses[0] == statuses[2] == 401
        assert 429 not in statuses[:4]
        assert statuses[4:] == [429, 429]
        limited = await served.client.post(theirs[0], json=theirs[1])
        assert_error(limited, 429)
        assert int(limited.headers["retry-after"]) > 0


async def test_an_account_is_deleted_by_its_person_and_kits_outlive_it(keeper: PlantKeeper) -> None:
    person, other = await keeper.gardener(), await keeper.gardener()
    shared, alone = await keeper.sensor(person), await keeper.sensor(person)
    await keeper.join(other, shared)
    linked = await keeper.plant(person, sensor={"id": alone})
    unlinked = await keeper.plant(person)
    assert_error(await call(keeper, other, "DELETE", f"/users/{person.id}"), 404)
    assert_error(await call(keeper, None, "DELETE", f"/users/{person.id}"), 401)
    # Others would be left with a kit that nobody can manage.
    assert_error(await call(keeper, person, "DELETE", f"/users/{person.id}"), 422)
    await keeper.run("UPDATE kit_memberships SET access_super = true WHERE user_id = :id", id=other.id)
    assert (await call(keeper, person, "DELETE", f"/users/{person.id}")).status_code == 200
    assert_error(await call(keeper, person, "GET", "/users/me"), 401)
    plants = "SELECT count(*) FROM plants WHERE id = :id"
    assert [await keeper.scalar(plants, id=each["id"]) for each in (linked, unlinked)] == [1, 0]
    assert (await call(keeper, other, "GET", f"/sensors/{shared}")).json()["userId"] == other.id


# What holds for all


async def test_what_the_original_has_and_must_not_have_is_not_there(keeper: PlantKeeper) -> None:
    admin = await keeper.gardener(is_admin=True)
    for method, path in (("GET", "/seed"), ("GET", "/mail"), ("PUT", "/sensors/1"), ("GET", "/nothing")):
        answer = await call(keeper, admin, method, path)
        assert_error(answer, 404, f"Cannot {method} /api/v1{path}")


async def test_browsers_of_other_origins_may_use_it(keeper: PlantKeeper) -> None:
    preflight = await keeper.client.options("/users/me", headers={"Origin": "https://plants.example.org"})
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    refused = await keeper.client.get("/users/me", headers={"Origin": "https://plants.example.org"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")


async def test_bodies_are_bounded(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    large = {"name": "x", "remark": "x" * 200_000}
    assert_error(await call(keeper, owner, "POST", "/users/sensors", large), 413)


@pytest.mark.parametrize(
    "quotas", [Quotas(boards_per_person=2), Quotas(kits_per_person=2)], ids=["boards", "kits"]
)
async def test_even_requests_at_once_register_no_more_sensors_than_one_may_have(
    keeper: PlantKeeper, quotas: Quotas
) -> None:
    async with serve_plantkeeper(keeper.world, quotas=quotas) as strict:
        owner, admin = await strict.gardener(), await strict.gardener(is_admin=True)
        body = {"name": "pot", "remark": ""}
        answers = await asyncio.gather(*(call(strict, owner, "POST", "/sensors", body) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [201, 201, 422, 422, 422]
        assert "2 " in (await call(strict, owner, "POST", "/sensors", body)).json()["message"]
        for _ in range(3):
            assert (await call(strict, admin, "POST", "/sensors", body)).status_code == 201


# Texts


async def test_names_and_remarks_hold_nothing_that_a_terminal_obeys(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    sensor_id = await keeper.sensor(owner)
    for body in ({"name": "po\x1bt", "remark": ""}, {"name": "pot", "remark": "\u202ewindow"}):
        refused = await call(keeper, owner, "POST", "/users/sensors", body)
        assert_error(refused, 422)
        assert "U+" in refused.json()["message"]
    for body in ({"type": "Fic\nus"}, {"description": "\x07"}, {"type": " "}):
        assert_error(await call(keeper, owner, "POST", "/general-plants", MONSTERA | body), 422)
    blank = await call(keeper, owner, "POST", "/users/sensors", {"name": "  ", "remark": "by the\nwindow"})
    assert (blank.status_code, blank.json()["name"], blank.json()["remark"]) == (
        201,
        "Sensor",
        "by the\nwindow",
    )
    species = (await call(keeper, owner, "POST", "/general-plants", MONSTERA)).json()
    plant = {"name": "Monty", "remark": "", "generalPlantId": species["id"], "sensorId": sensor_id}
    assert_error(await call(keeper, owner, "POST", "/plants", plant | {"name": "Mon\u2028ty"}), 422)
    made = await call(keeper, owner, "POST", "/plants", plant)
    assert made.status_code == 201, made.text
    path = f"/plants/{made.json()['id']}"
    assert_error(await call(keeper, owner, "PATCH", path, {"name": "Mon\x1bty"}), 422)
    assert (await call(keeper, owner, "PATCH", path, {"remark": "two\nlines"})).status_code == 200
