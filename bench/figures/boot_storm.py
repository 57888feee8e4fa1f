"""After a power cut: all kits connect and ask for their configurations at the same time."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from statistics import median

from rig.bench import Bench
from rig.installation import Installation, Kit, installation
from rig.mosquitto import mosquitto
from rig.processes import BenchError, running
from rig.result import Result
from rig.rpc import rpc_worker

REACH_STORM_SECONDS = 10

_PROGRAM = Path(__file__).parents[1] / "boot_kits.py"
_LONGEST_SECONDS = 120.0

# Kits like the first one, with its password and a configuration like its own. Creating each individually would
# take longer than the measurement, only to hash passwords that need no protection.
_MORE_KITS = """
WITH made AS (
    INSERT INTO kits (serial, password_hash, broker_password, name)
    SELECT 'k-storm-' || n, k.password_hash, k.broker_password, 'Storm ' || n
    FROM kits k, generate_series(1, $2::int) n WHERE k.serial = $1
    RETURNING id, serial
), configured AS (
    INSERT INTO kit_configurations
        (kit_id, description, controller_symbol_location, controller_symbol, control_rules, active)
    SELECT made.id, c.description, c.controller_symbol_location, c.controller_symbol, c.control_rules, true
    FROM made, kit_configurations c JOIN kits k ON k.id = c.kit_id WHERE k.serial = $1 AND c.active
    RETURNING id, kit_id
), fitted AS (
    INSERT INTO peripherals (kit_id, kit_configuration_id, peripheral_definition_id, name, configuration)
    SELECT configured.kit_id, configured.id, p.peripheral_definition_id, p.name, p.configuration
    FROM configured, peripherals p JOIN kits k ON k.id = p.kit_id WHERE k.serial = $1
)
SELECT serial FROM made
"""


async def boot_storm(bench: Bench) -> None:
    """Many kits boot at once: the time until all have their configurations."""
    kits = bench.size.storm_kits
    async with installation(bench.data_dir("boot_storm")) as stand:
        seconds = await measure_boot_storm(bench.folder, stand, kits=kits)
    bench.found(
        Result(
            figure=f"{kits:,} kits that boot at once have their configurations",
            value=f"half after {median(seconds):.1f} s, all after {seconds[-1]:.1f} s",
            reach=f"all within {REACH_STORM_SECONDS} s",
            met=seconds[-1] <= REACH_STORM_SECONDS,
        )
    )


async def measure_boot_storm(folder: Path, stand: Installation, *, kits: int) -> list[float]:
    """Return how many seconds after the start signal each kit had its configuration, fastest first."""
    first = stand.kits[0]
    rows = await stand.connection.fetch(_MORE_KITS, first.serial, kits)
    swarm = [Kit(serial=row["serial"], password=first.password, series=[]) for row in rows]
    async with (
        mosquitto(folder / "broker", swarm) as broker,
        rpc_worker(folder, stand, broker),
        running([sys.executable, _PROGRAM], log=folder / "boot-kits.log", talks=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        order = {"port": broker.port, "kits": [(kit.serial, kit.password) for kit in swarm]}
        process.stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(_LONGEST_SECONDS):
            await process.stdout.readline()
            process.stdin.write(b"go\n")
            line = await process.stdout.readline()
    if not line:
        raise BenchError(f"The kits ended early: {(folder / 'boot-kits.log').read_text()[-500:].strip()}")
    return [float(each) for each in json.loads(line)]
