"""`hortus web`: several processes form one installation, and each reports what it needs."""

from __future__ import annotations

import asyncio
import secrets
import signal
from pathlib import Path

import httpx
import pytest

from hortus.app.command_line.users import create_user_from_command_line
from hortus.app.web import WebOptions, run_web
from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import UsageError
from hortus.base.settings import Settings
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.store import create_user
from programs import free_port
from up_process import hortus, running
from waiting import PATIENCE_SECONDS
from web_process import web_process

PASSWORD = "It all adds up."
NOWHERE = "postgresql://hortus@127.0.0.1/hortus"
NEW_KIT = {"name": "Basil", "privacyPublicDashboard": False, "privacyShowOnMap": False}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "token-signer.key"
    path.write_text(secrets.token_urlsafe(48))
    return path


@pytest.fixture
async def database_with_flora(migrated_database_url: str) -> str:
    async with (
        open_engine(DatabaseUrl.parse(migrated_database_url)) as engine,
        engine.begin() as connection,
    ):
        await create_user(
            connection,
            Passwords(),
            username="flora",
            email_address="flora@example.org",
            password=PASSWORD,
        )
    return migrated_database_url


async def test_two_of_them_are_one_installation_and_one_goes_on_when_the_other_is_killed(
    database_with_flora: str, key_file: Path, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": database_with_flora, "TOKEN_SIGNER_KEY": str(key_file)}
    async with (
        web_process(tmp_path / "one.log", **settings) as one,
        web_process(tmp_path / "two.log", **settings) as two,
        httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client,
    ):
        login = {"username": "flora", "password": PASSWORD}
        page = await client.post(f"{one.base_url}/login", data=login)
        assert page.status_code == 303
        assert "flora" in (await client.get(f"{two.base_url}/")).text  # the cookie of one process at the other

        tokens = (await client.post(f"{one.base_url}/api/me/auth", json=login)).json()
        authorization = {"Authorization": f"Bearer {tokens['accessToken']}"}
        kit = await client.post(f"{two.base_url}/api/kits", json=NEW_KIT, headers=authorization)
        serial = kit.json()["kitSerial"]

        await one.stop(signal.SIGKILL)
        seen = await client.get(f"{two.base_url}/api/kits/{serial}", headers=authorization)
        assert seen.json()["name"] == "Basil"
        renewed = await client.post(
            f"{two.base_url}/api/me/refresh", json={"refreshToken": tokens["refreshToken"]}
        )
        assert renewed.status_code == 200
        assert await two.stop() == 0


async def test_it_starts_before_the_database_and_says_503_meanwhile(key_file: Path, tmp_path: Path) -> None:
    nowhere = f"postgresql://hortus@127.0.0.1:{free_port()}/hortus"
    settings = {"DATABASE_URL": nowhere, "TOKEN_SIGNER_KEY": str(key_file)}
    async with (
        web_process(tmp_path / "web.log", **settings) as web,
        httpx.AsyncClient(base_url=web.base_url, timeout=PATIENCE_SECONDS) as client,
    ):
        assert (await client.get("/readyz")).status_code == 503
        kits = await client.get("/api/kits")
        assert kits.status_code == 503
        assert kits.headers["content-type"] == "application/problem+json"
        assert await web.stop() == 0


async def test_a_database_without_our_schema_ends_the_start_with_the_command_that_makes_it(
    empty_database_url: str, key_file: Path
) -> None:
    settings = {"DATABASE_URL": empty_database_url, "TOKEN_SIGNER_KEY": str(key_file)}
    done = await asyncio.to_thread(hortus, "web", "--port", 0, **settings)
    assert done.returncode != 0
    assert "hortus db upgrade" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "Set DATABASE_URL"),
        ({"database_url": NOWHERE}, "Set TOKEN_SIGNER_KEY"),
        ({"database_url": NOWHERE, "token_signer_key": "/nowhere/key"}, "cannot be read"),
        ({"database_url": NOWHERE, "token_signer_key": "short.key"}, "needs at least 32"),
    ],
    ids=["no database", "no key", "key unreadable", "key too short"],
)
async def test_it_does_not_start_without_what_all_processes_share(
    settings: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "TOKEN_SIGNER_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "short.key").write_text("short")
    options = WebOptions(host="127.0.0.1", port=0, data_dir=None)
    with pytest.raises(UsageError, match=words):
        await run_web(Settings.model_validate(settings), options)


async def test_beside_one_box_it_uses_the_boxs_keys_and_database(tmp_path: Path) -> None:
    box_dir = tmp_path / "data"
    with running(box_dir) as box:
        await create_user_from_command_line(
            box_dir, Settings(), username="flora", email="f@example.org", password=PASSWORD, is_admin=False
        )
        async with (
            web_process(tmp_path / "web.log", "--data-dir", str(box_dir)) as web,
            httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client,
        ):
            login = {"username": "flora", "password": PASSWORD}
            tokens = await client.post(f"http://127.0.0.1:{box.http_port}/api/me/auth", json=login)
            authorization = {"Authorization": f"Bearer {tokens.json()['accessToken']}"}
            me = await client.get(f"{web.base_url}/api/me", headers=authorization)
            assert me.json()["username"] == "flora"
