"""`PATCH /sensors/{id}`: who may send readings, and every row of the table (plantkeeper 4.4)."""

from __future__ import annotations

import asyncio
import base64
from ipaddress import ip_network
from typing import Any

import pytest
from plantkeeper_world import PlantKeeper, assert_error, serve_plantkeeper

pytestmark = pytest.mark.asyncio(loop_scope="module")

READING = {"temperature": 21.46, "humidity": 55, "light": 900}
LOOPBACK = (ip_network("127.0.0.0/8"),)


async def sensors(keeper: PlantKeeper) -> list[Any]:
    """Everything about sensors that a reading must not change: their number, owners, names and remarks."""
    rows = await keeper.world.connection.fetch(
        "SELECT b.sensor_id, k.name, k.description, m.user_id FROM boards b JOIN kits k ON k.id = b.kit_id"
        " LEFT JOIN kit_memberships m ON m.kit_id = k.id ORDER BY b.sensor_id, m.user_id"
    )
    return [tuple(row) for row in rows]


async def test_values_are_taken_as_the_contract_says_and_nothing_else_changes(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    sensor_id, other_id = await keeper.sensor(owner), await keeper.sensor(owner, "pot 2")
    before = await sensors(keeper)

    async def patch(body: Any) -> Any:
        answer = await keeper.client.patch(f"/sensors/{sensor_id}", json=body, headers=owner.headers)
        assert answer.status_code == 200, answer.text
        row = answer.json()
        return row["id"], row["temperature"], row["humidity"], row["light"]

    assert await patch(READING | {"id": sensor_id}) == (sensor_id, 21.46, 55, 900)
    assert await patch({}) == (sensor_id, 21.46, 55, 900)
    # A value that could not be measured is missing, not zero: the previous one stays the latest.
    assert await patch({"temperature": None, "humidity": 56}) == (sensor_id, 21.46, 56, 900)
    # Fractions are kept, and shown as the original's whole numbers.
    assert await patch({"humidity": 55.6, "light": 3.4}) == (sensor_id, 21.46, 56, 3)
    assert await patch({"humidity": "55", "temperature": "-1.5"}) == (sensor_id, -1.5, 55, 3)
    assert await patch({"humidity": -12, "light": 99999, "temperature": -400}) == (
        sensor_id,
        -400.0,
        -12,
        99999,
    )
    # The id must be that of the path, in any form; a text creates nothing.
    for named in (sensor_id, str(sensor_id), float(sensor_id), None):
        assert (await patch({"humidity": 1, "id": named}))[0] == sensor_id
    taken = {"userId": 99, "user": {"id": 99}, "createdAt": "2000-01-01"}
    assert await patch({"humidity": 2, **taken, "lastAlert": None}) == (sensor_id, -400.0, 2, 99999)
    assert await sensors(keeper) == before
    assert await keeper.stored(other_id) == []
    assert len(await keeper.stored(sensor_id)) == 3 + 1 + 2 + 2 + 3 + 3 + 1 + 1
    kit_id = await keeper.scalar("SELECT kit_id FROM boards WHERE sensor_id = :id", id=sensor_id)
    counts = await keeper.world.ledger(kit_id)
    assert (counts.received, counts.stored, counts.adds_up) == (16, 16, True)


async def test_a_sensor_is_renamed_by_people_who_may_edit_it(keeper: PlantKeeper) -> None:
    owner, viewer = await keeper.gardener(), await keeper.gardener()
    sensor_id = await keeper.sensor(owner)
    await keeper.join(viewer, sensor_id)

    async def patch(headers: dict[str, str], body: Any) -> Any:
        return await keeper.client.patch(f"/sensors/{sensor_id}", json=body, headers=headers)

    renamed = await patch(owner.headers, {"name": "Window sill", "remark": "left\nof the door"})
    assert renamed.status_code == 200
    assert (renamed.json()["name"], renamed.json()["remark"]) == ("Window sill", "left\nof the door")
    assert await keeper.stored(sensor_id) == []
    both = await patch(owner.headers, {"name": "Shelf", "humidity": 55})
    assert (both.json()["name"], both.json()["remark"], both.json()["humidity"]) == (
        "Shelf",
        "left\nof the door",
        55,
    )
    shown = await keeper.client.get(f"/sensors/{sensor_id}", headers=owner.headers)
    assert shown.json()["name"] == "Shelf"
    for wrong in (
        {"name": "x" * 41},
        {"name": 7},
        {"remark": ["mine"]},
        {"name": "x" * 41, "humidity": 1},
    ):
        assert_error(await patch(owner.headers, wrong), 422)
    assert_error(await patch(viewer.headers, {"name": "mine"}), 403)
    # Whoever only brings readings renames nothing.
    gateway = {"Authorization": f"Bearer {await keeper.gateway_token('window sill')}"}
    brought = await patch(gateway, {"name": "mine", "remark": "mine", "humidity": 56})
    assert (brought.status_code, brought.json()["name"], brought.json()["humidity"]) == (200, "Shelf", 56)
    assert [value for _, value in await keeper.stored(sensor_id)] == [55.0, 56.0]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("{id}", {"humidity": "wet"}, 422),
        ("{id}", {"humidity": 3_000_000_000}, 422),
        ("{id}", {"light": -3_000_000_000}, 422),
        ("{id}", {"temperature": True}, 422),
        ("{id}", {"temperature": [1]}, 422),
        ("{id}", {"humidity": 1, "id": 2}, 422),
        ("{id}", {"humidity": 1, "id": "two"}, 422),
        ("{id}", [], 422),
        ("{id}", "text", 422),
        ("0", {"humidity": 1}, 404),
        ("-1", {"humidity": 1}, 404),
        ("4242", {"humidity": 1}, 404),
        ("99999999999", {"humidity": 1}, 404),
        ("abc", {"humidity": 1}, 422),
        ("1.0", {"humidity": 1}, 422),
        ("0x1", {"humidity": 1}, 422),
        ("%201", {"humidity": 1}, 422),
        ("", {"humidity": 1}, 404),
    ],
)
async def test_what_cannot_be_is_refused_and_stores_nothing(
    keeper: PlantKeeper, path: str, body: Any, status: int
) -> None:
    owner = await keeper.gardener()
    sensor_id = await keeper.sensor(owner)
    stored = await keeper.world.count()
    answer = await keeper.client.patch(
        f"/sensors/{path.format(id=sensor_id)}", json=body, headers=owner.headers
    )
    assert_error(answer, status)
    assert await keeper.world.count() == stored


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b'{"humidity": NaN}', "application/json", 400),
        (b"", "application/json", 400),
        (b"null", "application/json", 422),
        (b'{"humidity": 1', "application/json", 400),
        (b"humidity=1", "application/x-www-form-urlencoded", 415),
        (b'{"humidity": 1}', "text/plain", 415),
        (b'{"humidity": 1, "x": "' + b"x" * 5000 + b'"}', "application/json", 413),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    keeper: PlantKeeper, content: bytes, content_type: str, status: int
) -> None:
    owner = await keeper.gardener()
    sensor_id = await keeper.sensor(owner)
    headers = owner.headers | {"Content-Type": content_type}
    answer = await keeper.client.patch(f"/sensors/{sensor_id}", content=content, headers=headers)
    assert_error(answer, status)
    assert await keeper.stored(sensor_id) == []


