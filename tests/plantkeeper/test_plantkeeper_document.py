"""The OpenAPI document of `/api/v1` is complete and true: every answer to anything is one that it describes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as with_seed
from hypothesis.errors import Unsatisfiable
from plantkeeper_world import MONSTERA, TOKEN_KEY, serve_plantkeeper
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Route

from hortus.http.access.rate_limits import Allowance, Allowances
from hortus.http.access.services import ApiParts, Services
from hortus.http.plantkeeper.app import create_plantkeeper_api
from hortus.http.plantkeeper.documentation import document
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
GENEROUS = Allowances(anonymous=MANY, log_ins=MANY, log_ins_per_user=MANY, sign_ups=MANY)
EXAMPLES = 4


async def no_connection() -> Any:
    raise AssertionError("nothing is asked of it")


def test_every_route_is_described_and_nothing_else() -> None:
    services = Services(ApiParts(engine=_NoEngine(), connect=no_connection, token_key=TOKEN_KEY))
    router = create_plantkeeper_api(PlantKeeperParts(services=services))._app
    served = {
        (route.path, method.lower())
        for route in router.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
        if not route.path.startswith(("/docs", "/openapi.json"))
    }
    described = {
        (path, method)
        for path, operations in document()["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert served == described


class _NoEngine:
    """An engine that is not asked for anything but a variant of itself."""

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
    # What deletes goes last, or nothing would be there to be found.
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
