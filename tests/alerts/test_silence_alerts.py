"""Alerts about kits and boards that are not heard any more."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from alert_garden import settle

from garden import Garden
from hortus.domain.alerts.message_ends import note_message_end
from hortus.domain.alerts.silence import SilenceWatch
from hortus.domain.messages.queue import give_up_late, take_due
from hortus.domain.messages.tables import Transport
from hortus.flow.gateway.boards import retire_board


async def test_a_kit_that_falls_silent_is_told_once_and_over_when_it_is_back(garden: Garden) -> None:
    start = datetime.now(UTC)
    watch = SilenceWatch(garden.engine, garden.access, since=start)
    await garden.measure(20)
    await watch.look(start + timedelta(minutes=14))
    assert await garden.alerts() == []
    for minutes in (16, 17, 18):
        await watch.look(start + timedelta(minutes=minutes))
    assert await garden.alerts() == [("silent", True)]
    assert await garden.messages() == [("flora@example.org", "Roof is silent")]
    [body] = await garden.bodies()
    heard_at = await garden.value("SELECT datetime_last_seen FROM kit_last_seen")
    assert body.startswith(
        f"Roof has been silent since {heard_at:%Y-%m-%d %H:%M} UTC.\nCheck its power and its network.\n"
    )
    assert f"Serial of the kit: {garden.kit.serial}\n" in body
    await settle(garden, accepted=True)
    await watch.look(start + timedelta(hours=12, minutes=30))
    assert len(await garden.messages()) == 2  # a reminder
    # Snoozed, it waits until the end of the snooze.
    await settle(garden, accepted=True)
    await garden.run(
        "UPDATE alerts SET quiet_until = NULL, snoozed_at = now(), snoozed_until = :until",
        until=start + timedelta(hours=12, minutes=32),
    )
    await watch.look(start + timedelta(hours=12, minutes=31))
    assert len(await garden.messages()) == 2
    await watch.look(start + timedelta(hours=12, minutes=33))
    assert len(await garden.messages()) == 3
    back_at = start + timedelta(hours=12, minutes=34)
    await garden.run("UPDATE kit_last_seen SET datetime_last_seen = :at", at=back_at)
    await watch.look(back_at)
    assert await garden.alerts() == [("silent", False)]


async def test_a_kit_of_which_nothing_can_be_stored_is_not_silent(garden: Garden) -> None:
    start = datetime.now(UTC)
    watch = SilenceWatch(garden.engine, garden.access, since=start)
    await garden.measure(20)
    # As ingest notes it when a kit's messages are quarantined.
    await garden.run(
        "INSERT INTO kit_presence (kit_id, last_contact_at) VALUES (:kit, :at)",
        kit=garden.kit.id,
        at=start + timedelta(minutes=10),
    )
    await watch.look(start + timedelta(minutes=16))
    assert await garden.alerts() == []


async def test_after_our_own_start_kits_have_time_to_be_heard(garden: Garden) -> None:
    await garden.measure(20)
    start = datetime.now(UTC) + timedelta(hours=5)
    watch = SilenceWatch(garden.engine, garden.access, since=start)
    await watch.look(start + timedelta(minutes=14))
    assert await garden.alerts() == []
    await watch.look(start + timedelta(minutes=16))
    assert await garden.alerts() == [("silent", True)]


async def test_while_nobody_of_us_listens_no_kit_is_silent(garden: Garden) -> None:
    start = datetime.now(UTC)
    watch = SilenceWatch(garden.engine, garden.access, since=start)
    await garden.measure(20)
    minutes = [timedelta(minutes=each) for each in range(60)]
    listening = "INSERT INTO presence_listening (listening_since, listening_until) VALUES (:since, :until)"
    await garden.run(listening, since=start, until=start)
    await watch.look(start + minutes[30])  # no process has listened since
    changed = "UPDATE presence_listening SET listening_since = :since, listening_until = :until"
    await garden.run(changed, since=start + minutes[30], until=start + minutes[44])
    await watch.look(start + minutes[44])  # a process is listening again, but not for long enough yet
    assert await garden.alerts() == []
    await garden.run(changed, since=start + minutes[30], until=start + minutes[46])
    await watch.look(start + minutes[46])
    assert await garden.alerts() == [("silent", True)]


async def test_a_kit_that_never_spoke_is_not_silent_and_a_slow_one_has_its_time(garden: Garden) -> None:
    start = datetime.now(UTC)
    watch = SilenceWatch(garden.engine, garden.access, since=start)
    await watch.look(start + timedelta(days=1))
    assert await garden.alerts() == []
    await garden.measure(20)
    configuration = '{"intervals": {"measurementInterval": 3600}}'
    await garden.run("UPDATE peripherals SET configuration = CAST(:value AS json)", value=configuration)
    await watch.look(start + timedelta(hours=2, minutes=59))
    assert await garden.alerts() == []
    await watch.look(start + timedelta(hours=3, minutes=1))
    assert await garden.alerts() == [("silent", True)]


@pytest.mark.parametrize("interval", ["1e308", "-1e308", "true", '"soon"', "null"])
async def test_whatever_interval_a_person_wrote_silence_is_judged(garden: Garden, interval: str) -> None:
    await garden.measure(20)
    configuration = '{"intervals": {"measurementInterval": %s}}' % interval  # noqa: UP031  (braces)
    await garden.run("UPDATE peripherals SET configuration = CAST(:value AS json)", value=configuration)
    start = datetime.now(UTC)
    await SilenceWatch(garden.engine, garden.access, since=start).look(start + timedelta(days=91))
    assert await garden.alerts() == [("silent", True)]


async def test_a_board_is_silent_by_its_own_measure(garden: Garden) -> None:
    await garden.run(
        "INSERT INTO boards (kit_id, sensor_id, silent_after_seconds, last_contact_at) "
        "VALUES (:kit, 1, 60, now())",
        kit=garden.kit.id,
    )
    start = datetime.now(UTC)
    watch = SilenceWatch(garden.engine, garden.access, since=start)
    await watch.look(start + timedelta(seconds=50))
    assert await garden.alerts() == []
    await asyncio.gather(
        *(
            SilenceWatch(garden.engine, garden.access, since=start).look(start + timedelta(seconds=70))
            for _ in range(2)
        )
    )
    assert await garden.alerts() == [("silent", True)]
    assert len(await garden.messages()) == 1


async def make_board(garden: Garden) -> None:
    await garden.run("UPDATE kits SET serial = 'pk-7' WHERE id = :kit", kit=garden.kit.id)
    await garden.run("INSERT INTO boards (kit_id, sensor_id) VALUES (:kit, 7)", kit=garden.kit.id)


async def test_a_board_that_its_owner_retired_is_not_silent(garden: Garden) -> None:
    start = datetime.now(UTC)
    watch = SilenceWatch(garden.engine, garden.access, since=start)
    await make_board(garden)
    await garden.measure(20)
    async with garden.engine.begin() as connection:
        await retire_board(connection, garden.kit.id)
    await watch.look(start + timedelta(hours=5))
    assert await garden.alerts() == []
    assert await garden.messages() == []


async def test_the_alert_of_a_silent_board_is_withdrawn_when_it_is_retired(garden: Garden) -> None:
    start = datetime.now(UTC)
    watch = SilenceWatch(garden.engine, garden.access, since=start)
    await make_board(garden)
    await garden.run("UPDATE boards SET last_contact_at = now()")
    await watch.look(start + timedelta(minutes=16))
    assert await garden.alerts() == [("silent", True)]
    await settle(garden, accepted=True)
    async with garden.engine.begin() as connection:
        await retire_board(connection, garden.kit.id)
    await watch.look(start + timedelta(hours=13))
    assert await garden.value("SELECT ending FROM alerts") == "withdrawn"
    assert len(await garden.messages()) == 1  # no reminder


async def test_a_message_about_a_board_is_not_sent_once_the_board_is_retired(garden: Garden) -> None:
    start = datetime.now(UTC)
    await make_board(garden)
    await garden.run("UPDATE boards SET last_contact_at = now()")
    await SilenceWatch(garden.engine, garden.access, since=start).look(start + timedelta(minutes=16))
    assert len(await garden.messages()) == 1
    async with garden.engine.begin() as connection:
        await retire_board(connection, garden.kit.id)
        assert await take_due(connection, Transport.MAIL, 60) is None


async def test_a_member_without_full_access_who_owns_a_plant_there_is_told_of_silence(garden: Garden) -> None:
    await garden.run("UPDATE kit_memberships SET access_super = false, access_configure = false")
    start = datetime.now(UTC)
    watch = SilenceWatch(garden.engine, garden.access, since=start)
    await garden.measure(20)
    await watch.look(start + timedelta(minutes=16))
    assert await garden.messages() == [("flora@example.org", "Roof is silent")]


async def test_who_leaves_a_kit_is_told_nothing_that_waited_about_it(garden: Garden) -> None:
    start = datetime.now(UTC)
    watch = SilenceWatch(garden.engine, garden.access, since=start)
    await garden.measure(10)
    await garden.judge()
    await watch.look(start + timedelta(minutes=16))
    assert len(await garden.messages()) == 2
    await garden.run("DELETE FROM kit_memberships")
    async with garden.engine.begin() as connection:
        assert await take_due(connection, Transport.MAIL, 60) is None
        for message_id in await give_up_late(connection):
            await note_message_end(connection, message_id, False)
    assert await garden.bodies() == []
    assert await garden.value("SELECT count(*) FROM messages WHERE state = 'given-up'") == 2
    assert await garden.value("SELECT count(*) FROM alerts WHERE NOT message_waiting") == 2
