from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from hortus.base.database.url import DatabaseUrl
from hortus.base.embedded_postgres.cluster import OtherPostgresVersion
from hortus.base.embedded_postgres.leftovers import postgres_processes
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres
from waiting import until

OWNER_PROGRAM = """
import asyncio, sys
from pathlib import Path
import asyncpg
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres

async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]), owner_password="owner", superuser_password="superuser")
    url = await server.start()
    connection = await asyncpg.connect(**url.asyncpg_arguments())
    await connection.execute("CREATE TABLE readings (id int)")
    for number in range(1000):
        await connection.execute("INSERT INTO readings VALUES ($1)", number)
        print(number, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def server_in(directory: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(directory, owner_password="owner", superuser_password="superuser")


async def query(url: DatabaseUrl, statement: str) -> object:
    connection = await asyncpg.connect(**url.asyncpg_arguments())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def until_gone(directory: Path) -> None:
    await until(lambda: not postgres_processes(directory / "data"))


@pytest.fixture
def owner(tmp_path: Path):
    """Another process that owns a server and has committed at least ten rows to it."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER_PROGRAM, str(tmp_path / "pg")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "10":
            break
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def last_committed(owner: subprocess.Popen[str]) -> int:
    assert owner.stdout is not None
    return max([10, *(int(line) for line in owner.stdout)])


async def test_a_second_start_finds_the_same_data_at_the_same_address(tmp_path):
    first = server_in(tmp_path / "pg")
    url = await first.start()
    await query(url, "CREATE TABLE plants AS SELECT 7 AS id")
    await first.stop()

    second = server_in(tmp_path / "pg")
    try:
        assert await second.start() == url
        assert await query(url, "SELECT id FROM plants") == 7
    finally:
        await second.stop()


async def test_a_taken_port_is_left_to_the_other_program(tmp_path):
    server = server_in(tmp_path / "pg")
    before = await server.start()
    await server.stop()
    with socket.create_server(("127.0.0.1", before.hosts[0].port)):
        again = server_in(tmp_path / "pg")
        try:
            after = await again.start()
            assert after.hosts != before.hosts
            assert await query(after, "SELECT 1") == 1
        finally:
            await again.stop()


async def test_stopping_leaves_no_process_and_may_be_repeated(tmp_path):
    server = server_in(tmp_path / "pg")
    await server.start()
    assert postgres_processes(tmp_path / "pg" / "data")

    await server.stop()
    await server.stop()

    assert postgres_processes(tmp_path / "pg" / "data") == ()
    assert not server.died.is_set()


async def test_an_interrupt_from_the_terminal_does_not_reach_the_server(tmp_path):
    server = server_in(tmp_path / "pg")
    try:
        await server.start()
        assert server.process_id
        assert os.getsid(server.process_id) != os.getsid(0)
    finally:
        await server.stop()


async def test_a_paused_server_is_stopped_all_the_same(tmp_path):
    server = server_in(tmp_path / "pg")
    await server.start()
    assert server.process_id
    os.kill(server.process_id, signal.SIGSTOP)

    await server.stop(patience_seconds=0.1)

    assert postgres_processes(tmp_path / "pg" / "data") == ()


async def test_the_server_ends_by_itself_when_its_owner_is_killed(tmp_path, owner):
    owner.kill()

    await until_gone(tmp_path / "pg")


async def test_a_start_right_after_its_owner_was_killed_has_every_committed_row(tmp_path, owner):
    owner.kill()
    committed = last_committed(owner)

    server = server_in(tmp_path / "pg")
    try:
        url = await server.start()
        rows = await query(url, "SELECT array_agg(id ORDER BY id) FROM readings")
        assert rows[: committed + 1] == list(range(committed + 1))
        # The one row whose commit had not yet been printed may be there as well.
        assert len(rows) <= committed + 2
    finally:
        await server.stop()


async def test_a_server_that_outlived_its_owner_is_ended_before_the_next_start(tmp_path, owner):
    data = tmp_path / "pg" / "data"
    before = postgres_processes(data)
    for process in before:
        os.kill(process, signal.SIGSTOP)
    owner.kill()
    owner.wait()
    messages: list[str] = []

    server = server_in(tmp_path / "pg")
    try:
        url = await server.start(messages.append)
        assert messages[0] == "PostgreSQL of an earlier run is still ending; waiting for it."
        assert not set(before) & set(postgres_processes(data))
        assert await query(url, "SELECT count(*) > 10 FROM readings") is True
    finally:
        await server.stop()


async def test_a_killed_server_is_noticed_and_restarted_at_the_same_address(tmp_path):
    server = server_in(tmp_path / "pg")
    try:
        url = await server.start()
        await query(url, "CREATE TABLE plants AS SELECT 7 AS id")
        assert server.process_id
        os.kill(server.process_id, signal.SIGKILL)

        await server.died.wait()
        assert server.process_id is None

        assert await server.restart() == url
        assert not server.died.is_set()
        assert await query(url, "SELECT id FROM plants") == 7
    finally:
        await server.stop()


async def test_a_stale_process_id_that_was_reused_does_not_matter(tmp_path):
    server = server_in(tmp_path / "pg")
    await server.start()
    await server.stop()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "pg" / "data" / "postmaster.pid").write_text(f"{bystander.pid}\n/somewhere\n0\n")

        await server.start()

        assert bystander.poll() is None
    finally:
        await server.stop()
        bystander.kill()
        bystander.wait()


async def test_a_first_start_that_was_killed_half_way_is_begun_anew(tmp_path):
    (tmp_path / "pg" / "data.new-0a1b2c3d" / "base").mkdir(parents=True)
    server = server_in(tmp_path / "pg")
    try:
        assert await query(await server.start(), "SELECT 1") == 1
        assert {path.name for path in (tmp_path / "pg").iterdir()} == {"data", "port", "postgres.log"}
    finally:
        await server.stop()


@pytest.mark.parametrize("version", ["17", "19"])
async def test_data_of_another_postgresql_is_left_alone_with_one_sentence(tmp_path, version):
    (tmp_path / "pg" / "data").mkdir(parents=True)
    (tmp_path / "pg" / "data" / "PG_VERSION").write_text(f"{version}\n")

    with pytest.raises(OtherPostgresVersion, match=f"written by PostgreSQL {version}, .* Use the version"):
        await server_in(tmp_path / "pg").start()

    assert [path.name for path in (tmp_path / "pg" / "data").iterdir()] == ["PG_VERSION"]


async def test_the_reason_of_a_failed_start_is_reported(tmp_path):
    server = server_in(tmp_path / "pg")
    await server.start()
    await server.stop()
    with (tmp_path / "pg" / "data" / "postgresql.auto.conf").open("a") as file:
        file.write("work_mem = 'much'\n")

    with pytest.raises(
        Exception, match=r"work_mem.*much.*postgres\.log\.$|configuration file .* contains errors"
    ):
        await server.start()

    assert postgres_processes(tmp_path / "pg" / "data") == ()
