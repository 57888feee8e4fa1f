"""Messages that wait or were sent, the services by which people want them, and what they want at all."""

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
    """The way that a message takes."""

    MAIL = "mail"
    SERVICE = "service"


class MessageKind(StrEnum):
    """What a message is about."""

    ALERT = "alert"
    PASSWORD_RESET = "reset"  # noqa: S105  (a kind, not a password)
    TEST = "test"


class MessageState(StrEnum):
    """How far a message is. `accepted`: the next server took it; whether it is read, nobody can know."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    GIVEN_UP = "given-up"


class NotificationChannelRow(Base):
    """A service by which a person wants messages. `sealed_url` holds its secrets, encrypted."""

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
    """What a person wants to be told; without a row, the defaults hold."""

    __tablename__ = "notification_preferences"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    by_mail: Mapped[bool] = mapped_column(server_default=true())
    of_shared_kits: Mapped[bool] = mapped_column(server_default=false())
    when_over: Mapped[bool] = mapped_column(server_default=false())
    when_silent: Mapped[bool] = mapped_column(server_default=true())


class MessageRow(Base):
    """One message by one way to one person.

    While it is being sent, `lease` names the attempt and `next_attempt_at` is when that attempt counts as
    lost: a process that dies leaves a message that is due again. `id` is also the mail's Message-ID, so that
    a mail sent twice can be told to be one. `kit_id` is the kit that it tells of: it is for those only who may
    see that kit, also when it is sent.
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
    # Encrypted, as the body may hold what lets its reader into an account; emptied when it is over.
    sealed_body: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(10), server_default=MessageState.WAITING.value)
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    lease: Mapped[UUID | None]
    failure: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt] = mapped_column(index=True)
    next_attempt_at: Mapped[CreatedAt]
    give_up_at: Mapped[Timestamp]
    finished_at: Mapped[Timestamp | None]
