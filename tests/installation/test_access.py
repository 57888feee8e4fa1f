from __future__ import annotations

import asyncio

import asyncpg
import pytest

from hortus.base.embedded_postgres.account import CannotRunPostgres
from hortus.base.embedded_postgres.leftovers import postgres_processes
from hortus.base.errors import UsageError
from hortus.base.installation.access import embedded_postgres, open_database
from hortus.base.installation.data_directory import DataDirectory, DirectoryMissing
from hortus.base.installation.run_info import RunInfo


async def query(url, statement):
    connection = await asyncpg.connect(**url.asyncpg_arguments())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_a_given_url_wins(tmp_path):
    async with open_database(tmp_path, "postgres://kim@h/d") as url:
        assert url.libpq() == "postgresql://kim@h:5432/d"


async def test_without_a_directory_and_without_a_url_both_are_named():
    with pytest.raises(UsageError, match="--data-dir DIR, or set DATABASE_URL"):
        async with open_database(None, None):
            pass


async def test_a_missing_directory_is_not_made(tmp_path):
    with pytest.raises(DirectoryMissing):
        async with open_database(tmp_path / "data", None):
            pass

    assert not (tmp_path / "data").exists()


async def test_postgres_runs_for_as_long_as_a_command_needs_it(tmp_path):
    DataDirectory.open(tmp_path / "data").close()

    async with open_database(tmp_path / "data", None) as url:
        assert await query(url, "SELECT current_user") == "hortus"
    assert postgres_processes(tmp_path / "data" / "postgres" / "data") == ()

    async with open_database(tmp_path / "data", None) as again:
        assert again == url


async def test_commands_that_run_at_once_take_turns(tmp_path):
    DataDirectory.open(tmp_path / "data").close()

    async def command():
        async with open_database(tmp_path / "data", None) as url:
            return await query(url, "SELECT 1")

    assert await asyncio.gather(command(), command()) == [1, 1]


async def test_a_command_uses_the_database_of_the_running_installation(tmp_path):
    with DataDirectory.open(tmp_path / "data") as directory:
        server = embedded_postgres(directory)
        try:
            url = await server.start()
            directory.announce(RunInfo.of_this_process(url))

            async with open_database(tmp_path / "data", None) as found:
                assert found == url
                assert await query(found, "SELECT 1") == 1

            assert await query(url, "SELECT 1") == 1
        finally:
            await server.stop()


async def test_a_lost_owner_password_is_replaced_and_a_lost_superuser_password_is_reported(tmp_path):
    DataDirectory.open(tmp_path / "data").close()
    secrets = tmp_path / "data" / "secrets"
    async with open_database(tmp_path / "data", None):
        pass

    (secrets / "postgres-owner").unlink()
    async with open_database(tmp_path / "data", None) as url:
        assert await query(url, "SELECT 1") == 1

    for path in secrets.iterdir():
        path.unlink()
    with pytest.raises(CannotRunPostgres, match="Restore the directory secrets/ from the backup"):
        async with open_database(tmp_path / "data", None):
            pass
