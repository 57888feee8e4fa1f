"""The tabs of the pages of one's account."""

from __future__ import annotations

from hortus.base.language.translation import gettext, gettext_noop
from hortus.http.pages.places import ShownPlace

_TABS = (
    ("account", "/account", gettext_noop("Account")),
    ("notifications", "/account/notifications", gettext_noop("Notifications")),
    ("keys", "/account/keys", gettext_noop("API keys")),
    ("sessions", "/account/sessions", gettext_noop("Log-ins")),
)


def account_tabs() -> list[ShownPlace]:
    """Return the tabs in the language of the request."""
    return [ShownPlace(key=key, path=path, name=gettext(name)) for key, path, name in _TABS]
