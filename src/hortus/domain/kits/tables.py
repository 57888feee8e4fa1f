"""Kits, their members, configurations and peripherals, and when they were last seen."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, CreatedAt, Timestamp


class KitRow(Base):
    """A kit. `serial` is its user name at the broker and part of its topics."""

    __tablename__ = "kits"

    id: Mapped[int] = mapped_column(primary_key=True)
    serial: Mapped[str] = mapped_column(String(20), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    # The same password in the form that an external Mosquitto verifies; see hortus.domain.kits.broker_verifier.
    broker_password: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(Text)
    latitude: Mapped[Decimal | None] = mapped_column(Numeric(11, 8))
    longitude: Mapped[Decimal | None] = mapped_column(Numeric(11, 8))
    privacy_public_dashboard: Mapped[bool] = mapped_column(server_default=false())
    privacy_show_on_map: Mapped[bool] = mapped_column(server_default=false(), index=True)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    # Where the kit stands; HORTUS_TIME_ZONE if null.
    time_zone: Mapped[str | None] = mapped_column(String(64))
    # Name, description, place or visibility, by a person; null since the creation.
    details_changed_at: Mapped[Timestamp | None]
    details_changed_by: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="SET NULL"), index=True
    )


class KitCreationRow(Base):
    """The kits that a form created. A form that is sent twice, or again after Back, creates nothing more."""

    __tablename__ = "kit_creations"

    form_id: Mapped[UUID] = mapped_column(primary_key=True)
    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        index=True,
    )
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )


class VirtualKitRow(Base):
    """A kit that `hortus up` simulates. It gets a new password whenever that starts, so none is kept."""

    __tablename__ = "virtual_kits"

    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    created_at: Mapped[CreatedAt]


class KitLastSeenRow(Base):
    """When a message of the kit was last accepted (server time, not the kit's clock).

    Updated with each batch, so it has no index on the time, and free space on each page: updates stay in place.
    """

    __tablename__ = "kit_last_seen"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    datetime_last_seen: Mapped[Timestamp]


class KitMembershipRow(Base):
    """A user's access to a kit (http-api 3)."""

    __tablename__ = "kit_memberships"
    __table_args__ = (UniqueConstraint("user_id", "kit_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"))
    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )
    datetime_linked: Mapped[Timestamp]
    access_super: Mapped[bool]
    access_configure: Mapped[bool]


class KitInvitationRow(Base):
    """A link that makes people members of a kit, `uses_left` times. Only the hash of its token is stored."""

    __tablename__ = "kit_invitations"

    id: Mapped[int] = mapped_column(primary_key=True)
    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )
    created_by: Mapped[int] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    access_super: Mapped[bool]
    access_configure: Mapped[bool]
    note: Mapped[str | None] = mapped_column(String(40))
    uses: Mapped[int]
    uses_left: Mapped[int]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Timestamp]


class KitPublicLinkRow(Base):
    """The code of the page that shows a kit to everybody who has the link; at most one per kit."""

    __tablename__ = "kit_public_links"

    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    code: Mapped[str] = mapped_column(String(32), unique=True)
    created_at: Mapped[CreatedAt]


class KitConfigurationRow(Base):
    """One configuration of a kit. At most one per kit is active; once activated, it is never edited.

    A deleted one stays until `restorable_until`, with its peripherals and all that they sent, so that it can be
    brought back (docs/decisions/0013-a-deleted-configuration-is-marked.md).
    """

    __tablename__ = "kit_configurations"
    __table_args__ = (
        Index("kit_configurations_one_active_per_kit", "kit_id", unique=True, postgresql_where=text("active")),
        Index("kit_configurations_deleted_idx", "kit_id", postgresql_where=text("deleted_at IS NOT NULL")),
        CheckConstraint("deleted_at IS NULL OR NOT active", name="deleted_is_inactive"),
        CheckConstraint("(deleted_at IS NULL) = (restorable_until IS NULL)", name="restorable"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )
    description: Mapped[str | None] = mapped_column(Text)
    controller_symbol_location: Mapped[str] = mapped_column(Text)
    controller_symbol: Mapped[str] = mapped_column(Text)
    control_rules: Mapped[Any] = mapped_column(JSON, nullable=False)
    active: Mapped[bool] = mapped_column(server_default=false())
    first_activated_at: Mapped[Timestamp | None]
    never_used: Mapped[bool] = mapped_column(Computed("first_activated_at IS NULL", persisted=True))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    deleted_at: Mapped[Timestamp | None]
    restorable_until: Mapped[Timestamp | None]
    deleted_while_active: Mapped[bool] = mapped_column(server_default=false())


class ConfigurationActivationRow(Base):
    """A time in which a configuration was the active one of its kit; the present one has no `until`.

    Written by a trigger (hortus.base.database.triggers). `fetched_at` is when the kit was first given it in
    that time, `running_at` when its readings first showed that it runs it. `name` is kept for when the
    configuration is gone.
    """

    __tablename__ = "configuration_activations"
    __table_args__ = (
        Index("configuration_activations_kit_id_idx", "kit_id", "since"),
        Index(
            "configuration_activations_awaited_idx",
            "kit_id",
            postgresql_where=text("until IS NULL AND running_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kit_id: Mapped[int] = mapped_column(ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"))
    kit_configuration_id: Mapped[int | None] = mapped_column(
        ForeignKey("kit_configurations.id", onupdate="CASCADE", ondelete="SET NULL"), index=True
    )
    name: Mapped[str | None] = mapped_column(Text)
    since: Mapped[Timestamp]
    until: Mapped[Timestamp | None]
    fetched_at: Mapped[Timestamp | None]
    running_at: Mapped[Timestamp | None]


class PeripheralRow(Base):
    """A peripheral of one configuration. A new configuration gives it a new id, but may keep its name.

    `deleted_at` is that of its configuration. It is repeated here because ingest locks peripherals only, and
    PostgreSQL checks only the locked row again after it waited.
    """

    __tablename__ = "peripherals"
    # Of several peripherals with the same name, a kit runs only the last (kit-mqtt 4.4), so names are unique.
    __table_args__ = (UniqueConstraint("kit_configuration_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )
    kit_configuration_id: Mapped[int] = mapped_column(
        ForeignKey("kit_configurations.id", onupdate="CASCADE", ondelete="CASCADE")
    )
    peripheral_definition_id: Mapped[int] = mapped_column(
        ForeignKey("peripheral_definitions.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(255))
    configuration: Mapped[Any] = mapped_column(JSON, nullable=False)
    deleted_at: Mapped[Timestamp | None]


class KitChangeRow(Base):
    """A change of what a kit is made of (`configuration`, `members`, `plants`), for pages that are open.

    Written by triggers (hortus.base.database.triggers), once for each transaction, and kept for a day.
    """

    __tablename__ = "kit_changes"
    __table_args__ = (Index("kit_changes_kit_id_idx", "kit_id", "changed_at"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kit_id: Mapped[int] = mapped_column(ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"))
    what: Mapped[str] = mapped_column(String(16))
    changed_at: Mapped[Timestamp]
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="SET NULL"), index=True
    )


KIT_COLUMNS = (
    KitRow.id.label("kit_id"),
    KitRow.serial,
    KitRow.name,
    KitRow.description,
    KitRow.latitude,
    KitRow.longitude,
    KitRow.privacy_public_dashboard,
    KitRow.privacy_show_on_map,
    KitRow.time_zone,
    KitLastSeenRow.datetime_last_seen,
)
