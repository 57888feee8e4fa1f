"""The mail server that messages are sent through, from the settings."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hortus.base.errors import UsageError
from hortus.base.settings import Settings
from hortus.domain.accounts.email_addresses import is_email_address

_FORM = (
    "It looks like smtp://user:password@mail.example.org:587 (STARTTLS), smtps://… (TLS from the first byte) "
    "or smtp+plain://127.0.0.1:25 (no TLS)."
)


class Security(StrEnum):
    """How the connection to the mail server is encrypted, by the scheme of its URL."""

    STARTTLS = "smtp"
    TLS = "smtps"
    NONE = "smtp+plain"


_DEFAULT_PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailAccount:
    """A mail server, the account there, and the sender of mails. `sender` is the bare address."""

    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sender: str
    sender_name: str = "Hortus"
    ca_file: Path | None = None

    def tls_context(self) -> ssl.SSLContext:
        """Return the context that verifies the server. Raises UsageError if the CA file is unusable."""
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or "it contains no certificates"
            raise UsageError(
                f"HORTUS_SMTP_CA_FILE names {self.ca_file}, which cannot be used: {reason}."
            ) from error


def mail_account(settings: Settings) -> MailAccount | None:
    """Return the account in the settings, or None if there is none. Raises UsageError."""
    if settings.smtp_url is None:
        return None
    name, sender = parseaddr(settings.mail_from or "")
    if not is_email_address(sender):
        raise UsageError(
            "HORTUS_SMTP_URL is set; set HORTUS_MAIL_FROM too, to the sender's address: "
            "hortus@example.org or Hortus <hortus@example.org>."
        )
    account = _parse(settings.smtp_url.get_secret_value(), sender, name or "Hortus", settings.smtp_ca_file)
    if account.security is not Security.NONE:
        account.tls_context()
    return account


def _parse(url: str, sender: str, sender_name: str, ca_file: Path | None) -> MailAccount:
    # Errors show no part of the URL, because it contains a password.
    try:
        parts = urlsplit(url)
        security = Security(parts.scheme)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"HORTUS_SMTP_URL cannot be read. {_FORM}") from error
    if not host or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise UsageError(f"HORTUS_SMTP_URL cannot be read. {_FORM}")
    if security is Security.NONE and parts.username and not _is_loopback(host):
        raise UsageError(
            "HORTUS_SMTP_URL would send the password unencrypted over the network. Use smtp:// or smtps://."
        )
    if bool(parts.username) != bool(parts.password):
        raise UsageError(f"HORTUS_SMTP_URL needs both a user name and a password, or neither. {_FORM}")
    return MailAccount(
        host=host,
        port=port or _DEFAULT_PORTS[security],
        security=security,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        sender=sender,
        sender_name=sender_name,
        ca_file=ca_file,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
