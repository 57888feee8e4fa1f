"""The whole schema in one place: every capability's tables, and the triggers that go with them.

Alembic compares against `metadata`; `tests/database/test_schema.py` proves that migrating an empty database
and creating everything from here give the same database.
"""

from __future__ import annotations

from sqlalchemy import DDL, event

import hortus.accounts.tables
import hortus.alerts.tables
import hortus.broker.tables
import hortus.commands.tables
import hortus.definitions.tables
import hortus.export.tables
import hortus.gateway.tables
import hortus.kits.tables
import hortus.ledger.tables
import hortus.measurements.tables
import hortus.media.tables
import hortus.messages.tables
import hortus.plants.tables
import hortus.presence.tables
import hortus.quarantine.tables
import hortus.rpc.tables
import hortus.series.tables  # noqa: F401  (imported for the tables they define)
from hortus.database.base import metadata
from hortus.database.triggers import TRIGGER_STATEMENTS

__all__ = ["metadata"]

for _statement in TRIGGER_STATEMENTS:
    event.listen(metadata, "after_create", DDL(_statement))  # type: ignore[no-untyped-call]
