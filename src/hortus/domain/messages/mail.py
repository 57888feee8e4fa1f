"""Delivering by SMTP (RFC 5321), in a thread, and not longer than allowed.

The library for other services could send mail too, but says only whether it went well: here, a mail server's
answer decides between trying again and giving up (docs/decisions/0005-mail-by-smtplib.md).
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
    """One mail on its way. `deliver` blocks; `abort`, from another thread, ends it soon."""

    def __init__(self, account: MailAccount, letter: OutgoingMessage) -> None:
        self._account = account
        self._letter = letter
        self._connection: smtplib.SMTP | None = None

    def deliver(self) -> None:
        """Hand the mail over to the server. Raises NotDelivered."""
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
        """End the conversation, wherever it is."""
        sock = self._connection.sock if self._connection is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _connect(self) -> smtplib.SMTP:
        account = self._account
        # Said to the server; otherwise a name server would be asked for it, which may take long.
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
            # Raises if the server does not offer it: never go on in the clear.
            connection.starttls(context=self._account.tls_context())
        if self._account.username is not None and self._account.password is not None:
            connection.login(self._account.username, self._account.password)

    def _hand_over(self, connection: smtplib.SMTP, mail: EmailMessage) -> None:
        connection.send_message(mail)
        # Taken. Whatever goes wrong with the farewell changes nothing of that.
        with contextlib.suppress(smtplib.SMTPException, OSError):
            connection.quit()


def compose(account: MailAccount, letter: OutgoingMessage) -> EmailMessage:
    """Return the mail. Raises ValueError or MessageError if the recipient's address is none."""
    mail = EmailMessage()
    mail["From"] = Address(account.sender_name, addr_spec=account.sender)
    mail["To"] = Address(addr_spec=letter.recipient)
    mail["Subject"] = one_line(letter.subject, MOST_SUBJECT_CHARACTERS)
    mail["Date"] = localtime()
    mail["Message-ID"] = f"<{letter.message_id}@{account.sender.rpartition('@')[2]}>"
    # No answers from machines, please (RFC 3834).
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(letter.body)
    return mail


def _require_possible(recipient: str) -> None:
    """Refuse names that are reserved for never being anybody's (RFC 2606, 2), as that of the demonstration."""
    if _NOBODYS.fullmatch(recipient[recipient.rfind("@") :]):
        raise NotDelivered(
            "An address that ends in .invalid is nobody's, so no mail was sent. Give the account a real one.",
            permanent=True,
        )


def _in_words(error: Exception) -> NotDelivered:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, answer = next(iter(error.recipients.values()))
        return NotDelivered(
            f"The mail server does not take mail for this address: {code} {_text(answer)}",
            permanent=code in _PERMANENT,
        )
    if isinstance(error, smtplib.SMTPDataError):
        return NotDelivered(
            f"The mail server does not take this mail: {error.smtp_code} {_text(error.smtp_error)}",
            permanent=error.smtp_code in _PERMANENT,
        )
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return NotDelivered(f"The mail server refuses our user name and password: {error.smtp_code}.")
    if isinstance(error, smtplib.SMTPResponseException):
        return NotDelivered(f"The mail server answers {error.smtp_code} {_text(error.smtp_error)}")
    if isinstance(error, smtplib.SMTPException):
        return NotDelivered(f"The mail server cannot be used: {error}")
    if isinstance(error, ssl.SSLError):
        return NotDelivered(f"The mail server's TLS is not to be trusted: {error.reason or error}")
    if isinstance(error, TimeoutError):
        return NotDelivered("The mail server does not answer.")
    if isinstance(error, OSError):
        return NotDelivered(f"The mail server cannot be reached: {error.strerror or error}.")
    return NotDelivered("This address cannot be written into a mail.", permanent=True)


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
