"""Which kits have an account at the broker: all but boards, which never come near it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists

from hortus.gateway.tables import BoardRow
from hortus.kits.tables import KitRow


def speaks_mqtt() -> ColumnElement[bool]:
    """Return the condition on the kits table that a kit is not a board: those send over plain HTTP."""
    return ~exists().where(BoardRow.kit_id == KitRow.id)
