"""The queue of messages and its delivery, against a real mail server, real services and a real database."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import pytest
from delivery_world import SEAL, add_person, delivering, no_longer_waiting, queue, sealed_bodies, states
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.domain.kits.members import add_member
from hortus.domain.kits.store import KitStore, NewKit
from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.delivery import DeliveryLimits
from hortus.domain.messages.queue import (
    NothingToRetry,
    list_messages,
    retry,
    take_due,
)
from hortus.domain.messages.reset_mail import MOST_PER_HOUR, QueuedResetMailer
from hortus.domain.messages.services import ServicePolicy
from hortus.domain.messages.smtp import SmtpLimits
from hortus.domain.messages.tables import MessageKind, Transport
from http_service import service
from mail_server import MailServer, text_of
from waiting import until


async def test_a_mail_arrives_over_starttls_with_exactly_what_was_said(
    engine: AsyncEngine, server: MailServer
) -> None:
    await queue(engine, await add_person(engine), body="Zu trocken: 12 %.\n")
    async with delivering(
        engine, MessageAccess(seal=SEAL, mail=server.account(sender_name="Hortus, dein Garten"))
    ):
        await until(lambda: no_longer_waiting(engine))
    [mail] = server.mails
    assert server.envelopes == [("hortus@garden.example", ["flora@example.org"])]
    assert (mail["From"], mail["To"]) == (
        '"Hortus, dein Garten" <hortus@garden.example>',
        "flora@example.org",
    )
    assert mail["Subject"] == "Monty needs attention!"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@garden.example>")
    assert text_of(mail) == "Zu trocken: 12 %.\n"
    assert await states(engine) == [("accepted", None)]
    assert await sealed_bodies(engine) == 0


@pytest.mark.parametrize("address", ["demo@hortus.invalid", "demo@Hortus.INVALID", "demo@invalid"])
async def test_no_mail_server_is_asked_about_an_address_that_is_surely_nobodys(
    engine: AsyncEngine, server: MailServer, address: str
) -> None:
    """Such as the demonstration user's address, on a server whose operator set up mail for others."""
    user_id = await add_person(engine)
    await queue(engine, user_id, recipient=address)
    await queue(engine, user_id, recipient="flora@invalid.example")
    async with delivering(engine, MessageAccess(seal=SEAL, mail=server.account())):
        await until(lambda: no_longer_waiting(engine))
    assert await states(engine) == [
        (
            "given-up",
            "Addresses that end in .invalid do not exist, so no mail was sent. Enter a real address.",
        ),
        ("accepted", None),
    ]
    assert [recipients for _, recipients in server.envelopes] == [["flora@invalid.example"]]
    assert server.attempts == 1


async def test_a_line_break_in_a_subject_adds_no_header(engine: AsyncEngine, server: MailServer) -> None:
    subject = "Monty\r\nBcc: everybody@example.org\n\nneeds\x00\u2028attention!"
    await queue(engine, await add_person(engine), subject=subject.replace("\x00", "\x01"))
    async with delivering(engine, MessageAccess(seal=SEAL, mail=server.account())):
        await until(lambda: no_longer_waiting(engine))
    [mail] = server.mails
    assert mail["Subject"] == "Monty Bcc: everybody@example.org needs attention!"
    assert mail["Bcc"] is None
    assert server.envelopes == [("hortus@garden.example", ["flora@example.org"])]


async def test_a_refusal_for_now_is_tried_again_until_it_is_taken(
    engine: AsyncEngine, server: MailServer
) -> None:
    server.recipient_refusal = "451 try again later"
    await queue(engine, await add_person(engine))
    async with delivering(engine, MessageAccess(seal=SEAL, mail=server.account())):
        await until(lambda: server.attempts >= 3)
        [(state, failure)] = await states(engine)
        assert (state, failure) == (
            "waiting",
            "The mail server rejected the recipient's address: 451 try again later",
        )
        server.recipient_refusal = None
        await until(lambda: no_longer_waiting(engine))
    assert len(server.mails) == 1
    assert await states(engine) == [("accepted", None)]


