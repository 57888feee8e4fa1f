"""Virtual kits that all boot at the same time, in a separate process; driven by figures/boot_storm.py.

Reads one line of JSON (port, kits), then, on the line `go`, connects all of them. Prints as JSON how many
seconds after that each had its configuration.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time

import uvloop

from hortus.simulator.fleet import Fleet
from hortus.simulator.options import BootTimes, KitCredentials, SimulatorOptions

_POLL_SECONDS = 0.01


async def boot(port: int, credentials: list[KitCredentials]) -> list[float]:
    """Boot the kits; return when each had its configuration, in seconds."""
    options = SimulatorOptions(
        port=port,
        stagger_seconds=0.0,
        # The kits' own timeout; a kit that gets no answer asks again immediately, and is late.
        boot=BootTimes(answer_timeout_seconds=15.0, ask_again_seconds=0.1),
    )
    fleet = Fleet(credentials, options)
    began = time.perf_counter()
    running = asyncio.create_task(fleet.run())
    booted: dict[str, float] = {}
    try:
        while len(booted) < len(credentials):
            await asyncio.sleep(_POLL_SECONDS)
            now = time.perf_counter() - began
            for kit in fleet.kits:
                if kit.measuring and kit.serial not in booted:
                    booted[kit.serial] = now
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return sorted(booted.values())


def main() -> None:
    logging.basicConfig(level="ERROR")
    order = json.loads(sys.stdin.readline())
    credentials = [KitCredentials(serial=each[0], password=each[1]) for each in order["kits"]]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(json.dumps(uvloop.run(boot(order["port"], credentials))) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
