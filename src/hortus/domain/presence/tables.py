"""Facts about the presence of kits, apart from the readings that they send."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, Timestamp


class KitPresenceRow(Base):
    """A kit's connection and its last contact other than by readings.

    `is_connected` is null where connections cannot be observed (an external broker). `announced_state` is the
    last announced state, `announced_since` the time of its announcement. `own_word` is what the kit last said
    about itself on a status topic of its own, such as "offline". `asked_configuration_at` and
    `asked_quantity_types_at` are when the kit last asked these questions, answered or not,
    `account_shared_at` when two clients were last seen to use its account.
    """

    __tablename__ = "kit_presence"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    is_connected: Mapped[bool | None]
    connection_changed_at: Mapped[Timestamp | None]
    last_contact_at: Mapped[Timestamp | None]
    announced_state: Mapped[str | None] = mapped_column(String(16))
    announced_since: Mapped[Timestamp | None]
    own_word: Mapped[str | None] = mapped_column(String(200))
    own_word_at: Mapped[Timestamp | None]
    asked_configuration_at: Mapped[Timestamp | None]
    asked_quantity_types_at: Mapped[Timestamp | None]
    account_shared_at: Mapped[Timestamp | None]


class PresenceListeningRow(Base):
    """A single row: since when any process has listened to kits, and until when before that.

    All processes that receive from kits update it; while none does, silence is not due to the kits.
    """

    __tablename__ = "presence_listening"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, server_default=text("1"))
    listening_since: Mapped[Timestamp]
    listening_until: Mapped[Timestamp]
    previous_until: Mapped[Timestamp | None]


class PresenceIntervalRow(Base):
    """For how long a kit was in a state (online, late, offline); the present one has no `until`.

    Intervals follow each other without a gap. `last_contact_at` is when the kit was last heard before it was
    late or offline. Rows end up deleted (hortus.domain.presence.history).
    """

    __tablename__ = "presence_intervals"
    __table_args__ = (
        Index(
            "presence_intervals_present_key", "kit_id", unique=True, postgresql_where=text("until IS NULL")
        ),
    )

    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    since: Mapped[Timestamp] = mapped_column(primary_key=True)
    until: Mapped[Timestamp | None]
    state: Mapped[str] = mapped_column(String(16))
    last_contact_at: Mapped[Timestamp | None]


class ListeningOutageRow(Base):
    """A time in which no process of ours listened to kits, noted when one did again."""

    __tablename__ = "listening_outages"

    since: Mapped[Timestamp] = mapped_column(primary_key=True)
    until: Mapped[Timestamp]