async def test_a_refusal_for_good_is_given_up_kept_and_can_be_sent_again(
    engine: AsyncEngine, server: MailServer
) -> None:
    server.recipient_refusal = "550 no such mailbox"
    await queue(engine, await add_person(engine))
    async with delivering(engine, MessageAccess(seal=SEAL, mail=server.account())):
        await until(lambda: no_longer_waiting(engine))
        assert await states(engine) == [
            ("given-up", "The mail server rejected the recipient's address: 550 no such mailbox")
        ]
        assert server.attempts == 1
        server.recipient_refusal = None
        async with engine.begin() as connection:
            assert await retry(connection, None) == 1
        await until(lambda: len(server.mails) == 1)
        await until(lambda: no_longer_waiting(engine))
    async with engine.begin() as connection:
        with pytest.raises(NothingToRetry, match="hortus message list"):
            await retry(connection, None)


async def test_what_waited_too_long_is_given_up_and_a_reset_is_not_even_kept(engine: AsyncEngine) -> None:
    user_id = await add_person(engine)
    await queue(engine, user_id, kind=MessageKind.PASSWORD_RESET)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE messages SET give_up_at = now()"))
    async with delivering(engine, MessageAccess(seal=SEAL)):
        await until(lambda: no_longer_waiting(engine))
    [(state, failure)] = await states(engine)
    assert state == "given-up"
    assert failure is not None
    assert "hortus jobs" in failure
    assert await sealed_bodies(engine) == 0


async def test_a_mail_server_that_hangs_holds_up_no_service(engine: AsyncEngine, server: MailServer) -> None:
    server.hangs.set()
    user_id = await add_person(engine)
    access = MessageAccess(seal=SEAL, mail=server.account(), services=ServicePolicy(added=frozenset({"json"})))
    async with service() as (url, taken):
        for _ in range(3):
            await queue(engine, user_id)
        async with delivering(engine, access, DeliveryLimits(at_once=2, poll_seconds=0.02)):
            await until(lambda: server.attempts == 2)  # all threads for mail wait now
            await queue(engine, user_id, channel_id=await add_channel(engine, user_id, url), recipient="json")
            await until(lambda: len(taken) == 1)
    assert server.mails == []


async def test_a_mail_server_that_hangs_is_left_after_a_while(engine: AsyncEngine, server: MailServer) -> None:
    server.hangs.set()
    await queue(engine, await add_person(engine))
    limits = DeliveryLimits(poll_seconds=0.02, first_pause_seconds=60)
    access = MessageAccess(seal=SEAL, mail=server.account(), smtp_limits=SmtpLimits(command_seconds=0.3))

    async def put_off() -> bool:
        return await states(engine) == [("waiting", "The mail server did not answer in time.")]

    async with delivering(engine, access, limits):
        await until(put_off)
    assert server.mails == []


async def test_a_mail_server_that_is_slow_to_accept_gets_a_mail_once(
    engine: AsyncEngine, server: MailServer
) -> None:
    """However long it searches the mail for spam: other workers leave the message alone meanwhile."""
    server.is_slow_to_accept = True
    await queue(engine, await add_person(engine))
    limits = DeliveryLimits(lease_seconds=0.4, poll_seconds=0.02, first_pause_seconds=0.02)
    access = MessageAccess(seal=SEAL, mail=server.account())

    async def leased_again() -> bool:
        async with engine.connect() as connection:
            statement = text("SELECT now() - created_at > interval '2 seconds' FROM messages")
            return bool(await connection.scalar(statement))

    async with delivering(engine, access, limits), delivering(engine, access, limits):
        await until(lambda: server.contents_received >= 1)
        await until(leased_again)
        server.released.set()
        await until(lambda: no_longer_waiting(engine))
    assert await states(engine) == [("accepted", None)]
    assert (server.contents_received, len(server.mails)) == (1, 1)


