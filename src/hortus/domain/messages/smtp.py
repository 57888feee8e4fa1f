"""Submitting one mail by SMTP, with a time limit for each phase, as RFC 5321, 4.5.3.2 demands of clients."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from dataclasses import dataclass

from hortus.domain.messages.mail_account import MailAccount, Security


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpLimits:
    """How long to wait for the server in each phase, in seconds. A server that is slow within these is well.

    Servers search a mail for spam before they answer the end of its content. A client that gives up meanwhile
    and tries again delivers the mail twice.
    """

    connect_seconds: float = 30.0
    greeting_seconds: float = 300.0
    command_seconds: float = 300.0
    data_seconds: float = 120.0
    content_seconds: float = 180.0
    end_of_content_seconds: float = 600.0
    quit_seconds: float = 5.0

    @property
    def most_seconds(self) -> float:
        """The limit of a whole attempt, for servers that send their answers in drops."""
        commands = 6 * self.command_seconds  # EHLO, STARTTLS, EHLO, AUTH, MAIL, RCPT
        content = self.data_seconds + self.content_seconds + self.end_of_content_seconds
        return self.connect_seconds + self.greeting_seconds + commands + content + self.quit_seconds


class SmtpSubmission:
    """One mail on its way to one server. `submit` blocks; `abort`, called from another thread, ends it soon.

    `is_handed_over` becomes true with the last byte of the mail: from then on, the server may have accepted it,
    whether or not it says so.
    """

    def __init__(self, account: MailAccount, limits: SmtpLimits) -> None:
        self.is_handed_over = False
        self._account = account
        self._limits = limits
        self._socket: socket.socket | None = None

    def submit(self, sender: str, recipient: str, mail: bytes) -> None:
        """Return when the server has accepted the mail. Raises SMTPException or OSError."""
        # The name is sent to the server; smtplib's default is a DNS lookup, which may take long.
        smtp = smtplib.SMTP(local_hostname=socket.gethostname())
        try:
            self._connect(smtp)
            self._introduce(smtp)
            self._address(smtp, sender, recipient)
            self._hand_over(smtp, mail)
            # The mail is accepted; an error while closing the session does not change that.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._wait_for(smtp, self._limits.quit_seconds)
                smtp.quit()
        finally:
            smtp.close()

    def abort(self) -> None:
        """Shut down the connection, at any stage of the SMTP dialogue."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _connect(self, smtp: smtplib.SMTP) -> None:
        account = self._account
        connected = socket.create_connection((account.host, account.port), self._limits.connect_seconds)
        self._socket = smtp.sock = connected
        if account.security is Security.TLS:
            self._encrypt(smtp)
        self._wait_for(smtp, self._limits.greeting_seconds)
        code, answer = smtp.getreply()
        if code != 220:
            raise smtplib.SMTPConnectError(code, answer)

    def _introduce(self, smtp: smtplib.SMTP) -> None:
        self._wait_for(smtp, self._limits.command_seconds)
        smtp.ehlo_or_helo_if_needed()
        if self._account.security is Security.STARTTLS:
            self._start_tls(smtp)
        if self._account.username is not None and self._account.password is not None:
            smtp.login(self._account.username, self._account.password)

    def _start_tls(self, smtp: smtplib.SMTP) -> None:
        """Encrypt the connection. Raises if the server does not offer that: never continue unencrypted."""
        if not smtp.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError("STARTTLS extension not supported by server.")
        code, answer = smtp.docmd("STARTTLS")
        if code != 220:
            raise smtplib.SMTPResponseException(code, answer)
        self._encrypt(smtp)
        # What the server said before could have been said by anyone (RFC 3207, 4.2).
        smtp.helo_resp = smtp.ehlo_resp = None
        smtp.esmtp_features.clear()
        smtp.does_esmtp = False
        self._wait_for(smtp, self._limits.command_seconds)
        smtp.ehlo_or_helo_if_needed()

    def _encrypt(self, smtp: smtplib.SMTP) -> None:
        assert smtp.sock is not None, "it is connected"
        context: ssl.SSLContext = self._account.tls_context()
        self._socket = smtp.sock = context.wrap_socket(smtp.sock, server_hostname=self._account.host)
        # Bytes that were read in the clear must not count as the server's encrypted answer.
        smtp.file = None

    def _address(self, smtp: smtplib.SMTP, sender: str, recipient: str) -> None:
        code, answer = smtp.mail(sender)
        if code != 250:
            raise smtplib.SMTPSenderRefused(code, answer, sender)
        code, answer = smtp.rcpt(recipient)
        if code not in {250, 251}:
            raise smtplib.SMTPRecipientsRefused({recipient: (code, answer)})

    def _hand_over(self, smtp: smtplib.SMTP, mail: bytes) -> None:
        self._wait_for(smtp, self._limits.data_seconds)
        code, answer = smtp.docmd("DATA")
        if code != 354:
            raise smtplib.SMTPDataError(code, answer)
        self._wait_for(smtp, self._limits.content_seconds)
        smtp.send(_dot_stuffed(mail))
        self.is_handed_over = True
        self._wait_for(smtp, self._limits.end_of_content_seconds)
        code, answer = smtp.getreply()
        if code != 250:
            raise smtplib.SMTPDataError(code, answer)

    @staticmethod
    def _wait_for(smtp: smtplib.SMTP, seconds: float) -> None:
        if smtp.sock is not None:
            smtp.sock.settimeout(seconds)


def _dot_stuffed(mail: bytes) -> bytes:
    """Return the mail with the line that ends it; none of its own lines is that (RFC 5321, 4.5.2)."""
    ended = mail if mail.endswith(b"\r\n") else mail + b"\r\n"
    lines = ended.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b".\r\n"
