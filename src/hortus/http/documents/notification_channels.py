"""Messages, and the ways that they take, as the API shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy.engine import RowMapping
from typing_extensions import TypedDict

from hortus.base.times import format_optional_time, format_time
from hortus.domain.messages.channels import Preferences
from hortus.http.conventions.replies import TimeText, UuidText


class NotificationPreferences(TypedDict):
    """What a person wants to be told. `mailAvailable`: whether this server sends mail at all."""

    byMail: bool
    ofSharedKits: Annotated[bool, Field(description="Also of kits and plants that others own.")]
    whenOver: Annotated[bool, Field(description="Also when what was wrong is over.")]
    whenSilent: Annotated[bool, Field(description="Also when a kit is not heard any more.")]
    mailAvailable: bool


class NotificationChannel(TypedDict):
    """A service. Its URL is never shown again."""

    id: int
    name: str
    service: Annotated[str, Field(description="The scheme of its URL, such as `tgram` or `ntfys`.")]
    enabled: bool
    createdAt: TimeText


class Message(TypedDict):
    """A message. `accepted`: the next server took it; whether somebody reads it, nobody can know."""

    id: UuidText
    kind: Literal["alert", "reset", "test"]
    transport: Literal["mail", "service"]
    channelId: int | None
    recipient: str
    subject: str
    state: Literal["waiting", "accepted", "given-up"]
    attempts: int
    failure: Annotated[str | None, Field(description="What went wrong in the last attempt.")]
    createdAt: TimeText
    finishedAt: TimeText | None


def preferences_object(preferences: Preferences, *, mail_available: bool) -> NotificationPreferences:
    """Return the JSON form."""
    return {
        "byMail": preferences.by_mail,
        "ofSharedKits": preferences.of_shared_kits,
        "whenOver": preferences.when_over,
        "whenSilent": preferences.when_silent,
        "mailAvailable": mail_available,
    }


def channel_object(row: RowMapping) -> NotificationChannel:
    """Return the JSON form."""
    return {
        "id": row["id"],
        "name": row["name"],
        "service": row["scheme"],
        "enabled": row["enabled"],
        "createdAt": format_time(row["created_at"]),
    }


def message_object(row: RowMapping) -> Message:
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
