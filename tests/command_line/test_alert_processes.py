"""Alerts and messages by `hortus jobs` as an operator runs it: several processes, killed midway."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from garden import KEY, Garden, open_garden
from mail_server import MailServer, mail_server
from programs import environment
from up_process import hortus, hortus_json
from waiting import PATIENCE_SECONDS, until


@pytest.fixture
async def garden(module_database_url: str) -> AsyncIterator[Garden]:
    async with open_garden(module_database_url) as made:
        yield made


@contextmanager
def jobs(
    garden: Garden, directory: Path, server: MailServer, count: int
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run this many processes of background work for as long as the context lasts."""
    key = directory / "token-signer.key"
    key.write_bytes(KEY)
    settings = {"DATABASE_URL": garden.url, "TOKEN_SIGNER_KEY": str(key), **server.settings()}
    with (directory / "jobs.log").open("ab") as log:
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "hortus", "jobs"], env=environment(**settings), stdout=log, stderr=log
            )
            for _ in range(count)
        ]
    try:
        yield running
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()
        for process in running:
            process.wait(PATIENCE_SECONDS)


async def nothing_waits(garden: Garden) -> bool:
    return not await garden.value("SELECT EXISTS (SELECT 1 FROM messages WHERE state = 'waiting')")


async def test_two_processes_send_one_mail(garden: Garden, tmp_path: Path) -> None:
    async with mail_server(tmp_path) as server:
        with jobs(garden, tmp_path, server, 2):
            for _ in range(5):
                await garden.measure(10)
            await until(lambda: len(server.mails) == 1)
            await garden.measure(10)
            await garden.measure(20)

            async def over() -> bool:
                return await garden.alerts() == [("low", False)]

            await until(over)
            await until(lambda: nothing_waits(garden))
    assert [mail["Subject"] for mail in server.mails] == ["Monty: temperature 10 °C, below 18 °C"]


async def test_killed_in_the_middle_of_a_delivery_the_mail_is_sent_by_the_next(
    garden: Garden, tmp_path: Path
) -> None:
    async with mail_server(tmp_path) as server:
        server.hangs.set()
        with jobs(garden, tmp_path, server, 1) as [process]:
            await garden.measure(10)
            await until(lambda: server.attempts == 1)
            process.kill()
            process.wait(PATIENCE_SECONDS)
        server.hangs.clear()
        server.released.set()
        assert server.mails == []
        message_id, attempts = await garden.connection.fetchrow("SELECT id, attempts FROM messages")
        assert attempts == 1
        with jobs(garden, tmp_path, server, 2):
            # The two minutes during which no other process would send it are over.
            await garden.run("UPDATE messages SET next_attempt_at = now()")
            await until(lambda: len(server.mails) == 1)
            await until(lambda: nothing_waits(garden))
    assert [mail["Message-ID"] for mail in server.mails] == [f"<{message_id}@garden.example>"]


async def test_commands_list_messages_send_again_what_was_given_up_and_try_mail(
    garden: Garden, tmp_path: Path
) -> None:
    await garden.measure(10)
    await garden.judge()
    await garden.run("UPDATE messages SET state = 'given-up', failure = 'Because.'")
    database = {"DATABASE_URL": garden.url}
    [listed] = hortus_json("message", "list", "--state", "given-up", **database)
    assert (listed["recipient"], listed["failure"]) == ("flora@example.org", "Because.")
    assert "sealed_body" not in listed
    assert "Because." in hortus("message", "list", **database).stdout
    assert hortus("message", "retry", **database).returncode == 2
    assert hortus("message", "retry", listed["id"], **database).stdout == "1 message waits to be sent again.\n"
    again = hortus("message", "retry", "--all", **database)
    assert (again.returncode, "hortus message list" in again.stderr) == (2, True)
    unset = hortus("message", "test", "flora@example.org")
    assert (unset.returncode, "HORTUS_SMTP_URL" in unset.stderr) == (2, True)


async def test_a_test_mail_says_what_the_server_answered(tmp_path: Path) -> None:
    async with mail_server(tmp_path) as server:
        done = await asyncio.to_thread(hortus, "message", "test", "flora@example.org", **server.settings())
        assert (done.returncode, done.stdout) == (0, "The mail server 127.0.0.1 accepted the mail.\n")
        assert server.mails[0]["To"] == "flora@example.org"
        server.recipient_refusal = "550 nobody here"
        refused = await asyncio.to_thread(hortus, "message", "test", "flora@example.org", **server.settings())
        assert (refused.returncode, "550 nobody here" in refused.stderr) == (1, True)
