"""User names in the form in which they are stored and compared. Pure."""

from __future__ import annotations

import unicodedata

# Longer than any name. Composing takes time that grows with the square of the length.
_MOST_CHARACTERS = 500


def composed(name: str) -> str:
    """Return the name in Unicode's composed form (NFC): some keyboards and systems send an umlaut as two."""
    return unicodedata.normalize("NFC", name) if len(name) <= _MOST_CHARACTERS else name


def canonical_username(name: str) -> str:
    """Return the form that is stored: all spellings of one name have the same."""
    return composed(composed(name).lower()).strip()


def is_shown_as_named(username: str, display_name: str) -> bool:
    """Return whether the display name is the user name as typed, and not another that the user chose."""
    return canonical_username(display_name) == username


def shown_name(username: str, display_name: str) -> str:
    """Return the user name as typed, if that is known, else as stored."""
    return display_name if is_shown_as_named(username, display_name) else username
