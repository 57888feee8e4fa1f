"""The OpenAPI document of `/api/v1` is complete and true: it describes every answer to any request."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as with_seed
from hypothesis.errors import Unsatisfiable
from plantkeeper_world import MONSTERA, TOKEN_KEY, assert_error, serve_plantkeeper
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hortus.http.access.rate_limits import Allowance, Allowances
from hortus.http.access.services import ApiParts, Services
from hortus.http.plantkeeper.app import create_plantkeeper_api
from hortus.http.plantkeeper.parts import PlantKeeperParts
from ingest_fixtures import running_world

# Not `unsupported_method`: the original answers another method with 404, and so do we.
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
MANY = Allowance(at_once=100_000, refill_seconds=0.0)
GENEROUS = Allowances(anonymous=MANY, log_ins=MANY, log_ins_per_user=MANY, sign_ups=MANY, known_accounts=MANY)
EXAMPLES = 4


async def no_connection() -> Any:
    raise AssertionError("nothing is asked of it")


# docs/plantkeeper-api.md, "Routes"
ROUTES = {
    "/": {"get"},
    "/auth/login": {"post"},
    "/profile": {"get"},
    "/users": {"get", "post"},
    "/users/me": {"get", "patch"},
    "/users/sensors": {"get", "post"},
    "/users/sensors/linkedPlant": {"get"},
    "/users/plants": {"get", "post"},
    "/users/plants/linkedGeneralPlant": {"get"},
    "/users/{id}": {"get", "delete"},
    "/sensors": {"get", "post"},
    "/sensors/{id}": {"get", "patch", "delete"},
    "/sensors/{id}/linkedPlants": {"get"},
    "/plants": {"get", "post"},
    "/plants/{id}": {"get", "patch", "delete"},
    "/plants/{id}/linkedGeneralPlant": {"get"},
    "/general-plants": {"get", "post"},
    "/general-plants/{id}": {"get", "patch", "delete"},
}


def test_the_routes_of_the_contract_are_described_and_no_others() -> None:
    paths = described_paths()
    assert {path: set(operations) for path, operations in paths.items()} == ROUTES


def test_who_may_call_is_described() -> None:
    paths = described_paths()
    bearer, basic = {"bearer": []}, {"basic": []}
    open_to_all = {
        (path, method)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if {} in operation.get("security", [{}])
    }
    assert open_to_all == {
        ("/", "get"),
        ("/auth/login", "post"),
        ("/users", "post"),
        ("/general-plants", "get"),
        ("/general-plants/{id}", "get"),
        ("/sensors/{id}", "patch"),
    }
    assert paths["/users/me"]["get"]["security"] == [bearer]
    assert paths["/sensors/{id}"]["patch"]["security"] == [bearer, basic, {}]


async def test_a_failure_that_nobody_foresaw_has_the_shape_of_the_others() -> None:
    transport = httpx.ASGITransport(api_without_database())
    async with httpx.AsyncClient(transport=transport, base_url="http://keeper") as client:
        answer = await client.get("/general-plants")
    assert_error(answer, 500, "Internal server error")
    assert answer.headers["access-control-allow-origin"] == "*"


def described_paths() -> dict[str, Any]:
    paths: dict[str, Any] = api_without_database().openapi()["paths"]
    return paths


def api_without_database() -> FastAPI:
    services = Services(ApiParts(engine=_NoEngine(), connect=no_connection, token_key=TOKEN_KEY))
    return create_plantkeeper_api(PlantKeeperParts(services=services))


class _NoEngine:
    """An engine that supports nothing but making a variant of itself."""

    def execution_options(self, **_: Any) -> _NoEngine:
        return self


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("identified", [False, True], ids=["anonymous", "logged in"])
async def test_every_answer_to_anything_is_described(module_database_url: str, identified: bool) -> None:
    async with (
        running_world(module_database_url) as world,
        serve_plantkeeper(world, allowances=GENEROUS) as keeper,
    ):
        described = (await keeper.client.get("/openapi.json")).json()
        assert described["servers"] == [{"url": "/api/v1"}]
        assert (await keeper.client.get("/docs")).status_code == 200
        assert (await keeper.client.get("/docs/swagger-ui.css")).status_code == 200
        assert (await keeper.client.get("/docs/nothing")).status_code == 404
        gardener = await keeper.gardener()
        sensor_id = await keeper.sensor(gardener)
        own = await keeper.client.post("/general-plants", json=MONSTERA, headers=gardener.headers)
        plant = await keeper.plant(gardener, sensor={"id": sensor_id}, generalPlant={"id": own.json()["id"]})
        known = {"users": gardener.id, "sensors": sensor_id, "plants": plant["id"]}
        known["general-plants"] = own.json()["id"]
        headers = gardener.headers if identified else {}
        await asyncio.to_thread(try_everything, described, keeper.url, headers, known)


def try_everything(described: Any, base_url: str, headers: dict[str, str], known: dict[str, int]) -> None:
    operations = [result.ok() for result in schemathesis.openapi.from_dict(described).get_all_operations()]
    # Deletions go last, or there would be nothing left to find.
    for operation in sorted(operations, key=lambda each: (each.method == "delete", "users" in each.path)):
        try_operation(operation, schemathesis.GenerationMode.POSITIVE, base_url, headers, known)
        with contextlib.suppress(Unsatisfiable):
            try_operation(operation, schemathesis.GenerationMode.NEGATIVE, base_url, headers, known)


def try_operation(
    operation: Any, mode: Any, base_url: str, headers: dict[str, str], known: dict[str, int]
) -> None:
    @with_seed(20261122)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Any) -> None:
        if mode is schemathesis.GenerationMode.POSITIVE and case.path_parameters:
            case.path_parameters["id"] = known[operation.path.split("/")[1]]
        response = case.call(base_url=base_url, headers=headers)
        case.validate_response(response, checks=list(CHECKS))

    attempt()
