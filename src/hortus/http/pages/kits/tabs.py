"""The pages of a kit and who sees them: one table, to which a new page adds its row (design of the tree)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

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


# In the order in which they are shown. Only pages that exist have a row.
TABS = (Tab(key="charts", suffix="/charts", name=gettext_noop("Charts"), group=Group.WATCH),)
