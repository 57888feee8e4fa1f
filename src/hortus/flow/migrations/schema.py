"""The complete schema in one place: every capability's tables, and their triggers.

Alembic compares against `metadata`; `tests/database/test_schema.py` proves that migrating an empty database
and creating everything from here produce the same database.
"""

from __future__ import annotations

from sqlalchemy import DDL, event

# Imported for the tables that they define.
import hortus.domain.accounts.tables
import hortus.domain.administration.tables
import hortus.domain.alerts.tables
import hortus.domain.definitions.tables
import hortus.domain.kits.tables
import hortus.domain.ledger.tables
import hortus.domain.measurements.tables
import hortus.domain.media.tables
import hortus.domain.messages.tables
import hortus.domain.mqtt_accounts.tables
import hortus.domain.plants.tables
import hortus.domain.plausibility.tables
import hortus.domain.presence.tables
import hortus.domain.series.tables
import hortus.flow.broker.tables
import hortus.flow.commands.tables
import hortus.flow.export.tables
import hortus.flow.gateway.tables
import hortus.flow.quarantine.tables
import hortus.flow.rpc.tables
from hortus.base.database.base import metadata
from hortus.base.database.triggers import TRIGGER_STATEMENTS

__all__ = ["metadata"]

for _statement in TRIGGER_STATEMENTS:
    event.listen(metadata, "after_create", DDL(_statement))  # type: ignore[no-untyped-call]
