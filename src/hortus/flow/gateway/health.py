"""The health of the gateway (P9), judged by the waiting readings and their age."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hortus.base.supervision import TaskReport
from hortus.flow.gateway.errors import SpoolUnavailable
from hortus.flow.gateway.forwarding import ForwardingState
from hortus.flow.gateway.http import Answer
from hortus.flow.gateway.spool import Spool
from hortus.flow.gateway.spool_file import SpoolDamage, SpoolDepth, SpoolFile

LONGEST_WAIT_SECONDS = 300.0
"""Readings waiting longer than this for their target are reported as a fault; they are kept."""

_LOOK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayReport:
    """The state of the gateway. `fault` is a sentence on what an operator has to fix, if anything."""

    fault: str | None
    target: str
    trouble: str | None
    depth: SpoolDepth
    oldest_waiting_seconds: float
    counters: Mapping[str, int]
    damages: Sequence[SpoolDamage]


class GatewayHealth:
    """Reports the state of the gateway. Reads the spool at most once a second, however often it is asked."""

    def __init__(
        self,
        spool: Spool,
        forwarding: ForwardingState,
        tasks: Callable[[], Sequence[TaskReport]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._spool = spool
        self._forwarding = forwarding
        self._tasks = tasks
        self._clock = clock
        self._looked_at = float("-inf")
        self._depth = SpoolDepth(waiting=0, oldest_waiting_ms=None, set_aside=0, used_bytes=0)
        self._counters: dict[str, int] = {}
        self._damages: list[SpoolDamage] = []
        self._unreadable: str | None = None

    async def answer(self) -> Answer:
        """Return the answer to `/healthz`: 200 or 503, with the reasons and all counters."""
        report = await self.report()
        document: dict[str, Any] = {
            "status": "healthy" if report.fault is None else "unhealthy",
            "fault": report.fault,
            "target": {"name": report.target, "trouble": report.trouble},
            "waiting": report.depth.waiting,
            "oldestWaitingSeconds": report.oldest_waiting_seconds,
            "setAside": report.depth.set_aside,
            "spoolBytes": report.depth.used_bytes,
            "counters": report.counters,
            "damages": [damage_document(damage) for damage in report.damages],
            "tasks": {task.name: task.as_json() for task in self._tasks()},
        }
        return Answer(status=200 if report.fault is None else 503, document=document)

    async def report(self) -> GatewayReport:
        """Return the current state; while the spool cannot be read, with the last known figures."""
        if time.monotonic() - self._looked_at > _LOOK_AGAIN_SECONDS:
            self._looked_at = time.monotonic()
            try:
                self._depth, self._counters, self._damages = await self._spool.use(_look)
            except SpoolUnavailable as error:
                self._unreadable = str(error)
            else:
                self._unreadable = None
        return GatewayReport(
            fault=self._fault(),
            target=self._forwarding.target,
            trouble=self._forwarding.trouble,
            depth=self._depth,
            oldest_waiting_seconds=self._oldest_waiting_seconds(),
            counters=self._counters,
            damages=self._damages,
        )

    def _fault(self) -> str | None:
        if self._spool.failing_since is not None:
            return "Readings cannot be stored: see whether the disk is full or broken."
        if self._unreadable is not None:
            return f"The spool cannot be read. {self._unreadable}"
        if self._damages:
            return f"{in_words(self._damages[0])} `hortus gateway status` says what to do."
        if self._oldest_waiting_seconds() > LONGEST_WAIT_SECONDS:
            return f"Readings wait for their target. {self._forwarding.trouble or ''}".strip()
        return next((f"{task.name}: {task.fault}" for task in self._tasks() if task.fault), None)

    def _oldest_waiting_seconds(self) -> float:
        if self._depth.oldest_waiting_ms is None:
            return 0.0
        return max(0.0, round(self._clock() - self._depth.oldest_waiting_ms / 1000, 1))


def in_words(damage: SpoolDamage) -> str:
    """Return sentences on what was damaged, and what became of the readings."""
    moment = datetime.fromtimestamp(damage.found_at_ms / 1000, UTC)
    match damage.lost:
        case None:
            lost = "it is unknown how many were lost"
        case 0:
            lost = "none were lost"
        case _:
            lost = f"{damage.lost} were lost" + (f" ({damage.lost_numbers})" if damage.lost_numbers else "")
    kept = f" The damaged file is kept as {damage.kept_as}." if damage.kept_as else ""
    return (
        f"The spool was damaged ({damage.what}), found on {moment:%Y-%m-%d %H:%M} UTC: {damage.saved} readings "
        f"were saved, {lost}.{kept}"
    )


def damage_document(damage: SpoolDamage) -> dict[str, Any]:
    """Return the JSON form."""
    return {
        "foundAt": datetime.fromtimestamp(damage.found_at_ms / 1000, UTC).isoformat(timespec="seconds"),
        "what": damage.what,
        "keptAs": damage.kept_as or None,
        "saved": damage.saved,
        "lost": damage.lost,
        "lostNumbers": damage.lost_numbers or None,
    }


def _look(file: SpoolFile) -> tuple[SpoolDepth, dict[str, int], list[SpoolDamage]]:
    return file.depth(), file.counters(), file.damages()
