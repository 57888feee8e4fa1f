"""What the tests of damaged spools share: spools of known readings, and all that becomes of these."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hortus.flow.gateway.readings import SensorReading
from hortus.flow.gateway.spool import open_keeper
from hortus.flow.gateway.spool_file import Arrival, SpoolDamage, SpooledReading, SpoolFile
from hortus.flow.gateway.spool_format import PAGE_BYTES, SPOOL_NAME
from hortus.flow.gateway.spool_keeper import SpoolKeeper
from hortus.flow.gateway.spool_log import log_of

MOST_BYTES = 1 << 30
NOW_MS = 1_800_000_000_000
BOARDS = 7


def arrivals(first: int, count: int) -> list[Arrival]:
    """Return distinguishable readings; every tenth is set aside."""
    return [
        Arrival(
            reading=SensorReading(
                sensor_id=number % BOARDS + 1,
                temperature=number / 8,
                humidity=float(number),
                light=None if number % 3 else 900.5,
            ),
            received_at_ms=NOW_MS + number * 1000,
            address=f"192.168.1.{number % BOARDS + 1}",
            set_aside=("unknown-sensor", f"Number {number}.") if number % 10 == 0 else None,
        )
        for number in range(first, first + count)
    ]


def keeper_of(directory: Path) -> SpoolKeeper:
    return open_keeper(directory, MOST_BYTES)


def all_readings(file: SpoolFile) -> dict[int, SpooledReading]:
    """Return what waits and what is set aside, by number."""
    aside = [each.spooled for each in file.list_set_aside(limit=100_000)]
    return {each.number: each for each in [*file.oldest_waiting(100_000), *aside]}


def make_spool(directory: Path, *, readings: int, delivered: int = 0) -> dict[int, SpooledReading]:
    """Make a spool that was closed properly; return what it holds. The first ones were delivered already."""
    keeper = keeper_of(directory)
    keeper.use(lambda file: file.append(arrivals(1, readings), Counter()))
    keeper.use(lambda file: file.forwarded(file.oldest_waiting(delivered)))
    held = keeper.use(all_readings)
    keeper.close()
    return held


def make_killed_spool(
    directory: Path, aside: Path, *, commits: int, readings: int
) -> dict[int, SpooledReading]:
    """Make a spool whose gateway was killed: its last transactions are in the log. Return what it holds."""
    aside.mkdir()
    keeper = keeper_of(aside)
    for commit in range(commits):
        batch = arrivals(commit * readings + 1, readings)
        keeper.use(lambda file, batch=batch: file.append(batch, Counter()))  # type: ignore[misc]
    held = keeper.use(all_readings)
    for path in aside.glob("gateway.*"):
        if not path.name.endswith("-shm"):
            shutil.copy(path, directory / path.name)
    keeper.close()
    assert log_of(directory / SPOOL_NAME).stat().st_size > 0
    return held


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """What a gateway makes of a spool at its start."""

    readings: dict[int, SpooledReading]
    damages: list[SpoolDamage]
    counters: dict[str, int]
    next_number: int = field(compare=False)


def start_and_look(directory: Path) -> Aftermath:
    """Start with the spool, take one more reading, stop; see that all is still there at the next start."""
    keeper = keeper_of(directory)
    found = keeper.use(all_readings)
    damages = keeper.use(lambda file: file.damages())
    counters = keeper.use(lambda file: file.counters())
    keeper.use(lambda file: file.append(arrivals(9_999, 1), Counter()))
    keeper.close()
    keeper = keeper_of(directory)
    again = keeper.use(all_readings)
    assert keeper.use(lambda file: file.damages()) == damages
    keeper.close()
    (new,) = set(again) - set(found)
    assert again == found | {new: again[new]}
    assert new == counters.get("stored", 0) + counters.get("skipped", 0) + 1
    return Aftermath(readings=found, damages=damages, counters=counters, next_number=new)


def assert_nothing_false(after: Aftermath, held: dict[int, SpooledReading]) -> None:
    """Assert that each reading is there as it was written, and that no id is given out twice."""
    assert after.next_number > max(held), "new readings would be taken for old ones"
    assert after.readings.items() <= held.items(), "a reading is not what was written"


def assert_accounted_for(after: Aftermath, held: dict[int, SpooledReading]) -> None:
    """Assert that each reading is there as it was written, or named as lost."""
    assert_nothing_false(after, held)
    missing = held.keys() - after.readings.keys()
    if missing:
        assert after.damages, f"nobody was told of {missing}"
        lost = [damage.lost for damage in after.damages]
        assert None in lost or sum(each or 0 for each in lost) == len(missing)


@contextlib.contextmanager
def copy_of(original: Path) -> Iterator[Path]:
    """Yield a copy of a spool's directory; it is gone afterwards."""
    copy = original.with_name(f"{original.name}-{random.getrandbits(64):x}")
    shutil.copytree(original, copy)
    try:
        yield copy
    finally:
        shutil.rmtree(copy)


def flip(path: Path, bits: list[int]) -> None:
    data = bytearray(path.read_bytes())
    for bit in bits:
        data[bit // 8 % len(data)] ^= 1 << bit % 8
    path.write_bytes(data)


def spoil_leaf(path: Path) -> None:
    """Overwrite where on a page of readings some of these begin."""
    data = bytearray(path.read_bytes())
    leaf = next(at for at in range(8 * PAGE_BYTES, len(data), PAGE_BYTES) if data[at] == 0x0D)
    data[leaf + 10 : leaf + 40] = b"\xff" * 30
    path.write_bytes(data)
