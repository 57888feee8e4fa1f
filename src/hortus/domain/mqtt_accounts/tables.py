"""The table of read-only accounts at the built-in MQTT endpoint."""

from __future__ import annotations

from sqlalchemy import ARRAY, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, CreatedAt


class MqttAccountRow(Base):
    """An account that may subscribe within `read_filters`. A trigger announces its changes."""

    __tablename__ = "mqtt_accounts"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    read_filters: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[CreatedAt]
