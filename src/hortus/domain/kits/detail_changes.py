"""Who changed the details of a kit last: two people who edit them at once must not overwrite each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.accounts.tables import UserRow
from hortus.domain.kits.tables import KitRow


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailChange:
    """The last change. `changed_by` is the display name, None if the account is gone."""

    changed_at: datetime | None
    changed_by: str | None

    @property
    def stamp(self) -> str:
        """A text that is another one after each change."""
        return self.changed_at.isoformat() if self.changed_at else ""


async def last_detail_change(connection: AsyncConnection, kit_id: int) -> DetailChange:
    """Return the last change of a kit's details by a person."""
    found = await connection.execute(
        select(KitRow.details_changed_at, UserRow.display_name)
        .outerjoin(UserRow, UserRow.id == KitRow.details_changed_by)
        .where(KitRow.id == kit_id)
    )
    row = found.one()
    return DetailChange(changed_at=row.details_changed_at, changed_by=row.display_name)
