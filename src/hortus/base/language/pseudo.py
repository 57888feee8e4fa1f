"""Texts that look translated: accents on every letter and two fifths longer, for tests and developers.

A letter without an accent on a page in a pseudo-locale is a text that nobody can translate.
"""

from __future__ import annotations

import re
from gettext import NullTranslations

_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ACCENTED = "àƀçđéƒğĥîĵķļɱñöþǫŕšţûṽŵẋýžÀƁÇĐÉƑĞĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽ"
_ACCENTS = str.maketrans(_PLAIN, _ACCENTED)

# Placeholders, tags with their attributes, and character references stay as they are.
_KEPT = re.compile(r"(%\(\w+\)[sd]|%%|<[^>]*>|&#?\w+;)")

_EXTRA = 0.4
_FILLING = "łøřéɱ "


def pseudo(text: str) -> str:
    """Return a text in the pseudo-locale."""
    accented = "".join(
        part if index % 2 else part.translate(_ACCENTS) for index, part in enumerate(_KEPT.split(text))
    )
    more = round(len(_KEPT.sub("", text)) * _EXTRA)
    filling = (_FILLING * (more // len(_FILLING) + 1))[:more].rstrip()
    return f"⟦{accented} {filling}⟧" if filling else f"⟦{accented}⟧"


class PseudoTranslations(NullTranslations):
    """The pseudo-locale as a catalogue."""

    def gettext(self, message: str) -> str:
        """Return the text in the pseudo-locale."""
        return pseudo(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return the text for this number in the pseudo-locale, with English's two forms."""
        return pseudo(msgid1 if n == 1 else msgid2)

    def pgettext(self, context: str, message: str) -> str:  # noqa: ARG002  (gettext's signature)
        """Return the text in the pseudo-locale."""
        return pseudo(message)
