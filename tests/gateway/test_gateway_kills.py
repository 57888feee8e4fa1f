"""What the gateway answered 200 to is stored once, also when it is killed in the next instant (P1, P2).

HORTUS_TEST_KILLS says how often; a thousand take some minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from gateway_harness import Reply, look, reading, send

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.flow.gateway.boards import register_board
from programs import free_port
from waiting import PATIENCE_SECONDS, until

KILLS = int(os.environ.get("HORTUS_TEST_KILLS", "40"))
BOARDS = 3


class Nursery:
    """Starts and kills gateways, one at a time."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self.port = free_port()
        self.directory = directory
        environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "HORTUS_GATEWAY_SPOOL_DIR": str(directory / "spool"),
            "HORTUS_GATEWAY_SENSOR_SECONDS": "0.0001",
        }
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("gateway_nursery.py"), str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._child = 0

    async def start(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("start\n")
        self._process.stdin.flush()
        self._child = int(await asyncio.to_thread(self._process.stdout.readline))
        await until(self._answers)

    async def _answers(self) -> bool:
        try:
            await send(self.port, b"GET /healthz HTTP/1.1\r\n\r\n")
        except (OSError, IndexError):
            return False
        return True

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._child, number)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self._child and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
        self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)
        self._process.stdout.close()


@pytest.fixture
def nursery(tmp_path: Path, migrated_database_url: str) -> Iterator[Nursery]:
    started = Nursery(tmp_path, migrated_database_url)
    yield started
    started.close()


@pytest.mark.timeout(1800)
async def test_nothing_is_lost_and_nothing_twice_when_it_is_killed_right_after_its_answer(
    nursery: Nursery, migrated_database_url: str
) -> None:
    async with (
        open_engine(DatabaseUrl.parse(migrated_database_url)) as engine,
        engine.begin() as connection,
    ):
        for sensor_id in range(1, BOARDS + 1):
            await register_board(connection, name=f"board {sensor_id}", sensor_id=sensor_id)
    random_numbers = random.Random(6)
    acknowledged: set[int] = set()
    sent = 0
    for _kill in range(KILLS):
        await nursery.start()
        for _reading in range(random_numbers.randint(1, 6)):
            sent += 1
            reply = await send(nursery.port, reading(sent % BOARDS + 1, humidity=sent, light=None))
            assert reply.status == 200
            acknowledged.add(sent)
        # One more is under way at the moment of the kill, so its fate is open; the others' is not.
        sent += 1
        last = asyncio.create_task(_try(nursery.port, reading(sent % BOARDS + 1, humidity=sent, light=None)))
        await asyncio.sleep(random_numbers.choice((0, 0, 0.001, 0.003)))
        nursery.signal(signal.SIGKILL)
        reply_or_nothing = await last
        if reply_or_nothing is not None and reply_or_nothing.status == 200:
            acknowledged.add(sent)
    await nursery.start()
    await until(lambda: _nothing_waits(nursery.directory))
    nursery.signal(signal.SIGTERM)

    connection = await asyncpg.connect(migrated_database_url)
    rows = await connection.fetch(
        "SELECT value, quantity_type_id FROM raw_measurements WHERE quantity_type_id IN (1, 6)"
    )
    ledger = await connection.fetchrow("SELECT sum(stored) AS stored, sum(quarantined) AS q FROM ingest_ledger")
    await connection.close()
    soil = Counter(int(row["value"]) for row in rows if row["quantity_type_id"] == 6)
    assert acknowledged - soil.keys() == set()
    assert [value for value, count in soil.items() if count > 1] == []
    assert soil.keys() <= set(range(1, sent + 1))
    # Two values of each reading, and the ledger agrees with the table.
    assert (ledger["stored"], ledger["q"]) == (2 * soil.total(), 0)


async def _try(port: int, request: bytes) -> Reply | None:
    try:
        return await send(port, request)
    except (OSError, IndexError):
        return None


def _nothing_waits(directory: Path) -> bool:
    file = look(directory)
    try:
        return file.depth().waiting == 0
    finally:
        file.close()
