"""How long `hortus up` takes to be ready on an existing data directory."""

from __future__ import annotations

from pathlib import Path

from rig.one_box import one_box


async def measure_starts(folder: Path, data_dir: Path, times: int) -> list[float]:
    """Start and stop it so many times; return the seconds to ready, in order.

    One start before does not count: it is the one after an installation, which compiles all modules.
    """
    async with one_box(folder, data_dir):
        pass
    seconds = []
    for _ in range(times):
        async with one_box(folder, data_dir) as box:
            seconds.append(box.ready_seconds)
    return seconds
