"""The places of the header, the bottom bar and *Go to*: one table, to which a new page adds its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from hortus.base.language.translation import gettext, gettext_noop
from hortus.http.access.viewer import Viewer


class Audience(Enum):
    """Who sees a place."""

    EVERYONE = auto()
    STRANGERS = auto()
    PEOPLE = auto()
    NEWCOMERS = auto()  # strangers, where they may sign up
    ADMINISTRATORS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A page with a fixed address. `name` is in English; `in_header` and `in_bar` say where it is linked."""

    key: str
    path: str
    name: str
    audience: Audience = Audience.EVERYONE
    in_header: bool = False
    in_bar: bool = False

    def is_for(self, viewer: Viewer, *, sign_up_open: bool = False) -> bool:
        """Return whether this viewer sees the place."""
        if self.audience is Audience.NEWCOMERS:
            return viewer.user is None and sign_up_open
        if self.audience is Audience.ADMINISTRATORS:
            return viewer.is_admin
        if self.audience is Audience.EVERYONE:
            return True
        return (self.audience is Audience.STRANGERS) == (viewer.user is None)


ADMIN_PLACES = (
    ("overview", "/admin", gettext_noop("Administration")),
    ("people", "/admin/people", gettext_noop("People")),
    ("definitions", "/admin/definitions", gettext_noop("Definitions")),
    ("set-aside", "/admin/set-aside", gettext_noop("Set aside")),
    ("devices", "/admin/devices", gettext_noop("Devices")),
    ("storage", "/admin/storage", gettext_noop("Storage")),
    ("backups", "/admin/backups", gettext_noop("Backups")),
    ("jobs", "/admin/jobs", gettext_noop("Jobs")),
    ("health", "/admin/health", gettext_noop("Health")),
    ("log", "/admin/log", gettext_noop("Log")),
)
"""The pages for administrators, in the order of their tabs: key, address and name."""

# In the order in which they are shown. Only pages that exist have a row.
PLACES = (
    Place(key="home", path="/", name=gettext_noop("Home"), in_header=True, in_bar=True),
    Place(
        key="alerts",
        path="/alerts",
        name=gettext_noop("Alerts"),
        audience=Audience.PEOPLE,
        in_header=True,
        in_bar=True,
    ),
    Place(key="charts", path="/charts", name=gettext_noop("Charts"), in_header=True, in_bar=True),
    Place(key="new-kit", path="/kits/new", name=gettext_noop("Add a kit"), audience=Audience.PEOPLE),
    Place(key="plants", path="/plants", name=gettext_noop("Plants"), audience=Audience.PEOPLE),
    Place(key="species", path="/species", name=gettext_noop("Species")),
    Place(key="map", path="/map", name=gettext_noop("Map"), in_header=True),
    Place(key="log-in", path="/login", name=gettext_noop("Log in"), audience=Audience.STRANGERS),
    Place(key="sign-up", path="/sign-up", name=gettext_noop("Sign up"), audience=Audience.NEWCOMERS),
    Place(
        key="forgotten-password",
        path="/forgotten-password",
        name=gettext_noop("Forgotten password"),
        audience=Audience.STRANGERS,
    ),
    Place(key="account", path="/account", name=gettext_noop("Account"), audience=Audience.PEOPLE),
    Place(
        key="notifications",
        path="/account/notifications",
        name=gettext_noop("Notifications"),
        audience=Audience.PEOPLE,
    ),
    Place(key="keys", path="/account/keys", name=gettext_noop("API keys"), audience=Audience.PEOPLE),
    Place(
        key="sessions",
        path="/account/sessions",
        name=gettext_noop("Where you are logged in"),
        audience=Audience.PEOPLE,
    ),
    *(
        Place(key=f"admin-{key}", path=path, name=name, audience=Audience.ADMINISTRATORS)
        for key, path, name in ADMIN_PLACES
    ),
)


def is_place(viewer: Viewer, path: str) -> bool:
    """Return whether there is a place at this address, for this viewer."""
    return any(place.path == path and place.is_for(viewer) for place in PLACES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPlace:
    """A place in the language of the request."""

    key: str
    path: str
    name: str


def places_of(viewer: Viewer, where: str = "", *, sign_up_open: bool = False) -> Sequence[ShownPlace]:
    """Return what this viewer sees, everywhere or in the `header` or the `bar`."""
    return [
        ShownPlace(key=place.key, path=place.path, name=gettext(place.name))
        for place in PLACES
        if place.is_for(viewer, sign_up_open=sign_up_open)
        and (not where or (where == "header" and place.in_header) or (where == "bar" and place.in_bar))
    ]
