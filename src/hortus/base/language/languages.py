"""The languages in which pages exist, and their catalogues.

Catalogues are read from the `.po` files when the process starts, which takes some hundredths of a second: there
is no compiled copy that could be missing or stale.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from io import BytesIO
from typing import Literal

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from hortus.base.language.pseudo import PseudoTranslations

DEFAULT = "en"
TRANSLATED = ("de", "nl")
"""The languages with a catalogue, beside English, which is the text in the code."""

# More is no preference of a person.
_MOST_HEADER_CHARACTERS = 500
_PREFERENCE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A language: its tag on the pages, Babel's locale for numbers and dates, and its texts."""

    tag: str
    locale: Locale
    direction: Literal["ltr", "rtl"] = "ltr"
    translations: NullTranslations = field(default_factory=NullTranslations)


@cache
def languages() -> dict[str, Language]:
    """Return all languages by tag. The two pseudo-locales serve tests and developers only."""
    found = [
        # Dates are written as in Britain: 29 Nov, 14:05.
        Language(tag=DEFAULT, locale=Locale.parse("en_GB")),
        *(Language(tag=tag, locale=Locale.parse(tag), translations=_catalogue(tag)) for tag in TRANSLATED),
        Language(tag="en-XA", locale=Locale.parse("en_GB"), translations=PseudoTranslations()),
        Language(tag="ar-XB", locale=Locale.parse("ar"), direction="rtl", translations=PseudoTranslations()),
    ]
    return {language.tag: language for language in found}


def negotiated(accept_language: str, default: str) -> str:
    """Return the tag of the language that the header `Accept-Language` prefers, or else the default.

    A region is ignored unless there is a language for it: `de-AT` is served `de`.
    """
    known = {tag.lower(): tag for tag in languages()}
    for wanted in _preferences(accept_language[:_MOST_HEADER_CHARACTERS]):
        parts = wanted.lower().split("-")
        for length in range(len(parts), 0, -1):
            tag = known.get("-".join(parts[:length]))
            if tag is not None:
                return tag
    return default


def _preferences(accept_language: str) -> list[str]:
    """Return the tags in a header, the most wanted first; what cannot be read is left out."""
    wanted: list[tuple[float, str]] = []
    for part in accept_language.split(","):
        match = _PREFERENCE.fullmatch(part)
        if match is not None:
            quality = float(match[2] or "1")
            if quality > 0:
                wanted.append((quality, match[1]))
    return [tag for _, tag in sorted(wanted, key=lambda each: -each[0])]


def _catalogue(tag: str) -> NullTranslations:
    file = resources.files("hortus.base.language") / "catalogues" / f"{tag}.po"
    with file.open("rb") as source:
        catalogue = read_po(source, locale=tag)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)
