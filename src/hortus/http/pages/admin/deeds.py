"""The log of administrators in sentences."""

from __future__ import annotations

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.administration.log import Deed, LoggedDeed
from hortus.http.pages.figures import count

_SENTENCES = {
    Deed.PERSON_CREATED: gettext_noop("Created the account %(subject)s."),
    Deed.PERSON_DELETED: gettext_noop("Deleted the account %(subject)s."),
    Deed.ADMINISTRATOR_MADE: gettext_noop("Made %(subject)s an administrator."),
    Deed.ADMINISTRATOR_UNMADE: gettext_noop("Made %(subject)s an ordinary user."),
    Deed.SESSIONS_ENDED: gettext_noop("Ended all sessions of %(subject)s."),
    Deed.PASSWORD_LINK_MADE: gettext_noop("Made a password link for %(subject)s."),
    Deed.QUANTITY_CREATED: gettext_noop("Defined the quantity %(subject)s."),
    Deed.QUANTITY_CHANGED: gettext_noop("Changed the quantity %(subject)s."),
    Deed.QUANTITY_DELETED: gettext_noop("Deleted the quantity %(subject)s."),
    Deed.DEVICE_CREATED: gettext_noop("Defined the device %(subject)s."),
    Deed.DEVICE_CHANGED: gettext_noop("Changed the device %(subject)s."),
    Deed.DEVICE_DELETED: gettext_noop("Deleted the device %(subject)s."),
    Deed.LIMITS_SET: gettext_noop("Set plausible limits of %(subject)s."),
    Deed.LIMITS_RESET: gettext_noop("Went back to the built-in limits of %(subject)s."),
    Deed.MESSAGES_TRIED_AGAIN: gettext_noop("Tried %(count)s set-aside messages again: %(subject)s."),
    Deed.MESSAGES_DISCARDED: gettext_noop("Discarded %(count)s set-aside messages: %(subject)s."),
    Deed.KIT_MADE: gettext_noop("Made a kit for the serial %(subject)s."),
    Deed.GATEWAY_ADDED: gettext_noop("Added the gateway %(subject)s."),
    Deed.GATEWAY_REMOVED: gettext_noop("Removed the gateway %(subject)s."),
    Deed.BOARD_NAMED: gettext_noop("Named the board %(subject)s."),
    Deed.BOARD_FORGOTTEN: gettext_noop("Forgot board %(subject)s with %(count)s readings."),
    Deed.PICTURES_THINNED: gettext_noop("Deleted %(count)s old pictures: %(subject)s."),
}


def sentence_of(deed: LoggedDeed) -> str:
    """Return what was done; of deeds that this version does not know, their name."""
    try:
        sentence = _SENTENCES[Deed(deed.deed)]
    except ValueError:
        return f"{deed.deed}: {deed.subject}"
    return gettext(sentence, subject=deed.subject, count=count(deed.count))
