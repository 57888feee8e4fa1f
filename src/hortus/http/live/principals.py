"""The user of a connection and their credential, which decide what it may see. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A person and their credential; anonymous without `user_id`.

    The credential is rechecked for as long as the connection lasts: an access token is valid until it
    `expires_at`, an API key (`key_id`) and a log-in to the API or the pages (`log_in_id`) while they exist.
    """

    user_id: int | None = None
    expires_at: datetime | None = None
    key_id: int | None = None
    log_in_id: UUID | None = None

    def is_expired(self, now: datetime) -> bool:
        """Return whether the credential has expired by this time."""
        return self.expires_at is not None and self.expires_at < now


ANONYMOUS = Principal()


@dataclass(frozen=True, slots=True)
class Claim:
    """A request of a principal to see a kit."""

    principal: Principal
    serial: str
