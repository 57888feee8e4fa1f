"""The record of kits' log-ins: who was let in, who was not and why, and how little strangers can write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.supervision import Supervisor
from hortus.domain.kits.store import CreatedKit, KitStore, NewKit
from hortus.domain.mqtt_accounts.log_in_keeper import LogInKeeper
from hortus.domain.mqtt_accounts.log_ins import (
    OTHER_SPELLING,
    KitLogIns,
    LogInReport,
    kit_log_ins,
    note_log_ins,
)
from waiting import until

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)


@pytest.fixture
async def engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(DatabaseUrl.parse(migrated_database_url)) as engine:
        yield engine


@pytest.fixture
async def kit(engine: AsyncEngine) -> CreatedKit:
    async with engine.begin() as connection:
        return await KitStore().create(connection, NewKit(name="Basil"))


async def noted(engine: AsyncEngine, kit: CreatedKit, *reports: LogInReport) -> KitLogIns:
    """Write each report by itself, and return what is known then."""
    for report in reports:
        async with engine.begin() as connection:
            await note_log_ins(connection, [report])
    async with engine.connect() as connection:
        return await kit_log_ins(connection, kit.id)


def refused(name: str, at: datetime = NOON, times: int = 1) -> LogInReport:
    return LogInReport(
        username=name,
        refused_at=at,
        refused_from="10.0.0.9",
        refused_reason="wrong-password",
        refused_times=times,
    )


def logged_in(name: str, at: datetime = NOON) -> LogInReport:
    return LogInReport(username=name, logged_in_at=at, logged_in_from="10.0.0.7")


async def test_nothing_is_known_of_a_kit_that_never_tried(engine: AsyncEngine, kit: CreatedKit) -> None:
    assert await noted(engine, kit) == KitLogIns()


async def test_refusals_are_counted_until_the_kit_logs_in(engine: AsyncEngine, kit: CreatedKit) -> None:
    known = await noted(engine, kit, refused(kit.serial, times=2), refused(kit.serial, LATER))
    assert known == KitLogIns(
        refused_at=LATER, refused_from="10.0.0.9", refused_reason="wrong-password", refused_times=3
    )
    assert known.is_refused
    known = await noted(engine, kit, logged_in(kit.serial, LATER + timedelta(seconds=1)))
    assert not known.is_refused
    assert (known.refused_times, known.refused_at, known.logged_in_from) == (0, LATER, "10.0.0.7")


async def test_a_serial_in_capital_letters_is_told_from_a_wrong_password(
    engine: AsyncEngine, kit: CreatedKit
) -> None:
    typed = f" {kit.serial.upper()}"
    known = await noted(engine, kit, refused(typed))
    assert (known.refused_reason, known.refused_name) == (OTHER_SPELLING, typed)
    known = await noted(engine, kit, refused(kit.serial, LATER))
    assert (known.refused_reason, known.refused_name) == ("wrong-password", None)


async def test_invented_names_leave_no_trace(engine: AsyncEngine, kit: CreatedKit) -> None:
    async with engine.begin() as connection:
        await note_log_ins(connection, [refused(f"k-{number}") for number in range(400)])
        assert await connection.scalar(text("SELECT count(*) FROM kit_log_ins")) == 0


async def test_a_refused_topic_is_named(engine: AsyncEngine, kit: CreatedKit) -> None:
    report = LogInReport(username=kit.serial, topic_refused_at=NOON, topic_refused="kit/other/measurement/raw")
    known = await noted(engine, kit, logged_in(kit.serial), report, logged_in(kit.serial, LATER))
    assert known == KitLogIns(
        logged_in_at=LATER,
        logged_in_from="10.0.0.7",
        topic_refused_at=NOON,
        topic_refused="kit/other/measurement/raw",
    )


@asynccontextmanager
async def keeping(engine: AsyncEngine) -> AsyncIterator[LogInKeeper]:
    keeper = LogInKeeper(engine)
    async with Supervisor() as supervisor:
        supervisor.start("log-in-record", keeper.run)
        yield keeper


async def test_the_keeper_writes_many_attempts_in_one_go(engine: AsyncEngine, kit: CreatedKit) -> None:
    async with keeping(engine) as keeper:
        for _ in range(50):
            keeper.refused(kit.serial, "10.0.0.9", "wrong-password")

        async def times() -> int:
            async with engine.connect() as connection:
                return (await kit_log_ins(connection, kit.id)).refused_times

        await until(times, "the refusals are written")
        assert await times() == 50


async def test_the_keeper_holds_few_names_however_many_are_invented(
    engine: AsyncEngine, kit: CreatedKit
) -> None:
    keeper = LogInKeeper(engine)
    keeper.refused(kit.serial, "10.0.0.9", "wrong-password")
    for number in range(10_000):
        keeper.refused(f"k-{number}", "10.0.0.9", "wrong-password")
    assert len(keeper._reports) == 500
    keeper.logged_in(kit.serial, "10.0.0.7")  # known, so it finds room
    assert keeper._reports[kit.serial].logged_in_from == "10.0.0.7"


async def test_a_name_that_no_database_stores_is_ignored(engine: AsyncEngine, kit: CreatedKit) -> None:
    async with keeping(engine) as keeper:
        keeper.refused("k\x00", "10.0.0.9", "wrong-password")
        keeper.logged_in(kit.serial, "10.0.0.7")

        async def is_known() -> bool:
            async with engine.connect() as connection:
                return (await kit_log_ins(connection, kit.id)).logged_in_at is not None

        await until(is_known, "the log-in is written")
