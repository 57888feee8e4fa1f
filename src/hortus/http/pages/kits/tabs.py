"""The pages of a kit and who sees them: one table, to which a new page adds its row (design of the tree)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import quote

from hortus.base.language.translation import gettext_noop
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.opened import OpenedKit


class Group(Enum):
    """The two groups of tabs."""

    WATCH = auto()
    MANAGE = auto()


def everyone(_kit: OpenedKit) -> bool:
    """Whoever may see the kit."""
    return True


def people_of_kit(kit: OpenedKit) -> bool:
    """Members, and administrators."""
    return kit.is_member or kit.viewer.is_admin


def require_people_of_kit(kit: OpenedKit, refusal: str) -> None:
    """Raise Problem 401, or 403 with this sentence, for those who see the kit only because it is public."""
    if not people_of_kit(kit):
        raise kit.access.caller.denial(refusal)


def configurers(kit: OpenedKit) -> bool:
    """People who may change the configuration."""
    return kit.may(Permission.EDIT_CONFIGURATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A page of a kit. `suffix` ends its address after `/kits/{serial}`; `name` is in English."""

    key: str
    suffix: str
    name: str
    group: Group
    is_seen_by: Callable[[OpenedKit], bool] = everyone


def kit_page_address(serial: str, key: str) -> str:
    """Return the address of a page of a kit, or of its overview if there is no such page."""
    suffix = next((tab.suffix for tab in TABS if tab.key == key), "")
    return f"/kits/{quote(serial)}{suffix}"


# In the order in which they are shown. Only pages that exist have a row.
TABS = (
    Tab(key="overview", suffix="", name=gettext_noop("Overview"), group=Group.WATCH),
    Tab(key="charts", suffix="/charts", name=gettext_noop("Charts"), group=Group.WATCH),
    Tab(key="pictures", suffix="/pictures", name=gettext_noop("Pictures"), group=Group.WATCH),
    Tab(key="configuration", suffix="/configuration", name=gettext_noop("Configuration"), group=Group.MANAGE),
    Tab(
        key="commands",
        suffix="/commands",
        name=gettext_noop("Commands"),
        group=Group.MANAGE,
        is_seen_by=configurers,
    ),
    Tab(key="connection", suffix="/connection", name=gettext_noop("Connection"), group=Group.MANAGE),
    Tab(
        key="data-check",
        suffix="/data-check",
        name=gettext_noop("Data check"),
        group=Group.MANAGE,
        is_seen_by=people_of_kit,
    ),
    Tab(
        key="members",
        suffix="/members",
        name=gettext_noop("Members"),
        group=Group.MANAGE,
        is_seen_by=people_of_kit,
    ),
    Tab(key="export", suffix="/export", name=gettext_noop("Export"), group=Group.MANAGE),
    Tab(
        key="settings",
        suffix="/settings",
        name=gettext_noop("Settings"),
        group=Group.MANAGE,
        is_seen_by=people_of_kit,
    ),
)
