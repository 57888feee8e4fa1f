"""Pages of PostgreSQL that are damaged on disk: what is stored, what waits, and how to recover."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from hortus.app.command_line.main import app
from hortus.base.database.engine import open_engine
from hortus.base.database.partitions import Month
from hortus.base.database.repair import repair
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres
from hortus.base.errors import UsageError
from hortus.domain.definitions.store import load_definitions
from hortus.domain.series.rollups import roll_up
from hortus.flow.ingest import outcome
from hortus.flow.migrations.migrate import upgrade
from hortus.flow.quarantine.replay import replay
from hortus.http.monitoring.health import FlowReport, FlowWatch
from hortus.http.server.database_access import (
    DatabaseDamaged,
    database_failures_translated,
    snapshot,
)
from hortus.protocol.reasons import Reason
from ingest_fixtures import running_world
from ingest_world import World
from waiting import until

BASIL, LETTUCE = 0, 1
PAGE_BYTES = 8192
READINGS = 1500  # of each kit: many pages in table and index

# In the middle of a month, whatever the day.
MOMENT = datetime.fromisoformat(Month.of(datetime.now(UTC)).later(-1).start) + timedelta(days=15)
MONTH = Month.of(MOMENT).partition_of("raw_measurements")


@dataclass
class Box:
    """A PostgreSQL of its own, and a pipeline that goes on while it is stopped. `sent`: ids by kit."""

    server: EmbeddedPostgres
    data: Path
    world: World
    sent: dict[int, list[uuid.UUID]] = field(default_factory=lambda: {BASIL: [], LETTUCE: []})

    def offer(self, kit: int, moment: datetime) -> uuid.UUID:
        identifier = uuid.uuid4()
        created, peripherals = self.world.kits[kit]
        payload = self.world.raw(
            id=identifier.bytes,
            datetime_ms=round(moment.timestamp() * 1000),
            peripheral=peripherals[0].id,
        )
        self.world.offer(payload, serial=created.serial)
        self.sent[kit].append(identifier)
        return identifier

    async def fill(self) -> None:
        """Store readings of both kits, all before the moment."""
        begin = MOMENT - timedelta(seconds=READINGS + 60)
        for kit in (BASIL, LETTUCE):
            for second in range(READINGS):
                self.offer(kit, begin + timedelta(seconds=second))
                if self.world.pipeline.saturated:
                    await self.world.settled()
        await self.world.settled()

    async def damage(self, relation: str, find: Callable[[bytes], int]) -> tuple[Path, bytes, int]:
        """Spoil a page of a table or index while the server is stopped; return the file as it was."""
        name = await self.world.connection.fetchval("SELECT pg_relation_filepath(to_regclass($1))", relation)
        await self.world.connection.close()
        await self.server.stop()
        path = self.data / name
        before = path.read_bytes()
        page = find(before)
        with path.open("r+b") as file:
            file.seek(page * PAGE_BYTES + 1000)
            file.write(bytes(byte ^ 0xFF for byte in before[page * PAGE_BYTES + 1000 :][:4000]))
        await self.start_again()
        return path, before, page

    async def start_again(self) -> None:
        await self.server.start()
        self.world.connection = await asyncpg.connect(self.world.url)

    async def stored(self, kit: int) -> set[uuid.UUID]:
        rows = await self.world.connection.fetch(
            "SELECT id FROM raw_measurements WHERE kit_id = $1", self.world.kits[kit][0].id
        )
        return {uuid.UUID(bytes=row["id"].bytes) for row in rows}

    async def replay(self) -> None:
        rows = await self.world.connection.fetch(
            "SELECT id FROM quarantine WHERE reason = $1", Reason.DATABASE_DAMAGED
        )
        assert rows
        result = await replay(self.world.connection, [row["id"] for row in rows], clock_tolerance_ms=300_000)
        assert result.stored == len(rows)

    def report(self) -> FlowReport:
        return FlowWatch(self.world.pipeline, lambda: datetime.now(UTC)).look()


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    # Not below pytest's folder, whose path may be too long for a socket.
    with tempfile.TemporaryDirectory(prefix="hortus-", dir="/tmp") as folder:
        directory = Path(folder, "postgres")
        server = EmbeddedPostgres(directory, owner_password="owner", superuser_password="superuser")
        url = await server.start()
        try:
            async with open_engine(url) as engine:
                await upgrade(engine)
                async with engine.begin() as connection:
                    await load_definitions(connection)
            async with running_world(url.libpq()) as world:
                running = Box(server, directory / "data", world)
                await running.fill()
                yield running
        finally:
            await server.stop(patience_seconds=2)


def page_with(content: bytes) -> Callable[[bytes], int]:
    return lambda file: file.index(content) // PAGE_BYTES


def last_page(file: bytes) -> int:
    return len(file) // PAGE_BYTES - 1


async def test_a_damaged_page_of_an_index_blocks_only_the_kit_that_needs_it_until_it_is_built_anew(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    newest = box.sent[BASIL][-1]
    index = f"{MONTH}_pkey"
    _, _, page = await box.damage(index, page_with(newest.bytes))
    for kit in (BASIL, LETTUCE, BASIL, LETTUCE):
        box.offer(kit, MOMENT)
    await box.world.settled()
    assert len(await box.stored(LETTUCE)) == READINGS + 2
    assert await box.world.reasons() == {Reason.DATABASE_DAMAGED: 2}

    report = box.report()
    assert not report.is_healthy
    assert report.is_flowing
    assert f"Page {page} of the index {index} is damaged on disk." in report.sentence
    assert f"hortus db repair {index}" in report.sentence
    assert report.sentence in caplog.text

    assert await repair(box.world.connection, index) is None
    await box.replay()
    assert await box.stored(BASIL) == set(box.sent[BASIL])
    assert (await box.world.ledger()).stored == 2 * READINGS + 4
    assert await box.world.reasons() == {}


async def test_a_damaged_page_of_a_month_blocks_no_other_month_and_all_readable_rows_are_saved(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, content, page = await box.damage(MONTH, last_page)
    on_page = sum(identifier.bytes in content[page * PAGE_BYTES :] for identifier in box.sent[LETTUCE])
    box.offer(BASIL, MOMENT)
    box.offer(LETTUCE, datetime.fromisoformat(Month.of(MOMENT).later(-1).start))
    await box.world.settled()
    assert await box.world.reasons() == {Reason.DATABASE_DAMAGED: 1}
    assert f"Page {page} of the table {MONTH} is damaged on disk." in box.report().sentence

    monkeypatch.setenv("DATABASE_URL", box.world.url)
    told = await asyncio.to_thread(CliRunner().invoke, app, ["db", "repair", MONTH])
    assert told.exit_code == 0, told.output
    saved = f"Saved {2 * READINGS - on_page} rows, from {page} of {page + 1} pages."
    assert saved in " ".join(told.output.split())
    await box.replay()
    assert await box.stored(BASIL) == set(box.sent[BASIL])
    lost = set(box.sent[LETTUCE]) - await box.stored(LETTUCE)
    assert len(lost) == on_page > 0
    # What follows is stored as before, and what was saved is known again.
    box.offer(BASIL, MOMENT)
    await box.world.settled()
    assert await box.stored(BASIL) == set(box.sent[BASIL])
    # Kept: the operator decides when to drop it.
    kept_as = told.output.partition("kept as ")[2].partition(".")[0].strip()
    assert await box.world.connection.fetchval("SELECT to_regclass($1) IS NOT NULL", kept_as)
    assert file.exists()


async def test_a_salvage_of_aggregates_that_was_interrupted_goes_on(box: Box) -> None:
    created, _ = box.world.kits[BASIL]
    for minute in range(300):
        end = round((MOMENT - timedelta(minutes=minute)).timestamp() * 1000)
        payload = box.world.aggregate(datetime_start_ms=end - 60_000, datetime_end_ms=end)
        box.world.offer(payload, "measurement/aggregate", created.serial)
    await box.world.settled()
    partition = Month.of(MOMENT).partition_of("aggregate_measurements")
    stored = await box.world.connection.fetchval(f"SELECT count(*) FROM {partition}")
    await box.damage(partition, lambda _file: 1)
    first = await repair(box.world.connection, partition)
    assert first is not None
    assert first.lost_pages == (1,)
    assert 0 < first.rows < stored
    await box.world.connection.execute(f"TRUNCATE {partition}")  # as if nothing had been copied yet
    again = await repair(box.world.connection, first.kept_as)
    assert again == first
    assert await box.world.connection.fetchval(f"SELECT count(*) FROM {partition}") == first.rows
    indexes = "SELECT count(*) FROM pg_index WHERE indrelid = to_regclass($1)"
    assert await box.world.connection.fetchval(indexes, partition) == 2


async def test_rollups_of_other_kits_go_on_and_the_log_has_a_line_and_no_traceback(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    # The first page of the table has readings of the first kit alone.
    await box.damage(MONTH, lambda _file: 0)
    await roll_up(box.world.connection, MOMENT + timedelta(days=1))
    rolled_up = await box.world.connection.fetch(
        "SELECT DISTINCT p.kit_id FROM series_hours h JOIN peripherals p ON p.id = h.peripheral_id"
    )
    assert [row["kit_id"] for row in rolled_up] == [box.world.kits[LETTUCE][0].id]
    lines = [record for record in caplog.records if "cannot roll up" in record.message]
    assert lines
    assert "invalid page" in lines[0].message
    assert not any(line.exc_info for line in lines)


async def test_a_request_that_needs_a_damaged_page_is_told_so_and_no_other_is(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    await box.damage(MONTH, lambda _file: 0)
    newest = text("SELECT value FROM raw_measurements WHERE kit_id = :kit ORDER BY datetime DESC LIMIT 1")
    oldest = text("SELECT value FROM raw_measurements WHERE kit_id = :kit ORDER BY datetime LIMIT 1")
    kit = {"kit": box.world.kits[BASIL][0].id}
    async with snapshot(box.world.engine) as connection:
        assert (await connection.execute(newest, kit)).scalar() is not None
    with pytest.raises(DatabaseDamaged, match="a page of the database is damaged"):
        async with snapshot(box.world.engine) as connection:
            await connection.execute(oldest, kit)
    with pytest.raises(DatabaseDamaged), database_failures_translated():
        await box.world.connection.fetchval(oldest.text.replace(":kit", "$1"), kit["kit"])
    assert caplog.text.count("a request needs a damaged page of the database") == 2
    assert "invalid page in block 0" in caplog.text


async def test_while_the_ledger_is_damaged_nothing_is_acknowledged_and_everything_is_stored_afterwards(
    box: Box,
) -> None:
    file, content, _ = await box.damage("ingest_ledger", last_page)
    settled = len(box.world.source.settled)
    box.offer(BASIL, MOMENT)
    box.offer(LETTUCE, MOMENT)
    await until(lambda: "is not acknowledged" in box.report().sentence)
    assert "of the table ingest_ledger is damaged on disk" in box.report().sentence
    assert "Restore a backup" in box.report().sentence
    assert len(box.world.source.settled) == settled
    with pytest.raises(UsageError, match="restore a backup"):
        await repair(box.world.connection, "ingest_ledger")
    await box.world.connection.close()
    await box.server.stop()
    file.write_bytes(content)
    await box.start_again()
    await box.world.settled()
    for kit in (BASIL, LETTUCE):
        assert await box.stored(kit) == set(box.sent[kit])


async def test_a_damaged_index_of_the_ledger_is_built_anew_and_what_waited_is_stored(box: Box) -> None:
    await box.damage("ingest_ledger_pkey", last_page)
    box.offer(BASIL, MOMENT)
    await until(lambda: "is not acknowledged" in box.report().sentence)
    assert "hortus db repair ingest_ledger_pkey" in box.report().sentence
    assert await repair(box.world.connection, "ingest_ledger_pkey") is None
    await box.world.settled()
    assert await box.stored(BASIL) == set(box.sent[BASIL])


async def test_readings_that_have_no_place_are_never_thrown_away_to_make_room(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "QUARANTINE_MESSAGES_PER_KIT", 3)
    await box.damage(MONTH, last_page)
    for second in range(10):
        box.offer(BASIL, MOMENT + timedelta(seconds=second))
    for _ in range(5):
        box.world.offer(b"rubbish")
    await box.world.settled()
    reasons = await box.world.reasons()
    assert reasons[Reason.DATABASE_DAMAGED] == 10
    kept = await box.world.connection.fetch("SELECT reason, count(*) FROM quarantine GROUP BY reason")
    assert dict(kept) == {Reason.DATABASE_DAMAGED: 10, Reason.UNDECODABLE: 3}


async def test_only_an_index_or_a_month_can_be_repaired(box: Box) -> None:
    with pytest.raises(UsageError, match="There is no table or index nothing"):
        await repair(box.world.connection, "nothing")
    with pytest.raises(UsageError, match="neither an index nor a month"):
        await repair(box.world.connection, "raw_measurements")
