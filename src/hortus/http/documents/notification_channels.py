"""JSON objects of notification channels, preferences and messages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy.engine import RowMapping
from typing_extensions import TypedDict

from hortus.base.times import format_optional_time, format_time
from hortus.domain.messages.channels import Preferences
from hortus.domain.messages.tables import MessageKind
from hortus.http.conventions.replies import TimeText, UuidText


class NotificationPreferences(TypedDict):
    """A person's notification preferences. `mailAvailable` is whether this server sends email at all."""

    byMail: bool
    ofSharedKits: Annotated[bool, Field(description="Include kits and plants that others own.")]
    whenOver: Annotated[bool, Field(description="Also send a message when an alert closes.")]
    whenSilent: Annotated[bool, Field(description="Also send a message when a kit falls silent.")]
    mailAvailable: bool


class NotificationChannel(TypedDict):
    """A notification service. Its URL is never shown again."""

    id: int
    name: str
    service: Annotated[str, Field(description="The scheme of its URL, such as `tgram` or `ntfys`.")]
    enabled: bool
    createdAt: TimeText


class Message(TypedDict):
    """A message. `accepted` means that the next server accepted it; whether it was read cannot be known."""

    id: UuidText
    kind: Literal["alert", "reset", "test"]
    transport: Literal["mail", "service"]
    channelId: int | None
    recipient: str
    subject: str
    state: Literal["waiting", "accepted", "given-up"]
    attempts: int
    failure: Annotated[str | None, Field(description="Why the last attempt failed.")]
    createdAt: TimeText
    finishedAt: TimeText | None


def preferences_object(preferences: Preferences, *, mail_available: bool) -> NotificationPreferences:
    """Return the JSON object."""
    return {
        "byMail": preferences.by_mail,
        "ofSharedKits": preferences.of_shared_kits,
        "whenOver": preferences.when_over,
        "whenSilent": preferences.when_silent,
        "mailAvailable": mail_available,
    }


def channel_object(row: RowMapping) -> NotificationChannel:
    """Return the JSON object."""
    return {
        "id": row["id"],
        "name": row["name"],
        "service": row["scheme"],
        "enabled": row["enabled"],
        "createdAt": format_time(row["created_at"]),
    }


def message_object(row: RowMapping) -> Message:
    """Return the JSON object."""
    return {
        "id": str(row["id"]),
        "kind": "alert" if row["kind"] == MessageKind.ALERT_OVER else row["kind"],
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
