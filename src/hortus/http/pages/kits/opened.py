"""A kit that somebody looks at: what they may see of it, and what they may do with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.database.prepared import Row
from hortus.base.language.translation import gettext
from hortus.http.access.kit_access import KitAccess, access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.problems import Problem
from hortus.http.pages.kits.zone import zone_of_kit
from hortus.http.pages.viewers import caller_of


class NoSuchKit(LookupError):
    """There is no kit with this serial that the viewer may see.

    A stranger is sent to the log-in, and a person told that there is no such kit. `is_person` tells which.
    """

    def __init__(self, *, is_person: bool) -> None:
        super().__init__(gettext("This kit does not exist, or you cannot see it."))
        self.is_person = is_person


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedKit:
    """A kit that this viewer may see."""

    viewer: Viewer
    access: KitAccess

    @property
    def row(self) -> Row:
        return self.access.kit

    @property
    def id(self) -> int:
        return self.access.kit_id

    @property
    def serial(self) -> str:
        return str(self.row["serial"])

    @property
    def name(self) -> str:
        """The name that people gave it, else its serial."""
        return str(self.row["name"] or self.serial)

    @property
    def zone(self) -> tzinfo:
        """The time zone of the place where it stands."""
        return zone_of_kit(self.row)

    @property
    def is_member(self) -> bool:
        """Whether the viewer is a member of the kit. Administrators see kits without being one."""
        return self.row["access_super"] is not None

    def may(self, permission: Permission) -> bool:
        """Return whether the viewer has this permission."""
        return permission in self.access.permissions

    def require(self, permission: Permission) -> None:
        """Raise Problem 401 or 403 unless the viewer has this permission."""
        self.access.require(permission)


async def open_kit(connection: AsyncConnection, viewer: Viewer, serial: str) -> OpenedKit:
    """Return the kit by the API's own rules. Raises NoSuchKit for hidden and unknown kits alike."""
    try:
        access = await access_to_kit(connection, caller_of(viewer), serial)
        access.require(Permission.VIEW)
    except Problem as error:
        raise NoSuchKit(is_person=viewer.user is not None) from error
    return OpenedKit(viewer=viewer, access=access)