async def test_whoever_does_not_say_who_they_are_is_refused_by_default(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    sensor_id = await keeper.sensor(owner)
    not_a_token = base64.b64encode(b"old:hortus_gateway_\0").decode()
    for authorization in (
        None,
        "Bearer x",
        "Basic x",
        "x",
        "Basic \u00e9",
        "Bearer \u00e9",
        f"Basic {not_a_token}",
    ):
        headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
        known = await keeper.client.patch(f"/sensors/{sensor_id}", json=READING, headers=headers)
        unknown = await keeper.client.patch("/sensors/4242", json=READING, headers=headers)
        for answer in (known, unknown):  # alike: the answers must not reveal which sensors exist
            assert_error(answer, 401, "You do not have access to this route")
            assert answer.headers["www-authenticate"] == "Bearer"
    assert await keeper.stored(sensor_id) == []


async def test_readings_are_taken_from_those_who_may_configure_the_kit(keeper: PlantKeeper) -> None:
    owner, viewer, configurer = [await keeper.gardener() for _ in range(3)]
    stranger, admin = await keeper.gardener(), await keeper.gardener(is_admin=True)
    sensor_id = await keeper.sensor(owner)
    await keeper.join(viewer, sensor_id)
    await keeper.join(configurer, sensor_id, configure=True)
    for person, status in ((owner, 200), (configurer, 200), (admin, 200), (viewer, 403), (stranger, 404)):
        answer = await keeper.client.patch(f"/sensors/{sensor_id}", json=READING, headers=person.headers)
        assert answer.status_code == status
    assert len(await keeper.stored(sensor_id)) == 9


async def test_a_gateways_token_brings_readings_of_its_own_boards_only(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    first, second = await keeper.sensor(owner), await keeper.sensor(owner)
    # A person testing it does not lock out the gateway that comes later.
    tried = await keeper.client.patch(f"/sensors/{first}", json=READING, headers=owner.headers)
    assert tried.status_code == 200
    bearer = {"Authorization": f"Bearer {await keeper.gateway_token('one')}"}
    other = {"Authorization": f"Bearer {await keeper.gateway_token('two')}"}
    answer = await keeper.client.patch(f"/sensors/{first}", json=READING, headers=bearer)
    assert (answer.status_code, answer.json()["id"], answer.json()["humidity"]) == (200, first, 55)
    # The board belongs to the first gateway that sent something.
    assert_error(await keeper.client.patch(f"/sensors/{first}", json=READING, headers=other), 404)
    assert (await keeper.client.patch(f"/sensors/{second}", json=READING, headers=other)).status_code == 200
    assert_error(await keeper.client.patch("/sensors/4242", json=READING, headers=bearer), 404)
    wrong = {"Authorization": "Bearer hortus_gateway_wrong"}
    assert_error(await keeper.client.patch(f"/sensors/{first}", json=READING, headers=wrong), 401)
    # A gateway's token opens nothing else.
    assert_error(await keeper.client.get("/users/sensors", headers=bearer), 401)
    # Its owner still may: the board stays with its gateway.
    assert (
        await keeper.client.patch(f"/sensors/{first}", json=READING, headers=owner.headers)
    ).status_code == 200
    assert (await keeper.client.patch(f"/sensors/{first}", json=READING, headers=bearer)).status_code == 200
    assert await keeper.world.count("waiting_boards") == 0


async def test_an_operator_can_open_it_to_a_network_and_no_further(keeper: PlantKeeper) -> None:
    world = keeper.world
    async with serve_plantkeeper(world, open_networks=LOOPBACK) as keeper:
        owner = await keeper.gardener()
        sensor_id = await keeper.sensor(owner)
        answer = await keeper.client.patch(f"/sensors/{sensor_id}", json=READING)
        assert answer.status_code == 200
        # Owner and remark are not shown to unauthenticated senders.
        row = answer.json()
        assert (row["id"], row["userId"], row["name"], row["humidity"]) == (sensor_id, None, "", 55)
        assert_error(await keeper.client.patch("/sensors/4242", json=READING), 404)
        assert_error(await keeper.client.get(f"/sensors/{sensor_id}"), 401)
        # Concurrently: one by one, a slow machine would stay below the limit.
        answers = await asyncio.gather(
            *(keeper.client.patch(f"/sensors/{sensor_id}", json=READING) for _ in range(30))
        )
        assert 429 in {answer.status_code for answer in answers}
        # Readings of a board that belongs to a gateway with a token are not accepted from anyone else.
        token = await keeper.gateway_token()
        guarded = await keeper.sensor(owner)
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await keeper.client.patch(f"/sensors/{guarded}", json=READING)).status_code == 200
        assert (
            await keeper.client.patch(f"/sensors/{guarded}", json=READING, headers=bearer)
        ).status_code == 200
        assert_error(await keeper.client.patch(f"/sensors/{guarded}", json=READING), 404)
    async with serve_plantkeeper(world, open_networks=(ip_network("10.0.0.0/8"),)) as keeper:
        assert_error(await keeper.client.patch(f"/sensors/{sensor_id}", json=READING), 401)


async def test_a_process_that_takes_no_readings_says_so(keeper: PlantKeeper) -> None:
    async with serve_plantkeeper(keeper.world, takes_readings=False) as keeper:
        owner = await keeper.gardener()
        sensor_id = await keeper.sensor(owner)
        answer = await keeper.client.patch(f"/sensors/{sensor_id}", json=READING, headers=owner.headers)
        assert_error(answer, 503)
