"""Finds out which part of the database is damaged, tells operators once, and records it for health."""

from __future__ import annotations

import logging
import math
import time

from hortus.base.database.damage import Damage, locate
from hortus.base.database.engine import CONNECTION_FAILURES
from hortus.flow.ingest.database_link import Connect
from hortus.flow.ingest.metrics import IngestMetrics, NoticedDamage

log = logging.getLogger(__name__)

_TELL_SECONDS = 600.0
_SET_ASIDE = "Readings that cannot be stored for this reason are kept in quarantine; others are stored."
_WAITING = "What cannot be stored for this reason waits, and is not acknowledged, until it is repaired."


class DamageWatch:
    """Notes the damage of one pipeline's database in its metrics."""

    def __init__(self, connect: Connect, metrics: IngestMetrics) -> None:
        self._connect = connect
        self._metrics = metrics
        self._located: dict[str, Damage] = {}
        self._told_at: dict[tuple[str | None, bool], float] = {}

    async def noticed(self, error: BaseException, *, sets_aside: bool) -> None:
        """Record an error for which `is_damage` holds, and whether the readings are set aside or wait."""
        message = str(error)
        damage = self._located.get(message)
        if damage is None:
            damage = await self._locate(error)
            self._located = {**self._located, message: damage} if len(self._located) < 1000 else {}
        now = time.monotonic()
        effect = _SET_ASIDE if sets_aside else _WAITING
        self._metrics.damage = NoticedDamage(sentence=f"{damage.sentence} {effect} {damage.advice}", at=now)
        key = damage.relation, sets_aside
        if now - self._told_at.get(key, -math.inf) >= _TELL_SECONDS:
            self._told_at[key] = now
            log.error("%s (%s)", self._metrics.damage.sentence, message)

    async def _locate(self, error: BaseException) -> Damage:
        # A connection of its own: the failed transaction's is still in use.
        try:
            connection = await self._connect()
            try:
                return await locate(connection, error)
            finally:
                connection.terminate()
        except CONNECTION_FAILURES:
            return Damage(relation=None, is_index=False, can_be_repaired=False, block=None, message=str(error))
