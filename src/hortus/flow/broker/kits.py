"""Which kits have an account at the broker: all except boards, which never connect to it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists

from hortus.domain.kits.tables import KitRow
from hortus.flow.gateway.tables import BoardRow


def speaks_mqtt() -> ColumnElement[bool]:
    """Return the condition on the kits table that a kit is not a board. Boards send over plain HTTP."""
    return ~exists().where(BoardRow.kit_id == KitRow.id)
