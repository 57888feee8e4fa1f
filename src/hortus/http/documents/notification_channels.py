"""Messages, and the ways that they take, as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy.engine import RowMapping

from hortus.base.times import format_optional_time, format_time
from hortus.domain.messages.channels import Preferences
from hortus.http.conventions.replies import ApiObject


class NotificationPreferences(ApiObject):
    """What a person wants to be told. `mailAvailable`: whether this server sends mail at all."""

    by_mail: bool
    of_shared_kits: Annotated[bool, Field(description="Also of kits and plants that others own.")]
    when_over: Annotated[bool, Field(description="Also when what was wrong is over.")]
    when_silent: Annotated[bool, Field(description="Also when a kit is not heard any more.")]
    mail_available: bool


class NotificationChannel(ApiObject):
    """A service. Its URL is never shown again."""

    id: int
    name: str
    service: Annotated[str, Field(description="The scheme of its URL, such as `tgram` or `ntfys`.")]
    enabled: bool
    created_at: datetime


class Message(ApiObject):
    """A message. `accepted`: the next server took it; whether somebody reads it, nobody can know."""

    id: UUID
    kind: Literal["alert", "reset", "test"]
    transport: Literal["mail", "service"]
    channel_id: int | None
    recipient: str
    subject: str
    state: Literal["waiting", "accepted", "given-up"]
    attempts: int
    failure: Annotated[str | None, Field(description="What went wrong in the last attempt.")]
    created_at: datetime
    finished_at: datetime | None


def preferences_object(preferences: Preferences, *, mail_available: bool) -> dict[str, Any]:
    """Return the JSON form."""
    return {
        "byMail": preferences.by_mail,
        "ofSharedKits": preferences.of_shared_kits,
        "whenOver": preferences.when_over,
        "whenSilent": preferences.when_silent,
        "mailAvailable": mail_available,
    }


def channel_object(row: RowMapping) -> dict[str, Any]:
    """Return the JSON form."""
    return {
        "id": row["id"],
        "name": row["name"],
        "service": row["scheme"],
        "enabled": row["enabled"],
        "createdAt": format_time(row["created_at"]),
    }


def message_object(row: RowMapping) -> dict[str, Any]:
    """Return the JSON form."""
    return {
        "id": str(row["id"]),
        "kind": row["kind"],
        "transport": row["transport"],
        "channelId": row["channel_id"],
        "recipient": row["recipient"],
        "subject": row["subject"],
        "state": row["state"],
        "attempts": row["attempts"],
        "failure": row["failure"],
        "createdAt": format_time(row["created_at"]),
        "finishedAt": format_optional_time(row["finished_at"]),
    }
