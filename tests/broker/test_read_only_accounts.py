"""A read-only account at Mosquitto, made by hand as docs/mosquitto.md says."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import Any

import aiomqtt
from sqlalchemy.ext.asyncio import create_async_engine

from hortus.flow.broker.changes import PasswordCipher
from hortus.flow.broker.commands import sync
from mosquitto_process import SERVICES, Mosquitto
from programs import system_program
from waiting import PATIENCE_SECONDS

DOCUMENT = Path(__file__).parents[2] / "docs" / "mosquitto.md"
CONTROL = SERVICES[1]


def documented_commands() -> list[list[str]]:
    lines = DOCUMENT.read_text("utf-8").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("mosquitto_ctrl -u admin dynsec")]


async def run(broker: Mosquitto, command: list[str]) -> None:
    login = ("-h", "127.0.0.1", "-p", str(broker.port), "-u", CONTROL.username, "-P", CONTROL.password)
    password = ("-p", "wall secret") if "createClient" in command else ()
    process = await asyncio.create_subprocess_exec(
        *(system_program("mosquitto_ctrl"), *login, *command[3:], *password),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert (process.returncode, b"rror" in said) == (0, False), said


async def codes(client: aiomqtt.Client, topic_filter: str) -> list[int]:
    answer: Any = await client.subscribe(topic_filter, qos=1)
    return [code.value for code in answer]


async def test_an_account_made_as_documented_reads_what_it_may_and_is_left_alone(
    mosquitto: Mosquitto, migrated_database_url: str
) -> None:
    commands = documented_commands()
    assert len(commands) == 5
    for command in commands:
        await run(mosquitto, command)
    engine = create_async_engine(migrated_database_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    await sync(engine, mosquitto.control_address, PasswordCipher("a secret"))
    await engine.dispose()
    async with aiomqtt.Client(
        "127.0.0.1", mosquitto.port, username="wall-panel", password="wall secret", timeout=PATIENCE_SECONDS
    ) as client:
        assert await codes(client, "kit/+/measurement/#") == [1]
        assert await codes(client, "kit/+/measurement/raw") == [1]
        assert await codes(client, "kit/#") == [0x80]
