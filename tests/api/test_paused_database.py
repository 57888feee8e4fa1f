"""While the database hangs, everybody who waits for it is told so, whatever they asked for."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import assert_problem
from people import PASSWORD

from hortus.base.database.engine import open_engine
from hortus.base.embedded_postgres.leftovers import postgres_processes
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.store import create_user
from hortus.flow.migrations.migrate import upgrade
from hortus.http.app import WebDependencies, create_app
from web_services import services_on

# Well beyond what a person waits for: here it only ends a test that hangs.
HANGS_SECONDS = 40.0


class Pausable:
    """A database of its own that can be paused."""

    def __init__(self, folder: Path) -> None:
        self.server = EmbeddedPostgres(folder, owner_password="owner", superuser_password="superuser")
        self._data = folder / "data"

    @contextmanager
    def paused(self) -> Iterator[None]:
        processes = postgres_processes(self._data)
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)


@pytest.fixture
async def pausable() -> AsyncIterator[Pausable]:
    with tempfile.TemporaryDirectory(prefix="hortus-", dir="/tmp") as folder:
        database = Pausable(Path(folder, "postgres"))
        url = await database.server.start()
        async with open_engine(url) as engine:
            await upgrade(engine)
            async with engine.begin() as connection:
                await create_user(
                    connection,
                    Passwords(),
                    username="ada",
                    email_address="ada@example.org",
                    password=PASSWORD,
                )
        yield database
        await database.server.stop(patience_seconds=2)


async def test_who_waits_for_a_database_that_hangs_is_told_before_it_goes_on(
    serve_at: Any, pausable: Pausable
) -> None:
    async with serve_at(pausable.server.url.libpq(), sign_up_open=True) as api:
        app = create_app(WebDependencies(services=services_on(api.engine), secret_key="sessions"))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hortus.test") as pages:
            log_in = {"username": "ada", "password": PASSWORD}
            person = (await api.client.post("/me/auth", json=log_in)).json()
            headers = {"Authorization": f"Bearer {person['accessToken']}"}
            account = {"username": "eve", "password": PASSWORD, "emailAddress": "eve@example.org"}
            kit = (await api.client.post("/kits", json=new_kit(), headers=headers)).json()
            assert (await pages.post("/login", data=log_in)).status_code == 303
            with pausable.paused():
                async with asyncio.timeout(HANGS_SECONDS):
                    answers = await asyncio.gather(
                        api.client.post("/me/auth", json=log_in),
                        api.client.post("/me/refresh", json={"refreshToken": person["refreshToken"]}),
                        api.client.post("/users", json=account),
                        api.client.post("/kits", json=new_kit(), headers=headers),
                        api.client.patch(f"/kits/{kit['kitSerial']}", json={"name": "x"}, headers=headers),
                        api.client.delete(f"/kits/{kit['kitSerial']}", headers=headers),
                        api.client.get("/kits"),
                    )
                    page = await pages.post("/login", data=log_in)
                    logged_out = await pages.post("/logout")
            for answer in answers:
                assert_problem(answer, 503)
                assert answer.json()["detail"] == "The database does not answer at the moment."
            assert (page.status_code, logged_out.status_code) == (503, 503)
            assert "Logging in does not work right now: the database is not answering." in page.text
            assert (await api.client.post("/me/auth", json=log_in)).status_code == 200


def new_kit() -> dict[str, object]:
    return {
        "name": "Kit",
        "privacyPublicDashboard": False,
        "privacyShowOnMap": False,
    }
