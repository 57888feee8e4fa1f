"""The descriptive details of kits: the list of kits on the map, and changing details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import and_, exists, func, or_, select, true, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.database.access_changes import announce_kit_access
from hortus.domain.kits.tables import KIT_COLUMNS, KitLastSeenRow, KitMembershipRow, KitRow

MOST_NAME_CHARACTERS = 40
MOST_DESCRIPTION_CHARACTERS = 5000
MOST_LATITUDE = 90.0
MOST_LONGITUDE = 180.0

_COORDINATE_STEP = Decimal("0.00000001")

_KITS = select(*KIT_COLUMNS).select_from(KitRow).outerjoin(KitLastSeenRow, KitLastSeenRow.kit_id == KitRow.id)


def coordinate(degrees: float | None) -> Decimal | None:
    """Return a coordinate as it is stored: degrees with eight decimals."""
    return None if degrees is None else Decimal(repr(degrees)).quantize(_COORDINATE_STEP)


async def list_kits_on_map(
    connection: AsyncConnection, *, after: int | None, last_seen_since: datetime | None, most: int
) -> Sequence[RowMapping]:
    """Return public kits that are shown on the map, ordered by id, with ids above `after`.

    With `last_seen_since`, only kits from which a message arrived since then.
    """
    statement = (
        _KITS.where(KitRow.privacy_show_on_map, KitRow.privacy_public_dashboard).order_by(KitRow.id).limit(most)
    )
    if after is not None:
        statement = statement.where(KitRow.id > after)
    if last_seen_since is not None:
        statement = statement.where(KitLastSeenRow.datetime_last_seen >= last_seen_since)
    return (await connection.execute(statement)).mappings().all()


async def list_kits_with_place(
    connection: AsyncConnection, *, user_id: int | None, is_admin: bool, words: str, most: int
) -> Sequence[RowMapping]:
    """Return the kits that have a position and that a person sees on the map, by name.

    Those are public kits that are shown on the map, kits of which the person is a member, and for
    administrators all. `is_exact` says whether the person learns exactly where a kit stands. `words` are in the
    name or serial.
    """
    own = exists().where(KitMembershipRow.kit_id == KitRow.id, KitMembershipRow.user_id == user_id)
    is_exact = true() if is_admin else own
    on_map = and_(KitRow.privacy_show_on_map, KitRow.privacy_public_dashboard)
    statement = (
        _KITS.add_columns(is_exact.label("is_exact"))
        .where(
            KitRow.latitude.is_not(None),
            KitRow.longitude.is_not(None),
            or_(on_map, is_exact),
            or_(KitRow.name.icontains(words, autoescape=True), KitRow.serial.icontains(words, autoescape=True)),
        )
        .order_by(func.lower(func.coalesce(KitRow.name, KitRow.serial)), KitRow.id)
        .limit(most)
    )
    return (await connection.execute(statement)).mappings().all()


async def change_details(
    connection: AsyncConnection,
    kit_id: int,
    values: Mapping[str, object],
    *,
    by: int | None,
    now: datetime,
) -> None:
    """Set these columns of a kit; `by` is the user who wants it. The caller commits."""
    if values:
        stamp = {"details_changed_at": now, "details_changed_by": by}
        await connection.execute(update(KitRow).where(KitRow.id == kit_id).values({**values, **stamp}))
    if KitRow.privacy_public_dashboard.key in values:
        await announce_kit_access(connection, kit_id)
