"""The scopes of API keys in the API for PlantKeeper's clients: the table, cell by cell, of each endpoint.

The table is written down here a second time, on purpose, and a route without a line in it fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from plantkeeper_world import MONSTERA, Gardener, PlantKeeper, now

from hortus.domain.accounts.api_keys import Scope, make_key
from hortus.http.plantkeeper import general_plants_api, plants_api, readings_api, sensors_api, users_api

pytestmark = pytest.mark.asyncio(loop_scope="module")

PERSON = "a person, not a key"
ANYBODY = "anybody"
READING = {"humidity": 50}
PLANT = {"name": "Monty", "remark": "", "generalPlant": {"id": 1}}
SENSOR = {"name": "pot", "remark": ""}

# Endpoint, what it takes, and the body of a request that succeeds.
TABLE: dict[tuple[str, str], tuple[Scope | str, Any]] = {
    ("POST", "/auth/login"): (ANYBODY, None),
    ("POST", "/users"): (ANYBODY, None),
    ("GET", "/users"): (Scope.READ, None),
    ("GET", "/profile"): (Scope.READ, None),
    ("GET", "/users/me"): (Scope.READ, None),
    ("PATCH", "/users/me"): (PERSON, {}),
    ("GET", "/users/{id}"): (Scope.READ, None),
    ("GET", "/users/sensors"): (Scope.READ, None),
    ("GET", "/users/sensors/linkedPlant"): (Scope.READ, None),
    ("GET", "/sensors"): (Scope.READ, None),
    ("POST", "/users/sensors"): (Scope.MANAGE, SENSOR),
    ("POST", "/sensors"): (Scope.MANAGE, SENSOR),
    ("GET", "/sensors/{id}"): (Scope.READ, None),
    ("GET", "/sensors/{id}/linkedPlants"): (Scope.READ, None),
    ("PATCH", "/sensors/{id}"): (Scope.CONFIGURE, READING),
    ("GET", "/users/plants"): (Scope.READ, None),
    ("GET", "/users/plants/linkedGeneralPlant"): (Scope.READ, None),
    ("GET", "/plants"): (Scope.READ, None),
    ("POST", "/users/plants"): (Scope.CONFIGURE, PLANT),
    ("POST", "/plants"): (Scope.CONFIGURE, PLANT),
    ("GET", "/plants/{id}"): (Scope.READ, None),
    ("GET", "/plants/{id}/linkedGeneralPlant"): (Scope.READ, None),
    ("PATCH", "/plants/{id}"): (Scope.CONFIGURE, {"remark": "by the window"}),
    ("GET", "/general-plants"): (ANYBODY, None),
    ("GET", "/general-plants/{id}"): (Scope.READ, None),
    ("POST", "/general-plants"): (Scope.CONFIGURE, MONSTERA),
    ("PATCH", "/general-plants/{id}"): (Scope.CONFIGURE, {"description": "e"}),
    # These delete what the others need.
    ("DELETE", "/plants/{id}"): (Scope.CONFIGURE, None),
    ("DELETE", "/general-plants/{id}"): (Scope.CONFIGURE, None),
    ("DELETE", "/sensors/{id}"): (Scope.MANAGE, None),
    ("DELETE", "/users/{id}"): (PERSON, None),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """An administrator with one of everything."""

    keeper: PlantKeeper
    owner: Gardener
    ids: dict[str, int]

    async def key(self, scopes: frozenset[Scope]) -> dict[str, str]:
        """Return the headers of a new key of the owner."""
        async with self.keeper.world.engine.begin() as connection:
            moment = now()
            _, secret = await make_key(
                connection,
                self.owner.id,
                name="key",
                scopes=scopes,
                expires_at=moment + timedelta(days=1),
                now=moment,
            )
        return {"Authorization": f"Bearer {secret}"}

    async def call(self, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
        wanted = TABLE[method, path][1]
        of = path.split("/")[1]
        at = path.replace("{id}", str(self.ids.get(of)))
        return await self.keeper.client.request(method, at, json=wanted, headers=headers)


async def scene_of(keeper: PlantKeeper) -> Scene:
    owner = await keeper.gardener(is_admin=True)
    sensor_id = await keeper.sensor(owner)
    species = await keeper.client.post("/general-plants", json=MONSTERA, headers=owner.headers)
    plant = await keeper.plant(owner, sensor={"id": sensor_id})
    ids = {
        "users": owner.id,
        "sensors": sensor_id,
        "plants": plant["id"],
        "general-plants": species.json()["id"],
    }
    return Scene(keeper, owner, ids)


def routes() -> Iterator[tuple[str, str]]:
    for module in (general_plants_api, plants_api, readings_api, sensors_api, users_api):
        for route in module.router.routes:
            assert isinstance(route, APIRoute)
            yield from ((method, route.path) for method in route.methods)


async def test_every_endpoint_has_a_line_in_the_table() -> None:
    assert set(routes()) == set(TABLE)


async def test_a_key_without_the_scope_is_refused_and_told_nothing(keeper: PlantKeeper) -> None:
    scene = await scene_of(keeper)
    for (method, path), (needed, _) in TABLE.items():
        if needed == ANYBODY:
            continue
        lacking = frozenset(Scope) - {needed} if isinstance(needed, Scope) else frozenset(Scope)
        answer = await scene.call(method, path, await scene.key(lacking))
        assert answer.status_code == 403, (method, path, answer.text)
        assert scene.owner.email not in answer.text


async def test_a_key_with_the_scope_alone_is_served(keeper: PlantKeeper) -> None:
    scene = await scene_of(keeper)
    for (method, path), (needed, _) in TABLE.items():
        if isinstance(needed, Scope):
            answer = await scene.call(method, path, await scene.key(frozenset({needed})))
            assert answer.is_success, (method, path, answer.text)


async def test_what_everybody_may_read_holds_nothing_private_for_a_key_that_may_not_read(
    keeper: PlantKeeper,
) -> None:
    scene = await scene_of(keeper)
    listed = await scene.call("GET", "/general-plants", await scene.key(frozenset(Scope) - {Scope.READ}))
    assert scene.ids["general-plants"] not in [each["id"] for each in listed.json()]
    assert not any(each["plants"] for each in listed.json())
