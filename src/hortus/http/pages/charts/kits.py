"""Which kits a viewer can chart, for the page of all kits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, String, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.http.access.viewer import VISIBLE_KITS, Viewer, visibility_parameters

MOST_LISTED = 12
"""So many kits are listed besides those that are shown; a part of a name finds others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKit:
    """A kit that the viewer may see."""

    serial: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKits:
    """Some kits that the viewer may see, and how many more there are."""

    shown: Sequence[ListedKit]
    others: Sequence[ListedKit]
    more: int


async def kits_to_chart(
    connection: AsyncConnection, viewer: Viewer, shown: Collection[str], part: str
) -> ListedKits:
    """Return those of these kits that the viewer may see, and others whose name or serial contains a text.

    Their own kits stand first.
    """
    pattern = part.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    parameters = {**visibility_parameters(viewer), "shown": list(shown), "part": f"%{pattern}%"}
    rows = (await connection.execute(_KITS, parameters | {"most": MOST_LISTED})).all()
    kits = {row.serial: ListedKit(serial=row.serial, name=row.name) for row in rows}
    return ListedKits(
        shown=[kits[serial] for serial in shown if serial in kits],
        others=[kit for serial, kit in kits.items() if serial not in set(shown)],
        more=max(0, max((row.others for row in rows), default=0) - MOST_LISTED),
    )


_KITS = text(
    f"""
    SELECT serial, name, others
    FROM (
        SELECT k.serial, coalesce(nullif(k.name, ''), k.serial) AS name, k.serial = ANY(:shown) AS is_shown,
               count(*) FILTER (WHERE k.serial <> ALL(:shown)) OVER () AS others,
               row_number() OVER (
                   PARTITION BY k.serial = ANY(:shown)
                   ORDER BY m.kit_id IS NULL, lower(coalesce(nullif(k.name, ''), k.serial)), k.id
               ) AS place
        FROM kits k
        LEFT JOIN kit_memberships m ON m.kit_id = k.id AND m.user_id = CAST(:user_id AS integer)
        WHERE k.id IN ({VISIBLE_KITS})
          AND (k.serial = ANY(:shown) OR k.name ILIKE :part OR k.serial ILIKE :part)
    ) AS found
    WHERE is_shown OR place <= :most
    ORDER BY place
    """  # noqa: S608  (our own constant)
).bindparams(bindparam("shown", type_=ARRAY(String)), bindparam("part", type_=String()))
