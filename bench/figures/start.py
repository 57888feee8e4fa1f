"""How long `hortus up` takes to become ready on an existing data directory."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from rig.bench import Bench
from rig.installation import installation
from rig.one_box import one_box
from rig.result import Result

REACH_START_SECONDS = 4


async def start(bench: Bench) -> None:
    """From the command to ready."""
    data_dir = bench.data_dir("start")
    async with installation(data_dir):
        pass
    seconds = await measure_starts(bench.folder, data_dir, bench.size.starts)
    print("  seconds to ready: " + ", ".join(f"{each:.2f}" for each in seconds))
    bench.found(
        Result(
            figure="`hortus up` to ready on an existing data directory",
            value=f"{median(seconds):.1f} s (longest of {len(seconds)}: {max(seconds):.1f} s)",
            reach=f"≤ {REACH_START_SECONDS} s",
            met=max(seconds) <= REACH_START_SECONDS,
        )
    )


async def measure_starts(folder: Path, data_dir: Path, times: int) -> list[float]:
    """Start and stop it the given number of times; return the seconds to ready, in order.

    One start before that does not count: like the first after an installation, it compiles all modules.
    """
    async with one_box(folder, data_dir):
        pass
    seconds = []
    for _ in range(times):
        async with one_box(folder, data_dir) as box:
            seconds.append(box.ready_seconds)
    return seconds
