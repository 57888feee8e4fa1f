"""The viewer of a page, and the kits they may see (http-api 3.1 and 3.3; P5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from hortus.base.time_zones import time_zone_or
from hortus.domain.accounts.store import User

UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """An anonymous visitor (`user` is None), a person with memberships, or an administrator.

    `usual_zone` is the time zone of kits and people that have named none (HORTUS_TIME_ZONE).
    `open_alerts` is how many wait for this person, as pages say in their header.
    """

    user: User | None = None
    usual_zone: ZoneInfo = UTC
    open_alerts: int = field(default=0, compare=False)

    @property
    def is_admin(self) -> bool:
        """Whether this person may see every kit."""
        return self.user is not None and self.user.is_admin

    @property
    def name(self) -> str:
        """The user name, or an empty text."""
        return self.user.username if self.user else ""

    @property
    def own_zone(self) -> ZoneInfo | None:
        """The time zone in which this person lives, None if they have not said."""
        name = self.user.appearance.time_zone if self.user else None
        return None if name is None else time_zone_or(name, self.usual_zone)


ANONYMOUS = Viewer()

VISIBLE_KITS = """
SELECT k.id FROM kits k
WHERE CAST(:is_admin AS boolean)
   OR k.privacy_public_dashboard
   OR k.id IN (SELECT m.kit_id FROM kit_memberships m WHERE m.user_id = CAST(:user_id AS integer))
"""
"""SQL for the ids of the kits that the viewer may see; needs `visibility_parameters`."""


def visibility_parameters(viewer: Viewer) -> dict[str, object]:
    """Return the parameters of VISIBLE_KITS for this viewer."""
    return {"is_admin": viewer.is_admin, "user_id": viewer.user.id if viewer.user else None}
