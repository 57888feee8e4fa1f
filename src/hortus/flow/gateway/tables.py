"""The tables of gateways, their boards, and boards that have not been named yet."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, Double, ForeignKey, ForeignKeyConstraint, String, text
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, CreatedAt, Timestamp

_COUNT = text("0")


class GatewayRow(Base):
    """A gateway that may deliver readings. Only the SHA-256 of its token is kept: the token is 256 random bits.

    The gateway that is part of this installation has no token.
    """

    __tablename__ = "gateways"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[CreatedAt]
    last_contact_at: Mapped[Timestamp | None]
    dropped_readings: Mapped[int] = mapped_column(BigInteger, server_default=_COUNT)
    """Readings of unnamed boards that were dropped to make room, or discarded by a user."""


class BoardRow(Base):
    """A board: a kit that cannot speak MQTT. `sensor_id` is the number that a user types into the board.

    Readings are accepted only from `gateway_id`; if unset, it is set to the first gateway that delivers any.
    """

    __tablename__ = "boards"

    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    sensor_id: Mapped[int] = mapped_column(unique=True)
    gateway_id: Mapped[int | None] = mapped_column(ForeignKey("gateways.id", ondelete="SET NULL"), index=True)
    silent_after_seconds: Mapped[int] = mapped_column(server_default=text("900"))
    last_contact_at: Mapped[Timestamp | None]
    last_address: Mapped[str | None] = mapped_column(String(64))


class WaitingBoardRow(Base):
    """A board that was heard through a gateway and has not been named (or not for this gateway)."""

    __tablename__ = "waiting_boards"

    gateway_id: Mapped[int] = mapped_column(ForeignKey("gateways.id", ondelete="CASCADE"), primary_key=True)
    sensor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_contact_at: Mapped[Timestamp]
    last_contact_at: Mapped[Timestamp]
    last_address: Mapped[str | None] = mapped_column(String(64))
    kept: Mapped[int] = mapped_column(BigInteger, server_default=_COUNT)
    dropped: Mapped[int] = mapped_column(BigInteger, server_default=_COUNT)


class WaitingReadingRow(Base):
    """A reading of such a board, kept until it is named. The primary key makes redeliveries harmless."""

    __tablename__ = "waiting_board_readings"
    __table_args__ = (
        ForeignKeyConstraint(
            ["gateway_id", "sensor_id"],
            ["waiting_boards.gateway_id", "waiting_boards.sensor_id"],
            name="waiting_board_readings_board_fkey",
            ondelete="CASCADE",
        ),
    )

    gateway_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sensor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    received_at: Mapped[Timestamp] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    temperature: Mapped[float | None] = mapped_column(Double)
    humidity: Mapped[float | None] = mapped_column(Double)
    light: Mapped[float | None] = mapped_column(Double)
