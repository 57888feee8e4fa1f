"""A kit is there if anything arrives from it, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from hortus.domain.presence.judgement import Judgement, PresenceState
from hortus.domain.presence.store import read_presence
from hortus.flow.ingest.messages import InboundMessage
from hortus.protocol.reasons import Reason
from ingest_world import World, now_ms


async def presence(world: World, now: datetime | None = None) -> Judgement:
    async with world.engine.connect() as connection:
        return await read_presence(connection, now or datetime.now(UTC), world.kit.id)


async def send_rubbish(world: World) -> None:
    await world.send(b"rubbish")


async def send_from_the_future(world: World) -> None:
    await world.send(world.raw(datetime_ms=now_ms() + 3_600_000))


@pytest.mark.parametrize("send", [send_rubbish, send_from_the_future])
async def test_a_kit_of_which_nothing_can_be_stored_is_online(
    world: World, send: Callable[[World], Awaitable[None]]
) -> None:
    assert (await presence(world)).state is PresenceState.NEVER
    await send(world)
    assert (await world.ledger()).quarantined == 1
    judged = await presence(world)
    assert judged.state is PresenceState.ONLINE
    assert judged.last_contact_at is not None
    assert await world.connection.fetchval("SELECT count(*) FROM kit_last_seen") == 0


async def test_a_kit_whose_message_was_refused_is_online(world: World) -> None:
    world.pipeline.count_refused(world.topic(), serial=world.kit.serial, reason=Reason.PAYLOAD_TOO_LARGE)
    await world.settled()
    assert (await world.ledger()).refused == 1
    assert (await presence(world)).state is PresenceState.ONLINE


async def test_a_message_of_a_kit_that_was_deleted_makes_no_trouble(world: World) -> None:
    await world.send(b"rubbish")
    await world.connection.execute("DELETE FROM kits WHERE id = $1", world.kit.id)
    await world.send(b"rubbish")
    assert await world.connection.fetchval("SELECT count(*) FROM kit_presence") == 0
    assert await world.connection.fetchval("SELECT sum(quarantined) FROM ingest_ledger") == 2


async def test_an_arrival_time_of_the_future_does_not_keep_a_kit_online(world: World) -> None:
    # As the clock of another machine may have written it into a record of Kafka.
    in_a_year_ms = now_ms() + 365 * 86_400_000
    world.pipeline.take(InboundMessage(world.source, 0, world.topic(), b"rubbish", in_a_year_ms))
    await world.settled()
    in_a_day = datetime.now(UTC) + timedelta(days=1)
    assert (await presence(world, in_a_day)).state is PresenceState.OFFLINE
