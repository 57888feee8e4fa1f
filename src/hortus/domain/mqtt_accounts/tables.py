"""The tables of read-only accounts at the built-in MQTT endpoint, and of kits' attempts to log in there."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, ForeignKey, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, CreatedAt, Timestamp


class MqttAccountRow(Base):
    """An account that may subscribe within `read_filters`. A trigger announces its changes."""

    __tablename__ = "mqtt_accounts"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    read_filters: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[CreatedAt]


class KitLogInRow(Base):
    """A kit's last log-in at the built-in endpoint, its last refused one, and the last topic refused to it.

    At most one row per kit that exists, so invented serials take no space. `refused_times` counts the refusals
    since the last log-in. `refused_name` is the user name that was sent, if it is not exactly the serial.
    """

    __tablename__ = "kit_log_ins"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    logged_in_at: Mapped[Timestamp | None]
    logged_in_from: Mapped[str | None] = mapped_column(String(64))
    refused_at: Mapped[Timestamp | None]
    refused_from: Mapped[str | None] = mapped_column(String(64))
    refused_reason: Mapped[str | None] = mapped_column(String(32))
    refused_name: Mapped[str | None] = mapped_column(String(40))
    refused_times: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    topic_refused_at: Mapped[Timestamp | None]
    topic_refused: Mapped[str | None] = mapped_column(String(200))
