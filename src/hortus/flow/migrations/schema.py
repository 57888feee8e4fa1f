"""The complete schema in one place: every capability's tables, and their triggers.

Alembic compares against `metadata`; `tests/database/test_schema.py` proves that migrating an empty database
and creating everything from here produce the same database.
"""

from __future__ import annotations

from sqlalchemy import DDL, event

from hortus.base.database.base import metadata
from hortus.base.database.triggers import TRIGGER_STATEMENTS

__all__ = ["metadata"]

for _statement in TRIGGER_STATEMENTS:
    event.listen(metadata, "after_create", DDL(_statement))  # type: ignore[no-untyped-call]
