"""The lock under which one process at a time writes the rollups of a kit, until its transaction ends."""

from __future__ import annotations

TRY_LOCK_KIT = "SELECT pg_try_advisory_xact_lock(hashtext('hortus rollups'), $1)"
LOCK_KIT = "SELECT pg_advisory_xact_lock(hashtext('hortus rollups'), $1)"
