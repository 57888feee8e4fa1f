"""Delivering mail by SMTP (RFC 5321), in a thread.

The library for other services could send mail, too, but reports only success or failure; here, the mail
server's reply decides between a retry and giving up (docs/decisions/0005-mail-by-smtplib.md).
"""

from __future__ import annotations

import re
import smtplib
import ssl
from email.utils import format_datetime, localtime

from hortus.base.errors import describe_error
from hortus.domain.accounts.email_addresses import is_email_address, with_ascii_domain
from hortus.domain.messages.mail_account import MailAccount
from hortus.domain.messages.mail_text import address_header, mail_text, text_header
from hortus.domain.messages.outcome import NotDelivered, OutgoingMessage, one_line
from hortus.domain.messages.smtp import SmtpLimits, SmtpSubmission
from hortus.domain.messages.tables import MOST_SUBJECT_CHARACTERS

_PERMANENT = range(500, 600)  # RFC 5321, 4.2.1
_NOBODYS = re.compile(r"@(.+\.)?invalid", re.IGNORECASE)


class MailDelivery:
    """One attempt to send a mail. `deliver` blocks; `abort`, called from another thread, ends it soon."""

    def __init__(self, account: MailAccount, letter: OutgoingMessage, limits: SmtpLimits | None = None) -> None:
        limits = limits or SmtpLimits()
        self.most_seconds = limits.most_seconds
        self._account = account
        self._letter = letter
        self._submission = SmtpSubmission(account, limits)
        self._is_aborted = False

    def deliver(self) -> None:
        """Submit the mail to the server. Raises NotDelivered."""
        _require_possible(self._letter.recipient)
        sender, recipient = with_ascii_domain(self._account.sender), with_ascii_domain(self._letter.recipient)
        try:
            self._submission.submit(sender, recipient, compose(self._account, self._letter))
        except (smtplib.SMTPException, OSError) as error:
            if self._submission.is_handed_over and (self._is_aborted or _is_timeout(error)):
                raise NotDelivered(
                    "The mail server took the mail and did not confirm it in time. It may have been delivered, "
                    "so it is not sent again.",
                    permanent=True,
                ) from error
            raise _in_words(error) from error

    def abort(self) -> None:
        """Shut down the connection, at any stage of the SMTP dialogue."""
        self._is_aborted = True
        self._submission.abort()


def compose(account: MailAccount, letter: OutgoingMessage) -> bytes:
    """Return the mail. Addresses have to be valid."""
    sender = with_ascii_domain(account.sender)
    headers = [
        address_header("From", sender, one_line(account.sender_name, MOST_SUBJECT_CHARACTERS)),
        address_header("To", with_ascii_domain(letter.recipient)),
        text_header("Subject", one_line(letter.subject, MOST_SUBJECT_CHARACTERS)),
        ("Date", format_datetime(localtime())),
        ("Message-ID", f"<{letter.message_id}@{sender.rpartition('@')[2]}>"),
        # Asks for no automatic replies (RFC 3834).
        ("Auto-Submitted", "auto-generated"),
    ]
    return mail_text(headers, letter.body)


def _require_possible(recipient: str) -> None:
    """Reject what is no address, and addresses under the reserved domain .invalid (RFC 2606, 2)."""
    if not is_email_address(recipient):
        raise NotDelivered("The recipient's address is not valid.", permanent=True)
    if _NOBODYS.fullmatch(recipient[recipient.rfind("@") :]):
        raise NotDelivered(
            "Addresses that end in .invalid do not exist, so no mail was sent. Enter a real address.",
            permanent=True,
        )


def _is_timeout(error: Exception) -> bool:
    # smtplib reports a time-out as a connection that was closed.
    return isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)


def _in_words(error: Exception) -> NotDelivered:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, answer = next(iter(error.recipients.values()))
        return NotDelivered(
            f"The mail server rejected the recipient's address: {code} {_text(answer)}",
            permanent=code in _PERMANENT,
        )
    if isinstance(error, smtplib.SMTPDataError):
        return NotDelivered(
            f"The mail server rejected the mail: {error.smtp_code} {_text(error.smtp_error)}",
            permanent=error.smtp_code in _PERMANENT,
        )
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return NotDelivered(f"The mail server rejected Hortus's user name and password: {error.smtp_code}.")
    if isinstance(error, smtplib.SMTPResponseException):
        return NotDelivered(f"The mail server answered: {error.smtp_code} {_text(error.smtp_error)}")
    if _is_timeout(error):
        return NotDelivered("The mail server did not answer in time.")
    if isinstance(error, smtplib.SMTPException):
        return NotDelivered(f"The mail server cannot be used: {error}")
    if isinstance(error, ssl.SSLError):
        return NotDelivered(f"No trusted TLS connection to the mail server: {error.reason or error}")
    assert isinstance(error, OSError), "nothing else is caught"
    return NotDelivered(f"The mail server cannot be reached: {error.strerror or describe_error(error)}.")


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
