"""CPU time for judging plants, each measured once a minute; minutes follow each other without a pause.

A minute's readings are stored in thirty portions, each as many as the judge collects in two seconds of a real
minute. One plant in two hundred leaves its range for a minute and returns: its alert is opened and ended. The
database's share is the difference from storing the same readings without a judge running.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hortus.base.database.partitions import ensure_partitions, months_ahead
from rig.bench import Bench
from rig.installation import Installation, installation
from rig.processes import BenchError, cpu_seconds, running, tree_cpu_seconds
from rig.result import Result

ALERT_PLANTS, REACH_ALERT_SECONDS = 10_000, 1

_PORTIONS = 30
_ONE_OUT_OF = 200

_MAKE = """
WITH kit AS (
    INSERT INTO kits (serial, password_hash, name)
    SELECT 'b-' || n, '!', 'Kit ' || n FROM generate_series(1, $1::int) AS n RETURNING id, serial
), configuration AS (
    INSERT INTO kit_configurations
        (kit_id, controller_symbol_location, controller_symbol, control_rules, active)
    SELECT id, '', '', '{}', true FROM kit RETURNING id, kit_id
), peripheral AS (
    INSERT INTO peripherals (kit_id, kit_configuration_id, peripheral_definition_id, name, configuration)
    SELECT c.kit_id, c.id, (
        SELECT min(peripheral_definition_id) FROM peripheral_definition_expected_quantity_types
        WHERE quantity_type_id = 1
    ), 'Thermometer', '{}' FROM configuration AS c RETURNING id, kit_id
), plant AS (
    INSERT INTO plants (name) SELECT 'Plant ' || serial FROM kit RETURNING id, name
), range AS (
    INSERT INTO plant_ranges (plant_id, quantity_type_id, minimum, maximum) SELECT id, 1, 18, 27 FROM plant
), setting AS (
    INSERT INTO plant_alert_settings (plant_id, hold_seconds) SELECT id, 0 FROM plant
)
INSERT INTO plant_links (plant_id, kit_id, linked_from)
SELECT plant.id, kit.id, now() - interval '1 day' FROM plant JOIN kit ON plant.name = 'Plant ' || kit.serial
"""

_STORE = """
WITH stored AS (
    INSERT INTO raw_measurements
        (datetime, value, id, kit_id, peripheral_id, kit_configuration_id, quantity_type_id)
    SELECT $1, CASE WHEN $2 AND p.id % $5 = 0 THEN 10 ELSE 20 END, gen_random_uuid(),
           p.kit_id, p.id, p.kit_configuration_id, 1
    FROM peripherals AS p JOIN kits AS k ON k.id = p.kit_id
    WHERE k.serial LIKE 'b-%' AND p.id % $3 = $4 RETURNING kit_id
)
SELECT array_agg(kit_id) FROM stored
"""

# One plant per portion is a cheap indicator for all: they are judged together, those causing an alert last.
_WITNESSES = """
SELECT p.id % $1 AS portion, max(l.plant_id) AS plant_id
FROM peripherals AS p JOIN plant_links AS l ON l.kit_id = p.kit_id WHERE p.id % $2 <> 0 GROUP BY 1
"""
_JUDGED = "SELECT judged_until = $1 FROM alert_states WHERE plant_id = $2"
_ALL_JUDGED = "SELECT count(*) FROM alert_states WHERE judged_until = $1"
_POLL_SECONDS = 0.02
_MOST_SECONDS = 120
_MOST_KITS_NAMED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """CPU seconds for a minute's readings of the given number of plants."""

    plants: int
    judge_seconds: float
    database_seconds: float
    alerts: int


async def alerts(bench: Bench) -> None:
    """CPU time for judging 10,000 plants, each measured once a minute."""
    async with installation(bench.data_dir("alerts")) as stand:
        found = await measure_alerts(
            bench.folder, stand, plants=bench.size.plants, minutes=bench.size.plant_minutes
        )
    scale = ALERT_PLANTS / found.plants
    print(f"  {found.alerts:,} alerts opened; the database's share {found.database_seconds * scale:.2f} s")
    judge_seconds = found.judge_seconds * scale
    bench.found(
        Result(
            figure=f"judging {ALERT_PLANTS:,} plants, per minute of readings (measured with {found.plants:,})",
            value=f"{judge_seconds:.2f} s of a core, and {found.database_seconds * scale:.2f} s in PostgreSQL",
            reach=f"≤ {REACH_ALERT_SECONDS} s",
            met=judge_seconds <= REACH_ALERT_SECONDS,
        )
    )


async def measure_alerts(folder: Path, stand: Installation, *, plants: int, minutes: int) -> Judging:
    """Store some minutes of readings without a judge, then with one, and compare."""
    await ensure_partitions(stand.connection, months_ahead(datetime.now(UTC)))
    await stand.connection.execute(_MAKE, plants)
    await stand.connection.execute("ANALYZE")
    witnesses = dict(await stand.connection.fetch(_WITNESSES, _PORTIONS, _ONE_OUT_OF))
    moments = [datetime.now(UTC) - timedelta(minutes=50 - minute) for minute in range(2 * minutes)]
    before = tree_cpu_seconds(stand.postgres_process_id)
    for minute in range(minutes):
        await _one_minute(stand, moments[minute], out=minute % 2 == 1)
    storing_seconds = tree_cpu_seconds(stand.postgres_process_id) - before
    environment = {"DATABASE_URL": stand.url.sqlalchemy()}
    script = Path(__file__).parents[1] / "alert_judge.py"
    async with running([sys.executable, script], log=folder / "judge.log", environment=environment) as process:
        # The first pass processes the readings stored so far, and creates the states.
        await _all_judged(stand, moments[minutes - 1], plants)
        started, before = cpu_seconds(process.pid), tree_cpu_seconds(stand.postgres_process_id)
        for minute in range(minutes, 2 * minutes):
            await _one_minute(stand, moments[minute], out=minute % 2 == 1, witnesses=witnesses)
        await _all_judged(stand, moments[-1], plants)
        judge_seconds = cpu_seconds(process.pid) - started
        both_seconds = tree_cpu_seconds(stand.postgres_process_id) - before
    return Judging(
        plants=plants,
        judge_seconds=judge_seconds / minutes,
        database_seconds=(both_seconds - storing_seconds) / minutes,
        alerts=await stand.connection.fetchval("SELECT count(*) FROM alerts WHERE kind = 'range'"),
    )


async def _one_minute(
    stand: Installation, moment: datetime, *, out: bool, witnesses: dict[int, int] | None = None
) -> None:
    for portion in range(_PORTIONS):
        async with stand.connection.transaction():
            kit_ids = await stand.connection.fetchval(_STORE, moment, out, _PORTIONS, portion, _ONE_OUT_OF)
            for start in range(0, len(kit_ids), _MOST_KITS_NAMED):
                named = " ".join(map(str, kit_ids[start : start + _MOST_KITS_NAMED]))
                await stand.connection.execute("SELECT pg_notify('hortus_stored', $1)", named)
        if witnesses is not None:
            await _until_true(stand, _JUDGED, moment, witnesses[portion])


async def _all_judged(stand: Installation, moment: datetime, plants: int) -> None:
    await _until_true(stand, f"SELECT ({_ALL_JUDGED}) >= $2", moment, plants)


async def _until_true(stand: Installation, statement: str, *arguments: object) -> None:
    try:
        async with asyncio.timeout(_MOST_SECONDS):
            while not await stand.connection.fetchval(statement, *arguments):  # noqa: ASYNC110  (another process)
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        raise BenchError("Waited in vain for readings to be judged.") from error
