"""The dependencies for queueing and sending messages, built from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from hortus.base.settings import Settings
from hortus.base.time_zones import time_zone_or
from hortus.domain.messages.channels import Reachable
from hortus.domain.messages.delivery import Carrier, DeliveryAttempt
from hortus.domain.messages.mail import MailDelivery
from hortus.domain.messages.mail_account import MailAccount, mail_account
from hortus.domain.messages.outcome import OutgoingMessage
from hortus.domain.messages.sealing import Seal
from hortus.domain.messages.services import ServiceDelivery, ServicePolicy, service_policy
from hortus.domain.messages.smtp import SmtpLimits
from hortus.domain.messages.tables import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAccess:
    """How messages are sent. `mail` is None without a mail server; `public_url` has no trailing slash.

    `time_zone` is that of people who have named none.
    """

    seal: Seal
    mail: MailAccount | None = None
    smtp_limits: SmtpLimits = field(default_factory=SmtpLimits)
    services: ServicePolicy = field(default_factory=ServicePolicy)
    public_url: str | None = None
    time_zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    def zone_of(self, person: Reachable) -> ZoneInfo:
        """Return the time zone in which a person is told."""
        return time_zone_or(person.time_zone, self.time_zone)

    def carriers(self) -> Mapping[Transport, Carrier]:
        """Return the carrier of each transport that this process can use."""
        carriers: dict[Transport, Carrier] = {Transport.SERVICE: self._by_service}
        if self.mail is not None:
            carriers[Transport.MAIL] = self._by_mail
        return carriers

    def _by_mail(self, letter: OutgoingMessage, _url: str | None) -> DeliveryAttempt:
        assert self.mail is not None, "there is no carrier without it"
        return MailDelivery(self.mail, letter, self.smtp_limits)

    def _by_service(self, letter: OutgoingMessage, url: str | None) -> DeliveryAttempt:
        assert url is not None, "a message to a service has one"
        return ServiceDelivery(self.services, url, letter)


def message_access(settings: Settings, installation_key: bytes) -> MessageAccess:
    """Return the message access that the settings describe. Raises UsageError."""
    return MessageAccess(
        seal=Seal(installation_key),
        mail=mail_account(settings),
        services=service_policy(settings),
        public_url=settings.public_url,
        time_zone=settings.time_zone,
    )
