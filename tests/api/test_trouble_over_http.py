"""Answers to requests that fail through no fault of their own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from api_client import Installation, assert_problem
from sqlalchemy import text

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import UsageError
from hortus.http.access import services as parts
from hortus.http.access.services import ApiParts, open_reading_engine
from hortus.http.api.app import create_api
from hortus.http.server.server import bind
from waiting import until


@pytest.fixture
async def unreachable() -> AsyncIterator[dict[str, Any]]:
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    url = DatabaseUrl.parse(f"postgresql://nobody@127.0.0.1:{port}/nothing")
    async with open_engine(url) as engine, open_reading_engine(url) as reading_engine:
        yield {"engine": engine, "reading_engine": reading_engine}


async def test_while_the_database_is_away_requests_may_be_made_again_later(
    serve: Any, unreachable: dict[str, Any]
) -> None:
    async with serve(**unreachable) as api:
        for response in (
            await api.client.get("/kits"),
            await api.client.get("/quantity-types"),
            await api.client.get("/kits/k-3467-bcdf-ghjk"),
            await api.client.post("/me/auth", json={"username": "a", "password": "b"}),
        ):
            assert response.headers["retry-after"] == "5"
            assert response.headers["access-control-allow-origin"] == "*"
            assert_problem(response, 503)
        assert (await api.client.get("/time")).status_code == 200


async def test_a_reset_that_cannot_be_looked_up_is_one_line_in_the_log(
    serve: Any, unreachable: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    class NeverUsed:
        async def send(self, *, email_address: str, username: str, token: str) -> None:
            raise AssertionError(email_address)

    async with serve(**unreachable, reset_mailer=NeverUsed()) as api:
        asked = await api.client.post("/password-resets", json={"emailAddress": "flora@example.org"})
        assert asked.status_code == 202
        errors = await until(lambda: [each for each in caplog.records if each.levelno >= logging.ERROR])
    assert [each.getMessage() for each in errors] == [
        "could not send a password reset mail: The database does not answer at the moment."
    ]


async def test_a_fault_of_ours_is_logged_and_says_nothing_of_its_cause(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def broken_clock() -> Any:
        raise RuntimeError("a secret of the clock")

    async with serve(clock=broken_clock) as api:
        with caplog.at_level(logging.ERROR):
            response = await api.client.get("/time")
        assert "secret" not in response.text
        assert response.headers["access-control-allow-origin"] == "*"
        assert_problem(response, 500)
        assert "GET /api/time failed" in caplog.text


async def test_who_waits_too_long_for_another_change_is_told_and_holds_no_connection(
    api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LOCK_SECONDS", 0.1)
    kit = await api.kit()
    owner = await api.member(kit, access_super=True)
    async with api.engine.connect() as connection:
        await connection.execute(text("SELECT FROM kits WHERE id = :id FOR UPDATE"), {"id": kit.id})
        answers = await asyncio.gather(
            *(
                api.client.patch(f"/kits/{kit.serial}", json={"name": "x"}, headers=owner.headers)
                for _ in range(20)
            ),
            *(
                api.client.post(f"/kits/{kit.serial}/configurations", json={}, headers=owner.headers)
                for _ in "ab"
            ),
        )
    for answer in answers:
        assert answer.headers["retry-after"] == "5"
        assert_problem(answer, 503)
    renamed = await api.client.patch(f"/kits/{kit.serial}", json={"name": "x"}, headers=owner.headers)
    assert renamed.json()["name"] == "x"


async def test_what_is_deleted_while_a_request_waits_is_not_found(api: Installation) -> None:
    kit = await api.kit()
    owner = await api.member(kit, access_super=True)
    async with api.engine.connect() as connection:
        await connection.execute(text("DELETE FROM kits WHERE id = :id"), {"id": kit.id})
        waiting = asyncio.create_task(
            api.client.post(f"/kits/{kit.serial}/configurations", json={}, headers=owner.headers)
        )
        blocked = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        await until(lambda: api.scalar(blocked))
        await connection.commit()
        assert_problem(await waiting, 404)


def test_a_key_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 32"):
        create_api(ApiParts(engine=None, connect=None, token_key=b"short"))  # type: ignore[arg-type]