async def test_a_mail_that_was_handed_over_and_not_confirmed_is_not_sent_again(
    engine: AsyncEngine, server: MailServer
) -> None:
    server.is_slow_to_accept = True
    await queue(engine, await add_person(engine))
    access = MessageAccess(seal=SEAL, mail=server.account(), smtp_limits=SmtpLimits(end_of_content_seconds=0.3))
    async with delivering(engine, access):
        await until(lambda: no_longer_waiting(engine))
    [(state, failure)] = await states(engine)
    assert state == "given-up"
    assert failure is not None
    assert failure.startswith("The mail server took the mail and did not confirm it in time.")
    assert server.contents_received == 1


async def test_a_stop_while_a_mail_is_being_accepted_does_not_have_it_sent_twice(
    engine: AsyncEngine, server: MailServer
) -> None:
    server.is_slow_to_accept = True
    await queue(engine, await add_person(engine))
    access = MessageAccess(seal=SEAL, mail=server.account())
    async with delivering(engine, access):
        await until(lambda: server.contents_received == 1)
    [(state, failure)] = await states(engine)
    assert state == "given-up"
    assert failure is not None
    assert "It may have been delivered" in failure


async def test_a_stop_before_a_mail_was_handed_over_leaves_it_to_others_at_once(
    engine: AsyncEngine, server: MailServer
) -> None:
    server.hangs.set()
    await queue(engine, await add_person(engine))
    access = MessageAccess(seal=SEAL, mail=server.account())
    async with delivering(engine, access):
        await until(lambda: server.attempts == 1)
    server.hangs.clear()
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(lease) FROM messages")) == 0
    async with delivering(engine, access):
        await until(lambda: no_longer_waiting(engine))
    assert await states(engine) == [("accepted", None)]
    assert len(server.mails) == 1


