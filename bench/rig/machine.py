"""The load of the whole machine: how busy other processes were during a measurement."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Moment:
    """CPU seconds since boot, over all processors. `idle` includes waiting for disks."""

    at: float
    busy_seconds: float
    idle_seconds: float

    @classmethod
    def now(cls) -> Moment:
        """Read the current counters."""
        # user nice system idle iowait irq softirq steal: see proc(5).
        ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        idle = ticks[3] + ticks[4]
        return cls(time.time(), (sum(ticks) - idle) / _TICKS_PER_SECOND, idle / _TICKS_PER_SECOND)


@dataclass(frozen=True, slots=True)
class MachineUse:
    """Shares of the total CPU time between two moments."""

    own: float
    others: float
    idle: float

    @classmethod
    def between(cls, start: Moment, end: Moment, own_seconds: float) -> MachineUse:
        """Return the shares; `own_seconds` is the measurement's own CPU time, including the load."""
        busy = end.busy_seconds - start.busy_seconds
        idle = end.idle_seconds - start.idle_seconds
        total = max(busy + idle, 1 / _TICKS_PER_SECOND)
        return cls(own_seconds / total, max(0.0, busy - own_seconds) / total, idle / total)

    def __str__(self) -> str:
        return f"machine: measurement {self.own:.0%}, others {self.others:.0%}, idle {self.idle:.0%}"


def describe() -> str:
    """Return a description of the machine and its current load."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        os.uname().machine,
    )
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    one, five, _ = os.getloadavg()
    return (
        f"{os.cpu_count()} cores ({model}), {memory_bytes / 2**30:.0f} GB, Linux {os.uname().release}; "
        f"load average {one:.1f} (1 min), {five:.1f} (5 min)"
    )
