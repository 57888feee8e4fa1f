"""Messages, queued or sent; the services that users added; and users' preferences."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, false, func, text, true
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, CreatedAt, Timestamp

MOST_CHANNEL_NAME_CHARACTERS = 40
MOST_SUBJECT_CHARACTERS = 200
MOST_FAILURE_CHARACTERS = 300


class Transport(StrEnum):
    """How a message is delivered."""

    MAIL = "mail"
    SERVICE = "service"


class MessageKind(StrEnum):
    """What a message is about."""

    ALERT = "alert"
    ALERT_OVER = "alert-over"
    PASSWORD_RESET = "reset"  # noqa: S105  (a kind, not a password)
    TEST = "test"


class MessageState(StrEnum):
    """The state of a message. `accepted`: the next server accepted it; whether it was read is unknown."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    GIVEN_UP = "given-up"


class NotificationChannelRow(Base):
    """A service through which a user receives messages. `sealed_url` contains secrets and is encrypted."""

    __tablename__ = "notification_channels"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(MOST_CHANNEL_NAME_CHARACTERS))
    scheme: Mapped[str] = mapped_column(String(40))
    sealed_url: Mapped[bytes] = mapped_column(LargeBinary)
    enabled: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[CreatedAt]


class NotificationPreferenceRow(Base):
    """Which messages a user wants; without a row, the defaults apply."""

    __tablename__ = "notification_preferences"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    by_mail: Mapped[bool] = mapped_column(server_default=true())
    of_shared_kits: Mapped[bool] = mapped_column(server_default=false())
    when_over: Mapped[bool] = mapped_column(server_default=false())
    when_silent: Mapped[bool] = mapped_column(server_default=true())


class MessageRow(Base):
    """One message to one user through one channel.

    While it is being sent, `lease` identifies the attempt and `next_attempt_at` is when that attempt counts as
    lost: if the process dies, the message is due again. `id` is also the mail's Message-ID, so that duplicates
    of a mail sent twice can be recognised. `kit_id` is the kit that the message is about: its recipient must be
    able to see that kit, also when the message is sent.
    """

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint("(transport = 'service') = (channel_id IS NOT NULL)", name="channel_of_service"),
        Index("messages_due_idx", "next_attempt_at", postgresql_where=text("state = 'waiting'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )
    channel_id: Mapped[int | None] = mapped_column(
        ForeignKey("notification_channels.id", ondelete="CASCADE"), index=True
    )
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alerts.id", ondelete="SET NULL"), index=True)
    kit_id: Mapped[int | None] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )
    transport: Mapped[str] = mapped_column(String(10))
    kind: Mapped[str] = mapped_column(String(10))
    recipient: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(MOST_SUBJECT_CHARACTERS))
    # Encrypted, because a body may contain a token that gives access to an account; cleared once accepted.
    sealed_body: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(10), server_default=MessageState.WAITING.value)
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    lease: Mapped[UUID | None]
    failure: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt] = mapped_column(index=True)
    next_attempt_at: Mapped[CreatedAt]
    give_up_at: Mapped[Timestamp]
    finished_at: Mapped[Timestamp | None]