async def test_a_service_that_answers_too_late_is_not_asked_again(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hortus.domain.messages.services._SILENCE_SECONDS", 0.3)
    user_id = await add_person(engine)
    answers = asyncio.Event()
    async with service(answers=answers) as (url, taken):
        await queue(engine, user_id, channel_id=await add_channel(engine, user_id, url), recipient="json")
        access = MessageAccess(seal=SEAL, services=ServicePolicy(added=frozenset({"json"})))
        async with delivering(engine, access):
            await until(lambda: no_longer_waiting(engine))
            answers.set()
        assert len(taken) == 1
    [(state, failure)] = await states(engine)
    assert (state, failure) == (
        "given-up",
        "The service did not answer in time. It may have delivered the message, so it is not sent again.",
    )


async def test_two_deliveries_at_once_send_each_message_once(engine: AsyncEngine, server: MailServer) -> None:
    user_id = await add_person(engine)
    for number in range(30):
        await queue(engine, user_id, subject=f"Number {number}")
    access = MessageAccess(seal=SEAL, mail=server.account())
    async with delivering(engine, access), delivering(engine, access):
        await until(lambda: no_longer_waiting(engine))
    assert sorted(mail["Subject"] for mail in server.mails) == sorted(f"Number {n}" for n in range(30))


async def test_a_message_whose_sender_died_is_sent_after_its_lease_under_the_same_id(
    engine: AsyncEngine, server: MailServer
) -> None:
    await queue(engine, await add_person(engine))
    async with engine.begin() as connection:
        taken = await take_due(connection, Transport.MAIL, lease_seconds=0.2)
        assert taken is not None
        assert await take_due(connection, Transport.MAIL, lease_seconds=0.2) is None
    async with delivering(engine, MessageAccess(seal=SEAL, mail=server.account())):
        await until(lambda: len(server.mails) == 1)
    assert server.mails[0]["Message-ID"] == f"<{taken.id}@garden.example>"


async def test_a_reset_mail_carries_the_token_and_leaves_nothing_behind(
    engine: AsyncEngine, server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    await add_person(engine)
    access = MessageAccess(seal=SEAL, mail=server.account(), public_url="https://garden.example")
    mailer = QueuedResetMailer(engine, access)
    caplog.set_level(logging.DEBUG)
    for _ in range(MOST_PER_HOUR + 2):
        await mailer.send(email_address="flora@example.org", username="flora", token="ey.secret")
    async with engine.connect() as connection:
        rows = await connection.scalar(text("SELECT array_agg(m::text)::text FROM messages AS m"))
    assert "ey.secret" not in str(rows)
    async with delivering(engine, access):
        await until(lambda: no_longer_waiting(engine))
    assert len(server.mails) == MOST_PER_HOUR
    assert "https://garden.example/password-reset?token=ey.secret\n" in text_of(server.mails[0])
    assert await sealed_bodies(engine) == 0
    assert "ey.secret" not in said_by_us(caplog)


async def test_a_service_that_refuses_is_named_by_its_status_and_its_secret_shown_nowhere(
    engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    user_id = await add_person(engine)
    async with service(status=401) as (url, _taken):
        secret_url = url.replace("json://", "json://user:service-secret@")
        await queue(
            engine, user_id, channel_id=await add_channel(engine, user_id, secret_url), recipient="json"
        )
        access = MessageAccess(seal=SEAL, services=ServicePolicy(added=frozenset({"json"})))
        async with delivering(engine, access):

            async def failed() -> bool:
                return (await states(engine))[0][1] is not None

            await until(failed)
    assert await states(engine) == [("waiting", "The service answered with status 401.")]
    assert "service-secret" not in said_by_us(caplog)


def said_by_us(caplog: pytest.LogCaptureFixture) -> str:
    """Return the log without the lines of the test's own mail server."""
    return "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("mail"))


async def test_a_service_that_the_operator_no_longer_allows_gets_nothing(engine: AsyncEngine) -> None:
    user_id = await add_person(engine)
    async with service() as (url, taken):
        await queue(engine, user_id, channel_id=await add_channel(engine, user_id, url), recipient="json")
        async with delivering(engine, MessageAccess(seal=SEAL)):
            await until(lambda: no_longer_waiting(engine))
        assert taken == []
    [(state, failure)] = await states(engine)
    assert state == "given-up"
    assert failure is not None
    assert "HORTUS_NOTIFICATION_SERVICES" in failure


async def add_channel(engine: AsyncEngine, user_id: int, url: str) -> int:
    async with engine.begin() as connection:
        statement = text(
            "INSERT INTO notification_channels (user_id, name, scheme, sealed_url) "
            "VALUES (:user_id, 'json', 'json', :sealed) RETURNING id"
        )
        channel_id = await connection.scalar(statement, {"user_id": user_id, "sealed": SEAL.close(url)})
    return int(channel_id)


async def test_who_may_no_longer_see_the_kit_is_not_told_what_waited(
    engine: AsyncEngine, server: MailServer
) -> None:
    flora, gone = await add_person(engine), await add_person(engine, "gone")
    async with engine.begin() as connection:
        kit = await KitStore().create(connection, NewKit(name="Roof"))
        await add_member(
            connection, kit.id, flora, access_super=True, access_configure=True, now=datetime.now(UTC)
        )
    await queue(engine, gone, recipient="gone@example.org", kit_id=kit.id)
    await queue(engine, flora, kit_id=kit.id)
    async with delivering(engine, MessageAccess(seal=SEAL, mail=server.account())):
        await until(lambda: no_longer_waiting(engine))
    assert [recipients for _, recipients in server.envelopes] == [["flora@example.org"]]
    hidden = "The recipient may no longer see the kit that this message is about."
    assert await states(engine) == [("given-up", hidden), ("accepted", None)]
    async with engine.begin() as connection:
        assert await list_messages(connection, user_id=gone, most=100) == []
        assert len(await list_messages(connection, user_id=flora, most=100)) == 1
        with pytest.raises(NothingToRetry):
            await retry(connection, None)


async def test_everybody_may_be_told_of_a_kit_that_everybody_may_see(
    engine: AsyncEngine, server: MailServer
) -> None:
    async with engine.begin() as connection:
        kit = await KitStore().create(connection, NewKit(name="Roof"))
        await connection.execute(text("UPDATE kits SET privacy_public_dashboard = true"))
    await queue(engine, await add_person(engine), kit_id=kit.id)
    async with delivering(engine, MessageAccess(seal=SEAL, mail=server.account())):
        await until(lambda: no_longer_waiting(engine))
    assert await states(engine) == [("accepted", None)]
