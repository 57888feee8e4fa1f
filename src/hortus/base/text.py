"""Untrusted text: which characters names and descriptions may contain, and how text is displayed safely. Pure.

Terminals obey control characters, logs break lines at line breaks, and characters that change the direction of
text make a page show something other than what is stored. So names with such characters are rejected, and those
already stored, or sent by a kit, are displayed in escaped form.
"""

from __future__ import annotations

import re
import unicodedata

from hortus.base.errors import UsageError

# Unicode's controls (C0, DEL, C1) except tab and line breaks; line and paragraph separator; embeddings,
# overrides and isolates of direction; halves of surrogate pairs, which no database stores.
_NEVER = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
# Right-to-left scripts use these marks in longer texts, where they do no harm.
_MARKS = "\u061c\u200e\u200f"
_LAYOUT = "\t\n\r"

_NOT_IN_LINES = re.compile(f"[{_NEVER}]")
_NOT_IN_A_LINE = re.compile(f"[{_NEVER}{_MARKS}{_LAYOUT}]")

_BREAKS = frozenset("\n\r\x0b\x0c\x85\u2028\u2029")


def fault_of_line(text: str) -> str | None:
    """Return the fault in a text of one line, such as a label or an address, or None."""
    return _fault(_NOT_IN_A_LINE.search(text))


def fault_of_lines(text: str) -> str | None:
    """Return the fault in a text of any number of lines, such as a description, or None."""
    return _fault(_NOT_IN_LINES.search(text))


def fault_of_name(text: str) -> str | None:
    """Return the fault in a name, or None. Its length is checked elsewhere."""
    if text and all(_is_unseen(character) for character in text):
        return fault_of_line(text) or "A name needs a character that can be seen"
    return fault_of_line(text)


def require_name(what: str, text: str) -> None:
    """Raise UsageError if the text is not a valid name; `what` begins the sentence."""
    fault = fault_of_name(text)
    if fault is not None:
        raise UsageError(f"{what} is one line of characters that can be seen. {fault}.")


def shown(text: str) -> str:
    r"""Return the text on one line, with control characters escaped: `\x1b`, `\n`, `\u202e`."""
    return _NOT_IN_A_LINE.sub(_written_out, text)


def shown_lines(text: str) -> str:
    """Return the text escaped as by `shown`, except for its tabs and line breaks."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("\t".join(map(shown, line.split("\t"))) for line in lines)


def shown_json(document: str) -> str:
    """Return an equivalent JSON document without characters that a terminal would obey."""
    # Control characters outside strings are layout; within strings, JSON has already escaped those below
    # U+0020.
    return re.sub(f"[{_NEVER}{_MARKS}]", lambda found: f"\\u{ord(found[0]):04x}", document)


def _fault(found: re.Match[str] | None) -> str | None:
    if found is None:
        return None
    character = found[0]
    return f"It cannot hold U+{ord(character):04X}, {_kind(character)}"


def _kind(character: str) -> str:
    if character in _BREAKS:
        return "a line break"
    if character == "\t":
        return "a tab"
    category = unicodedata.category(character)
    if category == "Cs":
        return "half of a character"
    return "a control character" if category == "Cc" else "which turns the direction of text"


def _is_unseen(character: str) -> bool:
    # Spaces of all widths, and invisible formatting characters such as joiners.
    return character.isspace() or unicodedata.category(character) == "Cf"


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    named = {0x09: r"\t", 0x0A: r"\n", 0x0D: r"\r"}.get(code)
    return named or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
