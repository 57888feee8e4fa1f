"""Response times of charts and pages of measurements over HTTP, from `hortus up` with many stored rows."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles

import httpx

from figures.full_table import fill
from hortus.base.database.engine import connector, open_engine
from hortus.base.database.partitions import Month, ensure_partitions
from hortus.domain.kits.store import KitStore, NewKit, add_standard_configuration
from hortus.domain.series.rollups import roll_up, touch_history
from rig.bench import Bench
from rig.installation import Installation, installation
from rig.one_box import one_box
from rig.people import access_token
from rig.processes import BenchError
from rig.result import Result

REACH_YEAR_MS, REACH_DAY_MS, REACH_PAGES_MS = 50, 20, 15
REACH_CUT_HOURS_MS = 120
LATER_PAGE = 1000

_REQUESTS = 200
_WARM_UP = 10
_YEAR = timedelta(days=365)
_MINUTES = 365 * 24 * 60

_LINK = re.compile(r'<([^>]+)>; rel="next"')
_TIMES_MS = re.compile(rb'"time":\[([^\]]*)\]')

_READINGS = """
INSERT INTO raw_measurements
    (datetime, received_at, value, id, kit_id, peripheral_id, kit_configuration_id, quantity_type_id)
SELECT at, at, 20 + 5 * sin(n / 1440.0), gen_random_uuid(), p.kit_id, p.id, p.kit_configuration_id, $2
FROM generate_series(0, $5::int - 1) AS n
CROSS JOIN LATERAL (SELECT $3::timestamptz + n * $4::interval AS at) AS moments
JOIN peripherals p ON p.id = $1
ORDER BY n
"""

# One aggregate per minute of each of the kit's series, going back from now.
_AGGREGATES = """
INSERT INTO aggregate_measurements
    (datetime_start, datetime_end, received_at, id,
     kit_id, peripheral_id, kit_configuration_id, quantity_type_id, values)
SELECT at, at + interval '1 minute', at + interval '1 minute', gen_random_uuid(),
       p.kit_id, p.id, p.kit_configuration_id, s.quantity_type_id,
       '{"count": 30, "average": 21.5, "minimum": 21.25, "maximum": 22.5}'
FROM generate_series($3::int, $4::int - 1) AS n
CROSS JOIN unnest($1::int[], $2::int[]) AS s(peripheral_id, quantity_type_id)
CROSS JOIN LATERAL (SELECT $5::timestamptz - n * interval '1 minute' AS at) AS moments
JOIN peripherals p ON p.id = s.peripheral_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Response times in milliseconds of many requests, sent one at a time."""

    p50_ms: float
    p95_ms: float
    most_ms: float
    points: int

    def describe(self) -> str:
        """Return a one-line summary."""
        return f"p50 {self.p50_ms:.1f} ms, p95 {self.p95_ms:.1f} ms, longest {self.most_ms:.1f} ms"


async def series_year(bench: Bench) -> None:
    """A year of minute readings of one series as 1,000 points, among many other readings."""
    await _chart(bench, "a chart of a year", timedelta(days=365), 1000, REACH_YEAR_MS)


async def series_day(bench: Bench) -> None:
    """24 hours of minute readings of one series, each reading a point, among many other readings."""
    await _chart(bench, "a chart of a day", timedelta(days=1), 1440, REACH_DAY_MS)


async def series_local_days(bench: Bench) -> None:
    """A year of one series by local days: where they begin with a UTC hour, and where they cut one in two."""
    year = timedelta(days=365)
    for zone, reach_ms in (("Europe/Amsterdam", REACH_YEAR_MS), ("Asia/Kolkata", REACH_CUT_HOURS_MS)):
        await _chart(bench, f"a chart of a year by days of {zone}", year, 400, reach_ms, local=zone)


async def _chart(
    bench: Bench, name: str, span: timedelta, points: int, reach_ms: float, local: str | None = None
) -> None:
    data_dir = bench.data_dir("series")
    if bench.charted_kit is None:
        async with installation(data_dir) as stand:
            bench.charted_kit = await fill_series(
                stand, bench.size.rows, bench.folder, lambda sentence: print(f"  {sentence}", flush=True)
            )
    found = await measure_chart(bench.folder, data_dir, bench.charted_kit, span, points, local)
    print(f"  {found.points:,} points: {found.describe()}", flush=True)
    bench.found(
        Result(
            figure=f"{name} ({found.points:,} points) with {bench.size.rows:,} stored rows",
            value=f"p50 {found.p50_ms:.1f} ms, p95 {found.p95_ms:.1f} ms",
            reach=f"p95 ≤ {reach_ms} ms",
            met=found.p95_ms <= reach_ms,
        )
    )


async def aggregates_pages(bench: Bench) -> None:
    """Pages of one series' aggregates: the first, and one far down."""
    data_dir = bench.data_dir("aggregates")
    async with installation(data_dir) as stand:
        place = await fill_aggregates(stand, bench.size.aggregates)
    first, later, number = await measure_pages(bench.folder, data_dir, *place, LATER_PAGE)

    def told(page: int, found: Asked) -> None:
        print(f"  page {page:,}: {found.describe()}", flush=True)
        bench.found(
            Result(
                figure=f"page {page:,} of a series' aggregates, {bench.size.aggregates:,} in the kit",
                value=f"p50 {found.p50_ms:.1f} ms, p95 {found.p95_ms:.1f} ms",
                reach=f"p95 ≤ {REACH_PAGES_MS} ms",
                met=found.p95_ms <= REACH_PAGES_MS,
            )
        )

    told(1, first)
    told(number, later)


