"""What a mail says is what was typed: names cannot add headers, bodies or markup, in any version of Python."""

from __future__ import annotations

import email
from email.header import decode_header
from email.message import Message
from email.policy import compat32

import pytest
from delivery_world import letter
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.messages.mail import compose
from hortus.domain.messages.mail_account import MailAccount, Security
from hortus.domain.messages.outcome import one_line

ACCOUNT = MailAccount(host="127.0.0.1", port=25, security=Security.NONE, sender="hortus@garden.example")
HEADERS = [
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
]
BODY = "Zu trocken: 12 %.\n.\n\nFrom here on it is our text.\n"

HOSTILE = [
    "=?utf-8?q?a=0D=0AContent-Type:_text/html=0D=0A=0D=0A<a_href=//x.example>?=",
    "=?utf-8?q?a=0D=0ABcc:_victim@example.org?=",
    "=?utf-8?b?YQ0KQmNjOiB4QGV4YW1wbGUub3Jn?= and =?us-ascii?q?more?=",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3D0D=3D0ABcc:=3F=3D?=",
    'Flora" <x@example.org>, "\\',
    "Monty, =?unfinished",
    "Blüten 🌱 " * 20,
    "x" * 190,
]


def parsed(mail: bytes) -> Message:
    """Parse a mail without decoding its headers; lines end as RFC 5322 demands."""
    assert mail.count(b"\r") == mail.count(b"\n") == mail.count(b"\r\n")
    assert max(map(len, mail.split(b"\r\n"))) <= 998
    return email.message_from_bytes(mail, policy=compat32)


def decoded(header: str) -> str:
    """Decode a header once, as a reader's program does."""
    parts = decode_header(header.replace("\r\n", ""))
    return "".join(
        part if isinstance(part, str) else part.decode(charset or "ascii") for part, charset in parts
    )


def body_of(mail: Message) -> str:
    content = mail.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_in_a_subject_is_shown_as_typed_and_adds_nothing(name: str) -> None:
    mail = parsed(compose(ACCOUNT, letter(subject=f"{name}: dry", body=BODY)))
    assert decoded(mail["Subject"]) == one_line(f"{name}: dry", 200)
    assert mail.keys() == HEADERS
    assert mail.get_content_type() == "text/plain"
    assert body_of(mail) == BODY


@pytest.mark.parametrize("name", HOSTILE)
def test_a_senders_name_is_shown_as_typed_and_adds_no_address(name: str) -> None:
    account = MailAccount(
        host="127.0.0.1", port=25, security=Security.NONE, sender="hortus@garden.example", sender_name=name
    )
    mail = parsed(compose(account, letter(body=BODY)))
    shown, _, address = mail["From"].rpartition(" ")
    if shown.startswith('"'):
        shown = shown[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    assert (decoded(shown), address) == (one_line(name, 200), "<hortus@garden.example>")
    assert mail.keys() == HEADERS


@given(subject=st.text(max_size=220), body=st.text(max_size=300))
def test_whatever_is_written_arrives_and_nothing_else(subject: str, body: str) -> None:
    mail = parsed(compose(ACCOUNT, letter(subject=subject, body=body)))
    wanted = one_line(subject, 200)
    # Spaces between encoded words are not part of the text; one_line leaves single ones within it.
    assert decoded(mail["Subject"]).strip() == wanted
    assert mail.keys() == HEADERS
    lines = body.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    assert body_of(mail) == lines
