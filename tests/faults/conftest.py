"""How fault runs are asked for, and what they report.

pytest tests/faults --fault-minutes 10 --fault-seed 7
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from fault_many_boxes import ManyBoxes
from fault_one_box import OneBox
from fault_readings import Account
from fault_run import REPORTS, Plan

_SEED = 20261122


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--fault-minutes", type=float, default=0.0, help="how long the fault runs take together")
    group.addoption("--fault-seed", type=int, default=_SEED, help="decides when which fault happens")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seconds = config.getoption("--fault-minutes", 0.0) * 60
    runs = [item for item in items if "plan" in getattr(item, "fixturenames", ())]
    for item in runs:
        item.stash[_SHARE] = seconds / len(runs)
        if seconds:
            item.add_marker(pytest.mark.timeout(item.stash[_SHARE] + 300))


_SHARE = pytest.StashKey[float]()


@pytest.fixture
def plan(request: pytest.FixtureRequest) -> Iterator[Plan]:
    """What this run is to do; what came of it is told at the end of all tests."""
    before = len(REPORTS)
    yield Plan(
        seed=request.config.getoption("--fault-seed", _SEED),
        seconds=request.node.stash[_SHARE],
    )
    for report in REPORTS[before:]:
        request.node.user_properties += [("fault run", line) for line in report.lines()]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def prepared_box(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Account]]:
    """A data directory of `hortus up` with kits, and the kits; to be copied."""
    directory = tmp_path_factory.mktemp("one-box") / "data"
    return directory, await OneBox.prepare(directory)


@pytest.fixture
async def one_box(prepared_box: tuple[Path, list[Account]], tmp_path: Path) -> AsyncIterator[OneBox]:
    """A running `hortus up`."""
    directory, accounts = prepared_box
    box = OneBox.on_copy_of(directory, tmp_path / "data", accounts)
    try:
        await box.start()
        yield box
        await box.stop()
    finally:
        box.clean_up()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def prepared_database(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Account]]:
    """The directory of a PostgreSQL with schema and kits, and the kits; to be copied."""
    directory = tmp_path_factory.mktemp("many-boxes") / "postgres"
    return directory, await ManyBoxes.prepare(directory)


@pytest.fixture
async def many_boxes(prepared_database: tuple[Path, list[Account]], tmp_path: Path) -> AsyncIterator[ManyBoxes]:
    """A running Mosquitto, two ingesters and a PostgreSQL."""
    directory, accounts = prepared_database
    boxes = ManyBoxes.on_copy_of(directory, tmp_path / "boxes", accounts)
    try:
        await boxes.start()
        yield boxes
        await boxes.stop()
    finally:
        await boxes.clean_up()
