"""`hortus export`: the file appears only once it is complete."""

from __future__ import annotations

import asyncio
import csv
import signal
import subprocess
import sys
import zipfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import asyncpg
import orjson
import pyarrow.parquet
import pytest
from click.testing import Result
from typer.testing import CliRunner

from hortus.app.command_line.main import app
from hortus.base.errors import HortusError
from hortus.flow.export.file import FileExists
from hortus.flow.export.source import ExportFailed
from ingest_world import World
from programs import environment
from waiting import PATIENCE_SECONDS

START_MS = 1_768_000_000_000


@pytest.fixture
async def ids(world: World) -> list[str]:
    """Store some readings; return their ids, in order."""
    for number in range(5):
        await world.send(world.raw(datetime_ms=START_MS + number * 1000, value=number - 2.5))
    rows = await world.connection.fetch("SELECT id FROM raw_measurements ORDER BY datetime")
    return [str(row["id"]) for row in rows]


async def export(monkeypatch: pytest.MonkeyPatch, world: World, *arguments: object) -> Result:
    """Run the command in this process; starting a process takes longer than all its work."""
    monkeypatch.setenv("DATABASE_URL", world.url)
    names = ["export", *map(str, arguments)]
    return await asyncio.to_thread(CliRunner().invoke, app, names)


Export = Callable[..., Awaitable[Result]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, world: World) -> Export:
    return partial(export, monkeypatch, world)


async def test_all_formats_are_written(run: Export, world: World, ids: list[str], tmp_path: Path) -> None:
    for form in ("csv", "ndjson", "parquet", "zip"):
        done = await run(world.kit.serial, "--format", form, "--output", tmp_path / f"all.{form}")
        assert (done.exit_code, done.stdout) == (0, ""), done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "all.csv",
        "all.ndjson",
        "all.parquet",
        "all.zip",
    ]
    with (tmp_path / "all.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ids
    lines = (tmp_path / "all.ndjson").read_bytes().splitlines()
    assert [orjson.loads(line)["id"] for line in lines] == ids
    table = pyarrow.parquet.read_table(tmp_path / "all.parquet")
    assert table.column("id").to_pylist() == ids
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert len(archive.read("raw_measurements.csv").splitlines()) == 6


async def test_a_part_goes_to_standard_output(run: Export, world: World, ids: list[str]) -> None:
    begins, ends = ("2026-01-09T23:06:41Z", "2026-01-09T23:06:44Z")
    done = await run(world.kit.serial, "--format", "ndjson", "--from", begins, "--to", ends, "--output", "-")
    assert done.exit_code == 0, done.output
    assert [orjson.loads(line)["id"] for line in done.stdout.splitlines()] == ids[1:4]
    nothing = await run(world.kit.serial, "--data", "aggregate", "--from", "2027-01-01", "--output", "-")
    assert nothing.stdout.count("\n") == 1


async def test_csv_can_be_that_of_a_spreadsheet_with_decimal_commas_and_local_times(
    run: Export, world: World, ids: list[str]
) -> None:
    wanted = ("--sheet", "semicolon", "--local", "Asia/Kathmandu", "--output", "-")
    done = await run(world.kit.serial, *wanted)
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(done.stdout.removeprefix("\ufeff").splitlines(), delimiter=";"))
    assert [row["id"] for row in rows] == ids
    first = {name: rows[0][name] for name in ("datetime", "datetimeLocal", "datetimeOffset", "value")}
    assert first == {
        "datetime": "2026-01-09 23:06:40",
        "datetimeLocal": "2026-01-10 04:51:40",
        "datetimeOffset": "UTC+05:45",
        "value": "-2,5",
    }
    refused = await run(world.kit.serial, "--format", "ndjson", *wanted)
    assert str(refused.exception) == "--sheet and --local are for --format csv."
    unknown = await run(world.kit.serial, "--local", "Europe/Amsterdem")
    assert unknown.exit_code == 2
    assert "There is no time zone of this name" in unknown.output


async def test_a_file_that_exists_is_kept_unless_told_otherwise(
    run: Export, world: World, ids: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "november.csv"
    path.write_text("precious")
    refused = await run(world.kit.serial, "--output", path)
    assert isinstance(refused.exception, FileExists)
    assert "--force" in str(refused.exception)
    assert path.read_text() == "precious"
    done = await run(world.kit.serial, "--output", path, "--force")
    assert done.exit_code == 0, done.output
    assert f"Wrote {path}: 5 rows" in done.stderr
    assert len(path.read_text().splitlines()) == 6
    assert [each.name for each in tmp_path.iterdir()] == ["november.csv"]


async def test_errors_are_reported_in_one_sentence(run: Export, world: World, tmp_path: Path) -> None:
    serial = world.kit.serial
    for arguments, sentence in (
        (["k-none"], "There is no kit with the serial k-none"),
        ([serial, "--from", "2026-02-01", "--to", "2026-01-01"], "--from lies after --to"),
        ([serial, "--from", "yesterday"], "a time looks like"),
        ([serial, "--format", "zip", "--peripheral", "1"], "choose another --format"),
        ([serial, "--output", tmp_path], "is a directory"),
        ([serial, "--output", tmp_path / "none" / "x.csv"], "cannot be written: No such file"),
    ):
        done = await run(*arguments)
        said = str(done.exception) if isinstance(done.exception, HortusError) else done.stderr
        assert sentence in " ".join(said.replace("│", "").split()), said
    assert list(tmp_path.iterdir()) == []


async def backend(url: str) -> int:
    """Wait until the command reads from the database, and return its server process."""
    looking = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = await looking.fetchval(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
                    "AND application_name = 'hortus export' AND wait_event_type = 'Lock'"
                )
                if found:
                    return int(found)
                await asyncio.sleep(0.02)
    finally:
        await looking.close()


async def test_an_interrupted_command_leaves_no_file(world: World, ids: list[str], tmp_path: Path) -> None:
    async with world.connection.transaction():
        await world.connection.execute("LOCK TABLE raw_measurements IN ACCESS EXCLUSIVE MODE")
        process = subprocess.Popen(
            [sys.executable, "-m", "hortus", "export", world.kit.serial, "--output", str(tmp_path / "x.csv")],
            env=environment(DATABASE_URL=world.url),
            stderr=subprocess.PIPE,
            # Where tests run in the background, SIGINT is ignored, and programs would inherit that.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        try:
            await backend(world.url)
            assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
            process.send_signal(signal.SIGINT)
            await asyncio.to_thread(process.communicate, timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
            process.wait(PATIENCE_SECONDS)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


async def test_a_failing_database_leaves_no_file(
    run: Export, world: World, ids: list[str], tmp_path: Path
) -> None:
    async with world.connection.transaction():
        await world.connection.execute("LOCK TABLE raw_measurements IN ACCESS EXCLUSIVE MODE")
        running = asyncio.create_task(run(world.kit.serial, "--output", tmp_path / "x.csv"))
        await world.connection.execute("SELECT pg_terminate_backend($1)", await backend(world.url))
        done = await running
    assert isinstance(done.exception, ExportFailed)
    assert "stopped answering before everything was read" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
