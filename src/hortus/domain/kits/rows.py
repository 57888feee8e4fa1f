"""What is read of a kit to show it."""

from __future__ import annotations

from hortus.domain.kits.tables import KitLastSeenRow, KitRow

KIT_COLUMNS = (
    KitRow.id.label("kit_id"),
    KitRow.serial,
    KitRow.name,
    KitRow.description,
    KitRow.latitude,
    KitRow.longitude,
    KitRow.privacy_public_dashboard,
    KitRow.privacy_show_on_map,
    KitLastSeenRow.datetime_last_seen,
)
