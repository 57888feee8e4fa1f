"""Delivering mail by SMTP (RFC 5321), in a thread, with time limits.

The library for other services could send mail, too, but reports only success or failure; here, the mail
server's reply decides between a retry and giving up (docs/decisions/0005-mail-by-smtplib.md).
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime

from hortus.domain.messages.mail_account import MailAccount, Security
from hortus.domain.messages.outcome import NotDelivered, OutgoingMessage, one_line
from hortus.domain.messages.tables import MOST_SUBJECT_CHARACTERS

_SILENCE_SECONDS = 15.0
_PERMANENT = range(500, 600)  # RFC 5321, 4.2.1
_NOBODYS = re.compile(r"@(.+\.)?invalid", re.IGNORECASE)


class MailDelivery:
    """One attempt to send a mail. `deliver` blocks; `abort`, called from another thread, ends it soon."""

    def __init__(self, account: MailAccount, letter: OutgoingMessage) -> None:
        self._account = account
        self._letter = letter
        self._connection: smtplib.SMTP | None = None

    def deliver(self) -> None:
        """Submit the mail to the server. Raises NotDelivered."""
        _require_possible(self._letter.recipient)
        try:
            mail = compose(self._account, self._letter)
            connection = self._connect()
            try:
                self._introduce(connection)
                self._hand_over(connection, mail)
            finally:
                connection.close()
        except (smtplib.SMTPException, OSError, ValueError, MessageError) as error:
            raise _in_words(error) from error

    def abort(self) -> None:
        """Shut down the connection, at any stage of the SMTP dialogue."""
        sock = self._connection.sock if self._connection is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _connect(self) -> smtplib.SMTP:
        account = self._account
        # Sent to the server as our name; smtplib's default is a DNS lookup, which may take long.
        own_name = socket.gethostname()
        if account.security is Security.TLS:
            self._connection = smtplib.SMTP_SSL(
                account.host,
                account.port,
                local_hostname=own_name,
                timeout=_SILENCE_SECONDS,
                context=account.tls_context(),
            )
        else:
            self._connection = smtplib.SMTP(
                account.host, account.port, local_hostname=own_name, timeout=_SILENCE_SECONDS
            )
        return self._connection

    def _introduce(self, connection: smtplib.SMTP) -> None:
        if self._account.security is Security.STARTTLS:
            # Raises if the server does not offer STARTTLS: never continue unencrypted.
            connection.starttls(context=self._account.tls_context())
        if self._account.username is not None and self._account.password is not None:
            connection.login(self._account.username, self._account.password)

    def _hand_over(self, connection: smtplib.SMTP, mail: EmailMessage) -> None:
        connection.send_message(mail)
        # The mail is accepted; an error while closing the session does not change that.
        with contextlib.suppress(smtplib.SMTPException, OSError):
            connection.quit()


def compose(account: MailAccount, letter: OutgoingMessage) -> EmailMessage:
    """Return the mail. Raises ValueError or MessageError if the recipient's address is invalid."""
    mail = EmailMessage()
    mail["From"] = Address(account.sender_name, addr_spec=account.sender)
    mail["To"] = Address(addr_spec=letter.recipient)
    mail["Subject"] = one_line(letter.subject, MOST_SUBJECT_CHARACTERS)
    mail["Date"] = localtime()
    mail["Message-ID"] = f"<{letter.message_id}@{account.sender.rpartition('@')[2]}>"
    # Asks for no automatic replies (RFC 3834).
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(letter.body)
    return mail


def _require_possible(recipient: str) -> None:
    """Reject addresses under the reserved domain .invalid (RFC 2606, 2), such as the demonstration's."""
    if _NOBODYS.fullmatch(recipient[recipient.rfind("@") :]):
        raise NotDelivered(
            "Addresses that end in .invalid do not exist, so no mail was sent. Enter a real address.",
            permanent=True,
        )


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
    if isinstance(error, smtplib.SMTPException):
        return NotDelivered(f"The mail server cannot be used: {error}")
    if isinstance(error, ssl.SSLError):
        return NotDelivered(f"No trusted TLS connection to the mail server: {error.reason or error}")
    if isinstance(error, TimeoutError):
        return NotDelivered("The mail server did not answer in time.")
    if isinstance(error, OSError):
        return NotDelivered(f"The mail server cannot be reached: {error.strerror or error}.")
    return NotDelivered("The recipient's address is not valid.", permanent=True)


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
