"""The queue of messages and its delivery, against a real mail server, real services and a real database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import UsageError
from hortus.base.settings import read_settings
from hortus.domain.accounts.tables import UserRow
from hortus.domain.kits.members import add_member
from hortus.domain.kits.store import KitStore, NewKit
from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.delivery import DeliveryLimits, MessageDelivery
from hortus.domain.messages.mail import MailDelivery
from hortus.domain.messages.mail_account import MailAccount, Security, mail_account
from hortus.domain.messages.outcome import NotDelivered, OutgoingMessage
from hortus.domain.messages.queue import (
    NewMessage,
    NothingToRetry,
    list_messages,
    put_in,
    retry,
    take_due,
)
from hortus.domain.messages.reset_mail import MOST_PER_HOUR, QueuedResetMailer
from hortus.domain.messages.sealing import Seal
from hortus.domain.messages.services import ServicePolicy
from hortus.domain.messages.tables import MessageKind, Transport
from mail_server import MailServer, mail_server, text_of
from waiting import until

SEAL = Seal(b"the key of an installation, for tests")
QUICK = DeliveryLimits(
    attempt_seconds=30, first_pause_seconds=0.02, longest_pause_seconds=0.05, poll_seconds=0.02
)


@pytest.fixture
async def engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(DatabaseUrl.parse(migrated_database_url)) as opened:
        yield opened


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[MailServer]:
    async with mail_server(tmp_path) as running:
        yield running


async def add_person(engine: AsyncEngine, name: str = "flora") -> int:
    async with engine.begin() as connection:
        statement = insert(UserRow).values(
            username=name,
            display_name=name,
            password_hash="none",
            email_address=f"{name}@example.org",
            gravatar_alternative=name,
        )
        user_id = await connection.scalar(statement.returning(UserRow.id))
    assert user_id is not None
    return user_id


async def queue(engine: AsyncEngine, user_id: int, **changes: Any) -> None:
    values: dict[str, Any] = {
        "user_id": user_id,
        "recipient": "flora@example.org",
        "kind": MessageKind.ALERT,
        "subject": "Monty needs attention!",
        "body": "Dry.\n",
    }
    async with engine.begin() as connection:
        await put_in(connection, SEAL, [NewMessage(**(values | changes))])


@asynccontextmanager
async def delivering(
    engine: AsyncEngine, access: MessageAccess, limits: DeliveryLimits = QUICK
) -> AsyncIterator[None]:
    task = asyncio.create_task(MessageDelivery(engine, SEAL, access.carriers(), limits=limits).run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def states(engine: AsyncEngine) -> list[tuple[str, str | None]]:
    async with engine.connect() as connection:
        rows = await list_messages(connection, most=100)
    return [(row["state"], row["failure"]) for row in reversed(rows)]


async def no_longer_waiting(engine: AsyncEngine) -> bool:
    return all(state != "waiting" for state, _ in await states(engine))


async def sealed_bodies(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(text("SELECT count(sealed_body) FROM messages")) or 0)


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
    limits = DeliveryLimits(attempt_seconds=0.5, poll_seconds=0.02, first_pause_seconds=60)

    async def put_off() -> bool:
        [(state, failure)] = await states(engine)
        return state == "waiting" and failure is not None

    async with delivering(engine, MessageAccess(seal=SEAL, mail=server.account()), limits):
        await until(put_off)
    assert server.mails == []


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


@pytest.mark.parametrize("security", [Security.TLS, Security.NONE])
async def test_mail_can_be_sent_over_tls_from_the_first_byte_or_in_the_clear(
    tmp_path: Path, security: Security
) -> None:
    async with mail_server(tmp_path, security=security) as server:
        await asyncio.to_thread(MailDelivery(server.account(), letter()).deliver)
        assert len(server.mails) == 1


async def test_nothing_is_said_to_a_server_without_tls_where_tls_is_demanded(tmp_path: Path) -> None:
    async with mail_server(tmp_path, security=Security.NONE) as server:
        account = server.account(security=Security.STARTTLS)
        assert "STARTTLS" in str(await refused(account))
        assert (server.attempts, server.mails) == (0, [])


async def test_a_server_whose_certificate_is_not_trusted_gets_nothing(server: MailServer) -> None:
    failure = await refused(server.account(ca_file=None))
    assert (failure.permanent, str(failure)) == (
        False,
        "No trusted TLS connection to the mail server: CERTIFICATE_VERIFY_FAILED",
    )
    assert server.attempts == 0


async def test_a_wrong_password_is_named_as_such_and_not_shown(server: MailServer) -> None:
    failure = await refused(server.account(password="wrong secret"))
    assert str(failure) == "The mail server rejected Hortus's user name and password: 535."
    assert not failure.permanent


async def test_a_server_that_is_away_is_a_failure_for_now(server: MailServer) -> None:
    failure = await refused(server.account(port=1))
    assert (failure.permanent, str(failure)) == (
        False,
        "The mail server cannot be reached: Connection refused.",
    )


async def test_an_address_that_is_none_is_given_up_at_once(server: MailServer) -> None:
    failure = await refused(server.account(), recipient="flora@exa mple\r\nBcc: x@example.org")
    assert (failure.permanent, str(failure)) == (True, "The recipient's address is not valid.")
    assert server.attempts == 0


async def refused(account: MailAccount, **changes: str) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        await asyncio.to_thread(MailDelivery(account, letter(**changes)).deliver)
    return caught.value


def letter(**changes: str) -> OutgoingMessage:
    values = {"message_id": "1", "recipient": "flora@example.org", "subject": "Hello", "body": "Hello.\n"}
    return OutgoingMessage(**(values | changes))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://user:secret@example.org", "smtps://"),
        ("smtp://user:secret@", "smtps://"),
        ("smtp://user:secret@example.org:port", "smtps://"),
        ("smtp://user:secret@example.org/path", "smtps://"),
        ("smtp://secret@example.org", "needs both"),
        ("smtp+plain://user:secret@mail.example.org", "unencrypted"),
    ],
)
def test_an_unusable_mail_server_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv("HORTUS_SMTP_URL", url)
    monkeypatch.setenv("HORTUS_MAIL_FROM", "hortus@garden.example")
    with pytest.raises(UsageError) as caught:
        mail_account(read_settings())
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_mail_account_is_read_from_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HORTUS_SMTP_URL", "smtps://user%40example.org:p%2Fw@mail.example.org")
    with pytest.raises(UsageError, match="HORTUS_MAIL_FROM"):
        mail_account(read_settings())
    monkeypatch.setenv("HORTUS_MAIL_FROM", "The garden <hortus@garden.example>")
    assert mail_account(read_settings()) == MailAccount(
        host="mail.example.org",
        port=465,
        security=Security.TLS,
        username="user@example.org",
        password="p/w",
        sender="hortus@garden.example",
        sender_name="The garden",
    )


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


@asynccontextmanager
async def service(status: int = 200) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run an HTTP service that receives messages; yield its URL and the requests that it received."""
    taken: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        taken.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"json://127.0.0.1:{server.sockets[0].getsockname()[1]}/", taken


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
