"""Speaking with a mail server: encryption, certificates, wrong accounts, servers that are away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from delivery_world import letter

from hortus.base.errors import UsageError
from hortus.base.settings import read_settings
from hortus.domain.messages.mail import MailDelivery
from hortus.domain.messages.mail_account import MailAccount, Security, mail_account
from hortus.domain.messages.outcome import NotDelivered
from mail_server import MailServer, mail_server


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


async def test_addresses_with_umlaut_domains_need_no_special_server(server: MailServer) -> None:
    account = server.account(sender="hortus@gärten.example")
    recipient = letter(recipient="Flora@bücher.example")
    await asyncio.to_thread(MailDelivery(account, recipient).deliver)
    assert server.envelopes == [("hortus@xn--grten-gra.example", ["Flora@xn--bcher-kva.example"])]
    [mail] = server.mails
    assert (mail["From"], mail["To"]) == (
        "Hortus <hortus@xn--grten-gra.example>",
        "Flora@xn--bcher-kva.example",
    )
    assert mail["Message-ID"].endswith("@xn--grten-gra.example>")
