"""What is said about an alert is true when it is sent, and who was told of it hears when it is over (P11)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alert_garden import COLD, ago, settle

from garden import SEAL, Garden, open_garden
from hortus.domain.alerts.message_ends import note_message_end
from hortus.domain.alerts.plant_settings import PlantAlertSettings, set_plant_settings
from hortus.domain.alerts.silence import SilenceWatch
from hortus.domain.alerts.withdrawal import withdraw_alerts
from hortus.domain.messages.delivery import DeliveryLimits, MessageDelivery
from hortus.domain.messages.queue import give_up_late, note_accepted, note_failed, take_due, withdraw_untrue
from hortus.domain.messages.tables import Transport
from hortus.domain.plants.store import delete_plant
from mail_server import MailServer, mail_server
from waiting import until

BACK = "Monty: temperature back in range"
OVER_BEFORE = "The alert was over before this message could be sent."


async def outcomes(garden: Garden) -> list[tuple[str, str, str | None]]:
    """Subject, state and failure of each message, in the order of their making."""
    rows = await garden.connection.fetch(
        "SELECT subject, state, failure FROM messages ORDER BY created_at, kind"
    )
    return [tuple(row) for row in rows]


async def want_all_clear(garden: Garden, person: int) -> None:
    await garden.run("INSERT INTO notification_preferences (user_id, when_over) VALUES (:id, true)", id=person)


@asynccontextmanager
async def delivering(garden: Garden) -> AsyncIterator[None]:
    limits = DeliveryLimits(first_pause_seconds=0.05, longest_pause_seconds=0.1, poll_seconds=0.02)
    delivery = MessageDelivery(
        garden.engine, SEAL, garden.access.carriers(), limits=limits, ended=note_message_end
    )
    task = asyncio.create_task(delivery.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[MailServer]:
    async with mail_server(tmp_path) as running:
        yield running


@pytest.fixture
async def mailing(module_database_url: str, server: MailServer) -> AsyncIterator[Garden]:
    """A garden with a mail server that runs, whose owner wants to hear of ends."""
    async with open_garden(module_database_url, mail=server.account()) as garden:
        await want_all_clear(garden, garden.flora)
        yield garden


async def nothing_waits(garden: Garden) -> bool:
    return all(state != "waiting" for _, state, _ in await outcomes(garden))


async def test_what_waited_for_its_mail_server_is_withdrawn_when_the_alert_is_over(
    mailing: Garden, server: MailServer
) -> None:
    server.recipient_refusal = "421 try later"
    await mailing.measure(10, at=ago(minutes=2))
    await mailing.judge()
    async with delivering(mailing):
        await until(lambda: server.attempts >= 2)
        await mailing.measure(22, at=ago(minutes=1))
        await mailing.judge()
        await until(lambda: nothing_waits(mailing))
        server.recipient_refusal = None
        # The next alert is told at once: nobody was told of the one before.
        await mailing.measure(10)
        await mailing.judge()
        await until(lambda: len(server.mails) == 1)
        await until(lambda: nothing_waits(mailing))
    assert await mailing.alerts() == [("low", False), ("low", True)]
    # If an attempt was under way at its end, that it is over was to be told as well, and was not.
    assert [each for each in await outcomes(mailing) if each[0] == COLD] == [
        (COLD, "given-up", OVER_BEFORE),
        (COLD, "accepted", None),
    ]
    assert [mail["Subject"] for mail in server.mails] == [COLD]


async def test_who_is_told_at_the_very_moment_of_its_end_hears_that_it_is_over(
    mailing: Garden, server: MailServer
) -> None:
    server.is_slow_to_accept = True
    await mailing.measure(10, at=ago(minutes=2))
    await mailing.judge()
    async with delivering(mailing):
        await until(lambda: server.contents_received == 1)
        await mailing.measure(22, at=ago(minutes=1))
        await mailing.judge()
        assert [state for _, state, _ in await outcomes(mailing)] == ["waiting", "waiting"]
        server.released.set()
        await until(lambda: nothing_waits(mailing))
    assert [mail["Subject"] for mail in server.mails] == [COLD, BACK]


async def test_who_was_not_told_after_all_hears_nothing_of_its_end(garden: Garden) -> None:
    await want_all_clear(garden, garden.flora)
    await garden.measure(10, at=ago(minutes=2))
    await garden.judge()
    async with garden.engine.begin() as connection:
        taken = await take_due(connection, Transport.MAIL, 60)
        assert taken is not None
    await garden.measure(22, at=ago(minutes=1))
    await garden.judge()
    async with garden.engine.begin() as connection:
        assert await take_due(connection, Transport.MAIL, 60) is None  # not before the other one has ended
        assert not await note_failed(connection, taken, "No connection.", pause_seconds=0)
        assert await take_due(connection, Transport.MAIL, 60) is None  # it is no longer true
        await withdraw_untrue(connection)
        await withdraw_untrue(connection)
    assert await outcomes(garden) == [
        (COLD, "given-up", OVER_BEFORE),
        (BACK, "given-up", "Nobody was told that the alert was open, so this message is not needed."),
    ]


async def test_only_who_was_told_hears_of_its_end(garden: Garden) -> None:
    mint = await garden.person("mint")
    await garden.join(mint)
    for person in (garden.flora, mint):
        await want_all_clear(garden, person)
    await garden.run("UPDATE notification_preferences SET of_shared_kits = true")
    await garden.measure(10, at=ago(minutes=2))
    await garden.judge()
    async with garden.engine.begin() as connection:
        taken = await take_due(connection, Transport.MAIL, 60)
        assert taken is not None
        assert await note_accepted(connection, taken)
        await note_message_end(connection, taken.id, True)
    await garden.measure(22, at=ago(minutes=1))
    await garden.judge()
    rows = await garden.connection.fetch("SELECT recipient, subject, state FROM messages")
    other = ({"flora@example.org", "mint@example.org"} - {taken.recipient}).pop()
    assert {tuple(row) for row in rows} == {
        (taken.recipient, COLD, "accepted"),
        (other, COLD, "given-up"),
        (taken.recipient, BACK, "waiting"),
    }


async def test_messages_of_an_alert_that_was_withdrawn_are_withdrawn(garden: Garden) -> None:
    await garden.measure(10)
    await garden.judge()
    async with garden.engine.begin() as connection:
        await set_plant_settings(connection, garden.plant, PlantAlertSettings(enabled=False))
        await withdraw_alerts(connection, garden.plant)
        assert await take_due(connection, Transport.MAIL, 60) is None
        assert await give_up_late(connection) == []
        await withdraw_untrue(connection)
    assert await outcomes(garden) == [(COLD, "given-up", OVER_BEFORE)]
    assert await garden.bodies() == []


async def test_a_kit_that_is_back_before_the_message_is_told_of_to_nobody(garden: Garden) -> None:
    await want_all_clear(garden, garden.flora)
    start = datetime.now(UTC)
    watch = SilenceWatch(garden.engine, garden.access, since=start)
    await garden.measure(20)
    await watch.look(start + timedelta(minutes=16))
    back_at = start + timedelta(minutes=17)
    await garden.run("UPDATE kit_last_seen SET datetime_last_seen = :at", at=back_at)
    await watch.look(back_at)
    assert await outcomes(garden) == [("Roof is silent", "given-up", OVER_BEFORE)]
    # And the next silence is told, to its end.
    await watch.look(back_at + timedelta(minutes=16))
    await settle(garden, accepted=True)
    later = back_at + timedelta(minutes=17)
    await garden.run("UPDATE kit_last_seen SET datetime_last_seen = :at", at=later)
    await watch.look(later)
    assert [(subject, state) for subject, state, _ in await outcomes(garden)][1:] == [
        ("Roof is silent", "accepted"),
        ("Roof is sending again", "waiting"),
    ]


async def test_nothing_is_sent_about_a_plant_that_was_deleted_meanwhile(garden: Garden) -> None:
    await want_all_clear(garden, garden.flora)
    await garden.measure(10, at=ago(minutes=3))
    await garden.judge()
    await settle(garden, accepted=True)
    await garden.measure(22, at=ago(minutes=2))
    await garden.judge()
    await garden.measure(10, at=ago(minutes=1))
    await garden.run("UPDATE alert_states SET quiet_until = NULL")
    await garden.judge()
    async with garden.engine.begin() as connection:
        await delete_plant(connection, garden.plant)
    async with garden.engine.begin() as connection:
        assert await take_due(connection, Transport.MAIL, 60) is None
        await withdraw_untrue(connection)
    gone = "What this message is about was deleted."
    assert await outcomes(garden) == [
        (COLD, "accepted", None),
        (BACK, "given-up", gone),
        (COLD, "given-up", gone),
    ]


async def test_an_accepted_all_clear_starts_no_pause(garden: Garden) -> None:
    await want_all_clear(garden, garden.flora)
    await garden.measure(10, at=ago(minutes=3))
    await garden.judge()
    await settle(garden, accepted=True)
    await garden.measure(22, at=ago(minutes=2))
    await garden.judge()
    await garden.run("UPDATE alert_states SET quiet_until = NULL")
    await settle(garden, accepted=True)
    assert await garden.value("SELECT count(*) FROM alert_states WHERE quiet_until IS NOT NULL") == 0
    assert [(subject, state) for subject, state, _ in await outcomes(garden)] == [
        (COLD, "accepted"),
        (BACK, "accepted"),
    ]
