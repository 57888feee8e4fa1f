"""Whom a connection belongs to, and so what it may hear. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A person and how they showed it; without `user_id` nobody in particular.

    What was shown is looked at again for as long as the connection lasts: an access token until it
    `expires_at`, an API key (`key_id`) and a log-in (`log_in_id`) while they exist, and a session of our pages
    while the password is the one with this `password_stamp`.
    """

    user_id: int | None = None
    expires_at: datetime | None = None
    key_id: int | None = None
    log_in_id: UUID | None = None
    password_stamp: str | None = None

    def is_expired(self, now: datetime) -> bool:
        """Tell whether what was shown is worth nothing any more, as far as the clock tells."""
        return self.expires_at is not None and self.expires_at < now


ANONYMOUS = Principal()


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody who wants to hear a kit."""

    principal: Principal
    serial: str
