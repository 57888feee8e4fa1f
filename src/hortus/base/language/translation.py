"""Translating texts for people into the language of the current request.

The English text is the key. A text in a table is marked where it stands with `gettext_noop` or `pgettext_noop`,
and translated where it is shown, since tables are made before anybody asks for a page. Without a request, as in
jobs and commands, the language is English.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from hortus.base.language.languages import DEFAULT, Language, languages

# No language has a form that none of these numbers needs.
_SAMPLES = (*range(201), 1_000_000)

_current: ContextVar[str] = ContextVar("language", default=DEFAULT)


def current_language() -> Language:
    """Return the language of the current request."""
    return languages()[_current.get()]


@contextmanager
def speaking(tag: str) -> Iterator[None]:
    """Use this language, which must be one of `languages()`, within the block and the tasks it starts."""
    token = _current.set(tag)
    try:
        yield
    finally:
        _current.reset(token)


def speak(tag: str) -> None:
    """Use this language, which must be one of `languages()`, until the end of the `speaking` block around."""
    _current.set(tag)


def gettext(message: str, **values: object) -> str:
    """Return the translation; `%(name)s` in it stands for a value, if there are any."""
    return _filled(current_language().translations.gettext(message), values)


def ngettext(singular: str, plural: str, n: int, **values: object) -> str:
    """Return the translation in the form that the language has for this number; `%(n)s` is the number."""
    text = current_language().translations.ngettext(singular, plural, n)
    return _filled(text, {"n": n, **values})


def plural_patterns(singular: str, plural: str) -> dict[str, str]:
    """Return the translation in each form of the language, unfilled, by the name that scripts know it by."""
    language = current_language()
    patterns: dict[str, str] = {}
    for n in _SAMPLES:
        form = language.locale.plural_form(n)
        if form not in patterns:
            patterns[form] = language.translations.ngettext(singular, plural, n)
    return patterns


def pgettext(context: str, message: str, **values: object) -> str:
    """Return the translation of a text whose meaning depends on where it stands."""
    return _filled(current_language().translations.pgettext(context, message), values)


def gettext_noop(message: str) -> str:
    """Mark a text of a table for translation; `gettext` translates it where it is shown."""
    return message


def pgettext_noop(context: str, message: str) -> str:  # noqa: ARG001  (read by the extraction)
    """Mark a text of a table for translation; `pgettext` with the same context translates it."""
    return message


def _filled(text: str, values: dict[str, object]) -> str:
    return text % values if values else text
