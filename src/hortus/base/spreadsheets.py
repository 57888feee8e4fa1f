"""CSV files that spreadsheet programs read as they are meant. Pure."""

from __future__ import annotations

AS_FORMULA = "=+-@\t\r\n'"
"""Texts that begin with one of these are prefixed with an apostrophe.

Spreadsheet programs run cells that begin with one of the first four as formulas, and names are chosen by anyone
who may edit a kit. The apostrophe itself is among them, so that removing one always restores the text.
"""

BYTE_ORDER_MARK = "\ufeff"
"""Tells these programs that a file is UTF-8."""


def safe_text(text: str) -> str:
    """Return the text as written to CSV, escaped so that it is never run as a formula."""
    return f"'{text}" if text.startswith(tuple(AS_FORMULA)) else text
