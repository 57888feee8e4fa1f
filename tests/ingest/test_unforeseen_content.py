"""What nobody foresaw in a message costs that message alone: no other one, no retry for ever, no process."""

from __future__ import annotations

from hortus.flow.ingest.messages import InboundMessage, QuarantineVerdict
from hortus.protocol.reasons import Reason
from hortus.protocol.wire.messages import AggregateMeasurement
from ingest_world import World, now_ms


async def test_a_row_that_is_too_much_for_the_database_is_isolated(world: World) -> None:
    await world.connection.execute(
        "CREATE FUNCTION too_much() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'index row size exceeds the maximum' USING ERRCODE = '54000'; END $$;"
        "CREATE TRIGGER too_much BEFORE INSERT ON raw_measurements FOR EACH ROW WHEN (NEW.value > 1000) "
        "EXECUTE FUNCTION too_much()"
    )
    for index in range(50):
        world.offer(world.raw(value=5000.0 if index in {7, 30} else 1.0))
    await world.settled()
    assert await world.count() == 48
    assert await world.reasons() == {Reason.REFUSED_BY_DATABASE: 2}


async def test_a_value_that_no_library_takes_is_isolated(world: World) -> None:
    aggregate = AggregateMeasurement(
        id=b"not 16 bytes",
        datetime_start_ms=now_ms() - 1000,
        datetime_end_ms=now_ms(),
        peripheral=world.peripheral,
        quantity_type=1,
        values=(("count", 1.0),),
    )
    world.offer(world.raw())
    message = InboundMessage(world.source, 100, world.topic("measurement/aggregate"), b"bytes", now_ms())
    message.content = aggregate
    world.pipeline.take(message)
    world.offer(world.raw())
    await world.settled()
    assert await world.count() == 2
    row = await world.connection.fetchrow("SELECT * FROM quarantine")
    assert (row["reason"], row["stream"], row["payload"]) == ("refused-by-database", "aggregate", b"bytes")
    assert "16" in row["detail"]


async def test_the_quarantine_takes_texts_that_the_database_cannot_store(world: World) -> None:
    verdict = QuarantineVerdict(Reason.UNDECODABLE, "half a \ud800 character")
    topic = f"kit/{world.kit.serial}/\ud800\x00"
    message = InboundMessage(world.source, 100, topic, b"bytes", now_ms(), verdict, world.kit.serial)
    world.pipeline.take(message)
    world.offer(world.raw())
    await world.settled()
    row = await world.connection.fetchrow("SELECT * FROM quarantine")
    assert (row["detail"], row["topic"]) == ("half a ? character", f"kit/{world.kit.serial}/?\ufffd")
    assert await world.count() == 1
