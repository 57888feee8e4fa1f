"""Measures what docs/performance.md claims: `python bench/run.py [--quick] [--only NAME]`.

All services needed are started on free loopback ports and stopped again; only the mosquitto and mosquitto_sub
programs have to be installed. Each figure is printed as soon as it is available, and all as a table at the end.
Exit code 1 if a figure misses its target.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import uvloop

from figures.table import FIGURES
from rig.bench import FULL, QUICK, Bench, Size
from rig.machine import describe
from rig.processes import BenchError
from rig.result import markdown

# The rate of the Python connector that this replaces, on such a machine.
REPLACED_RATE = "100–150/s"


async def run(names: list[str], size: Size, folder: Path) -> int:
    task = asyncio.current_task()
    assert task is not None
    # Ctrl-C already cancels; SIGTERM must also stop the services that were started.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    bench = Bench(folder, size)
    failures = []
    print(describe())
    for name in names:
        began = time.monotonic()
        print(f"{name}: {(FIGURES[name].__doc__ or '').strip()}", flush=True)
        try:
            await FIGURES[name](bench)
        except (BenchError, TimeoutError) as error:
            failures.append(name)
            print(f"  could not be measured: {error or 'it took too long'}", flush=True)
        print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"\n{describe()}\n\n{markdown(bench.results)}\n")
    print(f"For comparison: the Python connector that this replaces stores {REPLACED_RATE} on such a machine.")
    if failures:
        print(f"Not measured: {', '.join(failures)}.")
    return int(bool(failures) or any(result.met is False for result in bench.results))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(FIGURES), help="this figure; may be repeated")
    parser.add_argument("--quick", action="store_true", help="smaller and noisier, in under three minutes")
    parser.add_argument("--rounds", type=int, help="how often each rate is measured; the median counts")
    parser.add_argument("--rows", type=int, help="rows of the full table (150 bytes of disk each)")
    parser.add_argument("--directory", type=Path, help="where to keep files meanwhile; a disk, not memory")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    changes = {name: value for name in ("rounds", "rows") if (value := getattr(options, name)) is not None}
    with tempfile.TemporaryDirectory(prefix="hortus-bench-", dir=options.directory) as folder:
        # PostgreSQL runs as another user if we are root, and needs access to the folder.
        Path(folder).chmod(0o755)
        try:
            return uvloop.run(run(options.only or list(FIGURES), replace(size, **changes), Path(folder)))
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("Interrupted; everything that was started has been ended.")
            return 130


if __name__ == "__main__":
    sys.exit(main())
