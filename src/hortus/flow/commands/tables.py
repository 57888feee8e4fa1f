"""The tables of commands to kits. One table is both queue and ledger: request, time of sending and outcome."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, Timestamp


class KitCommandRow(Base):
    """One command. Its id is also the id on the wire: unique across all processes and restarts.

    `occupies_kit` is true from the claim until the kit has answered, restarted, or had twice its time: the
    unique index ensures that no kit ever has two (kit-mqtt 4.6). `error` is set exactly when `state` is
    `failed`.
    """

    __tablename__ = "kit_commands"
    __table_args__ = (
        Index(None, "kit_id", "id"),
        Index(
            "kit_commands_one_outstanding_per_kit",
            "kit_id",
            unique=True,
            postgresql_where=text("occupies_kit"),
        ),
        Index("kit_commands_waiting_idx", "kit_id", "id", postgresql_where=text("state = 'waiting'")),
        Index(
            "kit_commands_form_key_idx",
            "kit_id",
            "form_key",
            unique=True,
            postgresql_where=text("form_key IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kit_id: Mapped[int] = mapped_column(ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"))
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="SET NULL"), index=True
    )
    method: Mapped[str] = mapped_column(String(32))
    peripheral: Mapped[str | None] = mapped_column(String(255))
    # Exactly as sent to the kit; null for methods without arguments.
    command_json: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), server_default=text("'waiting'"))
    error: Mapped[str | None] = mapped_column(String(64))
    explanation: Mapped[str | None] = mapped_column(Text)
    requested_at: Mapped[Timestamp]
    give_up_at: Mapped[Timestamp]
    sent_at: Mapped[Timestamp | None]
    answer_by: Mapped[Timestamp | None]
    finished_at: Mapped[Timestamp | None]
    late_answer_at: Mapped[Timestamp | None]
    occupies_kit: Mapped[bool] = mapped_column(server_default=false())
    result_media_type: Mapped[str | None] = mapped_column(String(255))
    result_bytes: Mapped[int | None] = mapped_column(Integer)
    result_text: Mapped[str | None] = mapped_column(Text)
    # Of the form on a page that sent it: posted again, it sends nothing.
    form_key: Mapped[str | None] = mapped_column(String(40))


class KitCommandResultRow(Base):
    """A part of a command's result, kept for some minutes. Split so that no reader has to hold the whole."""

    __tablename__ = "kit_command_results"

    command_id: Mapped[int] = mapped_column(
        ForeignKey("kit_commands.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class KitCommandSendingRow(Base):
    """The single row with the last time at which some process was able to send to kits."""

    __tablename__ = "kit_command_sending"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, server_default=text("1"))
    sending_until: Mapped[Timestamp]
