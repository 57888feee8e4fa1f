"""One run of the bench: its size, files and results."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rig.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured. Larger sizes are less noisy."""

    rounds: int
    readings: int
    waiting: int
    latency_seconds: float
    rows: int
    endpoint_readings: int
    starts: int
    api_seconds: float
    media: int
    archive_rows: int
    rpc_trips: int
    storm_kits: int
    live_clients: int
    live_seconds: float
    gateway_readings: int
    plants: int
    plant_minutes: int
    aggregates: int


FULL = Size(
    rounds=3,
    readings=500_000,
    waiting=1_000_000,
    latency_seconds=30,
    rows=50_000_000,
    endpoint_readings=200_000,
    starts=5,
    api_seconds=20,
    media=10,
    archive_rows=5_000_000,
    rpc_trips=1000,
    storm_kits=1000,
    live_clients=500,
    live_seconds=30,
    gateway_readings=180_000,
    plants=10_000,
    plant_minutes=6,
    aggregates=2_000_000,
)
QUICK = Size(
    rounds=1,
    readings=100_000,
    waiting=100_000,
    latency_seconds=8,
    rows=500_000,
    endpoint_readings=50_000,
    starts=2,
    api_seconds=4,
    media=3,
    archive_rows=500_000,
    rpc_trips=100,
    storm_kits=100,
    live_clients=100,
    live_seconds=5,
    gateway_readings=6_000,
    plants=2_000,
    plant_minutes=2,
    aggregates=300_000,
)


@dataclass(slots=True)
class Bench:
    """One run: its directory, size and results."""

    folder: Path
    size: Size
    results: list[Result] = field(default_factory=list)
    charted_kit: str | None = None

    def data_dir(self, figure: str) -> Path:
        """Return the data directory of a figure; each starts with a new one."""
        return self.folder / figure

    def found(self, result: Result) -> None:
        """Record a result and print it."""
        self.results.append(result)
        met = {True: "met", False: "NOT MET", None: ""}[result.met]
        print(
            f"  => {result.figure}: {result.value}  (reach {result.reach}; {result.reference})  {met}",
            flush=True,
        )
