"""Alerts, the state of each judged quantity, and alert settings per plant."""

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

    `condition` is low, high or silent; `began_at` is when that began, `opened_at` when the alert opened.
    """

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint(
            "(kind = 'range') = (plant_id IS NOT NULL AND quantity_type_id IS NOT NULL)", name="subject"
        ),
        CheckConstraint("(over_at IS NULL) = (ending IS NULL)", name="ended"),
        CheckConstraint("snoozed_at IS NOT NULL OR snoozed_until IS NULL", name="snoozed"),
        # At most one open alert per plant and quantity, and one per silent kit, however many processes judge.
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
        # Pages count the open ones, of all that there ever were.
        Index("alerts_open_idx", "id", postgresql_where=text("over_at IS NULL")),
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
    # When a message was last accepted for delivery, whether one is queued, and until when none is sent.
    message_accepted_at: Mapped[Timestamp | None]
    message_waiting: Mapped[bool] = mapped_column(server_default=text("false"))
    quiet_until: Mapped[Timestamp | None]
    # While an alert is snoozed, nobody is reminded: until then, or without an end until a person ends it.
    snoozed_at: Mapped[Timestamp | None]
    snoozed_until: Mapped[Timestamp | None]
    snoozed_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="SET NULL"), index=True
    )


class AlertStateRow(Base):
    """The judging state of one quantity of one plant; see hortus.domain.alerts.judging.AlertState.

    Updated with every reading, so it has no indexes on columns that change, and free space on each page:
    updates stay in place. `peripheral_id` is the peripheral it was judged by.
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
    """A plant's alert settings; without a row, the defaults apply.

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
