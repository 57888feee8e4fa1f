"""The background work of histories: what shows only afterwards is noted, and what is too old is forgotten."""

from __future__ import annotations

import asyncio
import time

from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.supervision import note_success
from hortus.domain.kits.activations import forget_old_activations, note_running
from hortus.domain.kits.changes import forget_old_changes
from hortus.domain.plants.target_history import forget_old_targets
from hortus.domain.presence.history import forget_old_presence

EVERY_SECONDS = 10.0
_FORGET_EVERY_SECONDS = 3600.0
_FORGETTING = (forget_old_presence, forget_old_activations, forget_old_targets, forget_old_changes)


async def keep_histories(engine: AsyncEngine) -> None:
    """Look after the histories until cancelled. A job: raises when the database fails."""
    forgotten_at = -_FORGET_EVERY_SECONDS
    while True:
        async with engine.begin() as connection:
            await note_running(connection)
        if time.monotonic() - forgotten_at >= _FORGET_EVERY_SECONDS:
            for forget in _FORGETTING:
                async with engine.begin() as connection:
                    await forget(connection)
            forgotten_at = time.monotonic()
        note_success()
        await asyncio.sleep(EVERY_SECONDS)
