"""A real SMTP server with STARTTLS and AUTH, which keeps what it takes, or refuses or hangs as it is told."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hortus.domain.messages.mail_account import MailAccount, Security

USERNAME, PASSWORD = "hortus", "p@ss:word"


@dataclass(eq=False)
class MailServer:
    """What a test sees of the server. `refusal` is its answer to a mail; when it `hangs`, there is none.

    When it `is_slow_to_accept`, it has received a whole mail, and accepts it once it is `released`.
    """

    port: int
    certificate: Path
    security: Security
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    attempts: int = 0
    contents_received: int = 0
    refusal: str | None = None
    recipient_refusal: str | None = None
    hangs: asyncio.Event = field(default_factory=asyncio.Event)
    is_slow_to_accept: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{self.security.value}://{USERNAME}:p%40ss%3Aword@127.0.0.1:{self.port}"

    def account(self, **changes: Any) -> MailAccount:
        values: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "security": self.security,
            "username": USERNAME,
            "password": PASSWORD,
            "sender": "hortus@garden.example",
            "ca_file": self.certificate,
        }
        return MailAccount(**(values | changes))

    def settings(self) -> dict[str, str]:
        """The environment that names this server."""
        return {
            "HORTUS_SMTP_URL": self.url,
            "HORTUS_MAIL_FROM": "Hortus <hortus@garden.example>",
            "HORTUS_SMTP_CA_FILE": str(self.certificate),
        }

    # What aiosmtpd calls.

    async def handle_RCPT(  # noqa: N802  (the name that aiosmtpd calls)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.attempts += 1
        if self.hangs.is_set():
            await self.released.wait()
        if self.recipient_refusal is not None:
            return self.recipient_refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  (the name that aiosmtpd calls)
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.contents_received += 1
        if self.is_slow_to_accept:
            await self.released.wait()
        if self.refusal is not None:
            return self.refusal
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.envelopes.append((str(envelope.mail_from), list(envelope.rcpt_tos)))
        return "250 taken"


@asynccontextmanager
async def mail_server(
    directory: Path, *, security: Security = Security.STARTTLS, port: int = 0
) -> AsyncIterator[MailServer]:
    """Run a server for as long as the context lasts."""
    certificate = directory / "mail.pem"
    if not certificate.exists():
        _write_certificate(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = MailServer(port=port, certificate=certificate, security=security)

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that passwords are taken in the clear, which is the point here
            return make(server)

    def make(server: MailServer) -> SMTP:
        return SMTP(
            server,
            hostname="mail.test",
            tls_context=context if security is Security.STARTTLS else None,
            require_starttls=security is Security.STARTTLS,
            auth_required=True,
            auth_require_tls=security is Security.STARTTLS,
            authenticator=_authenticate,
            loop=asyncio.get_running_loop(),
        )

    listening = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", port, ssl=context if security is Security.TLS else None
    )
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.released.set()
        listening.close()


def _authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
) -> AuthResult:
    assert isinstance(data, LoginPassword)
    fits = data.login == USERNAME.encode() and data.password == PASSWORD.encode()
    return AuthResult(success=fits, handled=False)


def _write_certificate(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def text_of(mail: EmailMessage) -> str:
    """Return what a mail says, with the line ends of a text and not of SMTP."""
    return str(mail.get_content()).replace("\r\n", "\n")
