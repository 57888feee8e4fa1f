"""The OpenAPI document is true: no request causes a failure, and every answer is one it describes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as with_seed
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from hortus.domain.series.store import series_of
from hortus.http.access.rate_limits import Allowance, Allowances

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
)
MANY = Allowance(at_once=100_000, refill_seconds=0.0)
GENEROUS = Allowances(
    anonymous=MANY,
    log_ins=MANY,
    log_ins_per_user=MANY,
    sign_ups=MANY,
    known_accounts=MANY,
    password_resets=MANY,
    test_messages=MANY,
)
EXAMPLES = 6


@pytest.mark.slow
@pytest.mark.timeout(400)  # thousands of requests; seconds on a machine that does nothing else
@pytest.mark.parametrize("identified", [False, True], ids=["anonymous", "logged in"])
async def test_every_answer_to_anything_is_described(serve: Any, identified: bool) -> None:
    # Without a prefix: then a path with `..` in it still reaches the API.
    async with serve(prefix="", sign_up_open=True, allowances=GENEROUS) as api:
        document = (await api.client.get("/openapi.json")).json()
        person = await api.person()
        kit = await api.kit()
        await api.join(kit, person, access_super=True)
        made = await api.client.post(f"/kits/{kit.serial}/configurations", json={}, headers=person.headers)
        species = {"name": "Basil", "ranges": [{"quantityTypeId": 1, "minimum": 18}]}
        own = await api.client.post("/species", json=species, headers=person.headers)
        plant = {"name": "Monty", "speciesId": own.json()["id"], "kitSerial": kit.serial}
        planted = await api.client.post("/plants", json=plant, headers=person.headers)
        async with api.engine.begin() as connection:
            series_id = await series_of(connection, kit.id, "Air", 1)
        known = {
            "seriesId": series_id,
            "kitSerial": kit.serial,
            "kitConfigurationId": made.json()["id"],
            "username": person.username,
            "speciesId": own.json()["id"],
            "plantId": planted.json()["id"],
            "linkId": planted.json()["links"][0]["id"],
        }
        headers = person.headers if identified else {}
        await asyncio.to_thread(try_everything, document, api.base_url, headers, known)


async def test_every_reference_in_the_document_leads_somewhere(serve: Any) -> None:
    async with serve() as api:
        document = (await api.client.get("/openapi.json")).json()
    references = set(references_in(document))
    assert len(references) > 30
    for reference in references:
        place = document
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]


def references_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from references_in(part)


def try_everything(document: Any, base_url: str, headers: dict[str, str], known: dict[str, Any]) -> None:
    schema = schemathesis.openapi.from_dict(document)
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        try_operation(operation, schemathesis.GenerationMode.POSITIVE, base_url, headers, known)
        # An operation without parameters and body cannot get invalid input.
        with contextlib.suppress(Unsatisfiable):
            try_operation(operation, schemathesis.GenerationMode.NEGATIVE, base_url, headers, known)
        tried += 1
    assert tried == sum(len(operations) for operations in document["paths"].values())


def try_operation(
    operation: Any, mode: Any, base_url: str, headers: dict[str, str], known: dict[str, Any]
) -> None:
    # With existing things wherever the path names one, or nearly every request would end with 404.
    @with_seed(20261122)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Any) -> None:
        if mode is schemathesis.GenerationMode.POSITIVE:
            for name in known.keys() & (case.path_parameters or {}).keys():
                case.path_parameters[name] = known[name]
        response = case.call(base_url=base_url, headers=headers)
        case.validate_response(response, checks=list(CHECKS))

    attempt()