async def fill_series(stand: Installation, rows: int, folder: Path, report: Callable[[str], None]) -> str:
    """Fill a table, add a kit with a year of readings, and roll that kit up; return its serial.

    Its first series has a reading every minute, the others one every ten minutes.
    """
    await fill(stand, rows, folder, report)
    async with open_engine(stand.url) as engine, engine.begin() as transaction:
        kit = await KitStore().create(transaction, NewKit(name="Charted"))
        peripherals = await add_standard_configuration(transaction, kit.id)
    series = [(each.id, quantity) for each in peripherals for quantity in each.quantity_types]
    start = datetime.now(UTC).replace(second=0, microsecond=0) - _YEAR
    connection = await connector(stand.url, "filling")()
    try:
        for number, (peripheral_id, quantity_type_id) in enumerate(series):
            every = 1 if number == 0 else 10
            await connection.execute(
                _READINGS,
                *(peripheral_id, quantity_type_id, start, timedelta(minutes=every), _MINUTES // every),
                timeout=1200,
            )
        # Only this kit: rolling up all others would take longer than everything else, and no query for this
        # kit reads their rows.
        await touch_history(connection, kit.id)
        began = time.perf_counter()
        hours = await roll_up(connection, datetime.now(UTC) - timedelta(hours=1))
        seconds = time.perf_counter() - began
        stored = await connection.fetchval("SELECT count(*) FROM raw_measurements WHERE kit_id = $1", kit.id)
        report(
            f"rolled up {stored:,} readings of {hours:,} hours of kits in {seconds:.0f} s: "
            f"{stored / seconds:,.0f} readings/s"
        )
        await connection.execute("VACUUM ANALYZE", timeout=1200)
    finally:
        await connection.close()
    await stand.checkpoint()
    return kit.serial


async def fill_aggregates(stand: Installation, rows: int) -> tuple[str, int, int]:
    """Insert aggregates for the first kit; return its serial, and one of its peripherals and quantity types."""
    kit = stand.kits[0]
    each = rows // len(kit.series)
    peripheral_ids, quantity_type_ids = zip(*kit.series, strict=True)
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    connection = await connector(stand.url, "filling")()
    try:
        first, last = Month.of(now - timedelta(minutes=each)), Month.of(now)
        months = [first]
        while months[-1] < last:
            months.append(months[-1].later(1))
        await ensure_partitions(connection, months)
        for begin in range(0, each, 50_000):
            await connection.execute(
                _AGGREGATES,
                *(list(peripheral_ids), list(quantity_type_ids), begin, min(each, begin + 50_000), now),
                timeout=1200,
            )
        await connection.execute("VACUUM ANALYZE aggregate_measurements", timeout=1200)
    finally:
        await connection.close()
    await stand.checkpoint()
    return kit.serial, *kit.series[0]


async def measure_chart(
    folder: Path, data_dir: Path, serial: str, span: timedelta, points: int, local: str | None = None
) -> Asked:
    """Request charts of the kit's minute readings, each over a different interval of this length.

    With `local`, days are those of this time zone.
    """
    async with _asker(folder, data_dir) as client:
        listed = (await client.get(f"/kits/{serial}/series")).raise_for_status().json()
        series = next(each for each in listed if each["peripheralName"] == "Temperature")
        latest = datetime.now(UTC) - timedelta(hours=2)
        addresses = []
        for number in range(_WARM_UP + _REQUESTS):
            # A year spans all of the data; a day can be chosen from many.
            latitude = max(timedelta(hours=2), _YEAR - span - timedelta(days=7))
            end = latest - latitude * (number % 50) / 50
            addresses.append(
                f"/kits/{serial}/series/{series['id']}?points={points}"
                f"&from={(end - span):%Y-%m-%dT%H:%M:%SZ}&to={end:%Y-%m-%dT%H:%M:%SZ}"
                f"{f'&local={local}' if local else ''}"
            )
        return await _ask(client, addresses)


async def measure_pages(
    folder: Path, data_dir: Path, serial: str, peripheral: int, quantity_type: int, page: int
) -> tuple[Asked, Asked, int]:
    """Request the first page of a series' aggregates and a later one; also return the latter's number."""
    address = f"/kits/{serial}/aggregate-measurements?peripheral={peripheral}&quantityType={quantity_type}"
    async with _asker(folder, data_dir) as client:
        later = address
        number = 1
        while number < page:
            link = _LINK.fullmatch((await client.get(later)).headers.get("link", ""))
            if link is None:
                break
            later = link[1]
            number += 1
        first = await _ask(client, [address] * (_WARM_UP + _REQUESTS))
        return first, await _ask(client, [later] * (_WARM_UP + _REQUESTS)), number


async def _ask(client: httpx.AsyncClient, addresses: list[str]) -> Asked:
    durations = []
    points = 0
    for address in addresses:
        began = time.perf_counter()
        response = await client.get(address)
        durations.append((time.perf_counter() - began) * 1000)
        if response.status_code != 200:
            raise BenchError(f"{address} was answered {response.status_code}: {response.text[:200]}")
        times = _TIMES_MS.search(response.content)
        points = times[1].count(b",") + 1 if times else len(response.json())
    measured = durations[_WARM_UP:]
    steps = quantiles(measured, n=100)
    return Asked(p50_ms=steps[49], p95_ms=steps[94], most_ms=max(measured), points=points)


@asynccontextmanager
async def _asker(folder: Path, data_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Run `hortus up` on the data directory, and yield an HTTP client of an administrator."""
    async with one_box(folder, data_dir) as box:
        token = await access_token(box, data_dir, is_admin=True)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{box.http_port}/api",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        ) as client:
            yield client
