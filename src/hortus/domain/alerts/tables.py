"""Alerts with their lives, what is known of each judged quantity, and what people set per plant."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Identity,
    Index,
    PrimaryKeyConstraint,
    String,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, CreatedAt, Timestamp


class AlertRow(Base):
    """One alert. Open until `over_at` is set. Bounds and value are those at its opening; times are UTC.

    `condition` is low, high or silent; `began_at` is when that began, `opened_at` when it counted.
    """

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint(
            "(kind = 'range') = (plant_id IS NOT NULL AND quantity_type_id IS NOT NULL)", name="subject"
        ),
        CheckConstraint("(over_at IS NULL) = (ending IS NULL)", name="ended"),
        # Whatever several processes do: one open alert for a plant and quantity, and one for a silent kit.
        Index(
            "alerts_open_range_key",
            "plant_id",
            "quantity_type_id",
            unique=True,
            postgresql_where=text("over_at IS NULL AND kind = 'range'"),
        ),
        Index(
            "alerts_open_silence_key",
            "kit_id",
            unique=True,
            postgresql_where=text("over_at IS NULL AND kind = 'silence'"),
        ),
        Index("alerts_plant_id_idx", "plant_id", "id"),
        Index("alerts_kit_id_idx", "kit_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    plant_id: Mapped[int | None] = mapped_column(ForeignKey("plants.id", ondelete="CASCADE"))
    quantity_type_id: Mapped[int | None] = mapped_column(ForeignKey("quantity_types.id", ondelete="CASCADE"))
    kit_id: Mapped[int] = mapped_column(ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"))
    condition: Mapped[str] = mapped_column(String(10))
    value: Mapped[float | None] = mapped_column(Double)
    minimum: Mapped[float | None] = mapped_column(Double)
    maximum: Mapped[float | None] = mapped_column(Double)
    began_at: Mapped[Timestamp]
    opened_at: Mapped[CreatedAt]
    seen_at: Mapped[Timestamp | None]
    seen_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="SET NULL"), index=True
    )
    over_at: Mapped[Timestamp | None]
    ending: Mapped[str | None] = mapped_column(String(10))
    # When a message about it was last accepted for delivery, whether one waits, and until when none is sent.
    message_accepted_at: Mapped[Timestamp | None]
    message_waiting: Mapped[bool] = mapped_column(server_default=text("false"))
    quiet_until: Mapped[Timestamp | None]


class AlertStateRow(Base):
    """What judging knows of one quantity of one plant; see hortus.domain.alerts.judging.AlertState.

    Written with every reading, so without indexes on what changes and with room on the page: updates stay in
    place. `peripheral_id` is what it was judged by.
    """

    __tablename__ = "alert_states"
    __table_args__ = (
        PrimaryKeyConstraint("plant_id", "quantity_type_id"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    plant_id: Mapped[int] = mapped_column(ForeignKey("plants.id", ondelete="CASCADE"))
    quantity_type_id: Mapped[int] = mapped_column(ForeignKey("quantity_types.id", ondelete="CASCADE"))
    peripheral_id: Mapped[int]
    judged_until: Mapped[Timestamp]
    out: Mapped[str | None] = mapped_column(String(4))
    out_since: Mapped[Timestamp | None]
    open: Mapped[str | None] = mapped_column(String(4))
    back_since: Mapped[Timestamp | None]
    alert_id: Mapped[int | None] = mapped_column(BigInteger)
    message_waiting: Mapped[bool] = mapped_column(server_default=text("false"))
    quiet_until: Mapped[Timestamp | None]


class PlantAlertSettingsRow(Base):
    """How a plant's alerts work; without a row, the defaults hold.

    `hysteresis_percent` is of the range's width, or of the bound where there is only one.
    """

    __tablename__ = "plant_alert_settings"

    plant_id: Mapped[int] = mapped_column(
        ForeignKey("plants.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    enabled: Mapped[bool] = mapped_column(server_default=true())
    hysteresis_percent: Mapped[float] = mapped_column(Double, server_default=text("5"))
    hold_seconds: Mapped[int] = mapped_column(server_default=text("300"))
    pause_seconds: Mapped[int] = mapped_column(server_default=text("43200"))
