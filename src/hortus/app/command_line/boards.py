"""`hortus gateway …`: a gateway's spool, and the gateways that may deliver readings; `hortus board …`."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.app.command_line.database_access import (
    database_errors_in_words,
    open_ready_engine,
    open_url,
)
from hortus.app.command_line.terminal import DataDirOption, JsonOption, console, print_json, run
from hortus.base.database.engine import connector, open_engine
from hortus.base.errors import OperationalError, UsageError
from hortus.domain.kits.registry import KitRegistry
from hortus.flow.gateway.board_intake import BoardIntake
from hortus.flow.gateway.boards import (
    RegisteredBoard,
    adopt_board,
    forget_waiting_board,
    list_boards,
    list_waiting_boards,
    register_board,
)
from hortus.flow.gateway.errors import SpoolDamaged
from hortus.flow.gateway.gateways import add_gateway, gateway_id_of, list_gateways, remove_gateway
from hortus.flow.gateway.health import damage_document, in_words
from hortus.flow.gateway.settings import read_gateway_settings
from hortus.flow.gateway.spool import unused_spool
from hortus.flow.gateway.spool_file import SetAsideReading, SpoolFile
from hortus.flow.gateway.spool_format import SPOOL_NAME
from hortus.flow.gateway.tables import BoardRow
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.flow.migrations.revision import require_current

T = TypeVar("T")

app = typer.Typer(add_completion=False, help="The gateway for boards that can only do plain HTTP.")
set_aside_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Readings that the target refuses: list, retry, drop."
)
app.add_typer(set_aside_app, name="set-aside")
board_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Boards: list, adopt, add, forget.")

Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers of readings, as `list` shows them.")]
SensorOption = Annotated[
    int | None, typer.Option("--sensor", min=1, help="Only readings of this board (its sensor id).")
]
AllOption = Annotated[bool, typer.Option("--all", help="All readings that are set aside.")]
SpoolOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Data directory of a one-box installation. Without it: HORTUS_GATEWAY_SPOOL_DIR.",
        show_default=False,
    ),
]
SensorId = Annotated[int, typer.Argument(metavar="SENSOR", min=1, help="The number typed into the board.")]
NameOption = Annotated[str, typer.Option("--name", help="What people call it (1 to 40 characters).")]


# The spool of a gateway


@app.command()
def status(as_json: JsonOption = False, data_dir: SpoolOption = None) -> None:
    """Show what is queued in the gateway, what became of all readings, and when each board was last heard."""
    depth, counters, sensors, damages = _in_spool(
        data_dir, lambda file: (file.depth(), file.counters(), file.sensors(), file.damages())
    )
    oldest = None if depth.oldest_waiting_ms is None else _moment(depth.oldest_waiting_ms)
    if as_json:
        print_json(
            {
                "waiting": depth.waiting,
                "oldestWaiting": oldest,
                "setAside": depth.set_aside,
                "spoolBytes": depth.used_bytes,
                "counters": counters,
                "damages": [damage_document(each) for each in damages],
                "sensors": [
                    {
                        "sensorId": each.sensor_id,
                        "received": each.received,
                        "lastContact": _moment(each.last_contact_ms),
                        "address": each.address,
                    }
                    for each in sensors
                ],
            }
        )
        return
    for damage in damages:
        console.print(in_words(damage), style="bold red", markup=False)
    if damages:
        console.print(
            "Check this machine's disk and power supply. When you have seen to it: "
            "`hortus gateway damage-seen`."
        )
    console.print(f"Waiting:   {depth.waiting}" + (f", the oldest for {_age(oldest)}" if oldest else ""))
    console.print(f"Set aside: {depth.set_aside}")
    console.print(f"Spool:     {depth.used_bytes / 1024 / 1024:.1f} MiB")
    for name, count in counters.items():
        console.print(f"  {name:<32} {count}", markup=False)
    table = Table("Sensor id", "Readings", "Last heard", "From")
    for each in sensors:
        heard = f"{_age(_moment(each.last_contact_ms))} ago"
        table.add_row(str(each.sensor_id), str(each.received), heard, each.address)
    console.print(table if sensors else "No board has been heard yet.")


@app.command("damage-seen")
def damage_seen(data_dir: SpoolOption = None) -> None:
    """Confirm that you have seen that the spool was damaged; until then the gateway counts as unhealthy."""
    seen = _in_spool(data_dir, lambda file: file.note_damages_seen())
    console.print(f"Noted. Damages seen: {seen}. Damaged files stay until you delete them.")


@set_aside_app.command("list")
def list_set_aside(
    sensor: SensorOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many at most.")] = 50,
    as_json: JsonOption = False,
    data_dir: SpoolOption = None,
) -> None:
    """List readings that were set aside, newest first."""
    readings = _in_spool(data_dir, lambda file: file.list_set_aside(sensor_id=sensor, limit=limit))
    if as_json:
        print_json([_document(each) for each in readings])
        return
    table = Table("Number", "Sensor id", "Received", "Values", "Reason", "What is wrong")
    for each in readings:
        received = each.spooled.received
        values = ", ".join(f"{quantity} {value:g}" for quantity, value in received.reading.values())
        table.add_row(
            str(each.spooled.number),
            str(received.reading.sensor_id),
            f"{_moment(received.received_at_ms):%Y-%m-%d %H:%M:%S}",
            values,
            each.reason,
            each.detail,
        )
    console.print(table if readings else "Nothing is set aside.")


@set_aside_app.command()
def retry(
    numbers: Numbers = None,
    sensor: SensorOption = None,
    everything: AllOption = False,
    data_dir: SpoolOption = None,
) -> None:
    """Queue readings for their target again, after the cause has been fixed."""
    _require_choice(numbers, sensor, everything)
    retried = _in_spool(data_dir, lambda file: file.retry(numbers, sensor))
    console.print(f"{retried} wait for their target again.")


@set_aside_app.command()
def drop(
    numbers: Numbers = None,
    sensor: SensorOption = None,
    everything: AllOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: SpoolOption = None,
) -> None:
    """Delete readings permanently."""
    _require_choice(numbers, sensor, everything)
    if not yes:
        typer.confirm("Delete these readings permanently?", abort=True)
    dropped = _in_spool(data_dir, lambda file: file.drop(numbers, sensor))
    console.print(f"Dropped {dropped}.")


# Gateways of this installation


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What people call the gateway (1 to 40 characters).")],
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Let another gateway deliver readings to this installation. Its token is printed only this once."""

    async def work() -> str:
        async with open_ready_engine(data_dir) as engine, engine.begin() as connection:
            return await add_gateway(connection, name)

    token = run(work())
    if as_json:
        print_json({"name": name, "token": token})
    else:
        console.print(token, markup=False, soft_wrap=True)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The gateway's name.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Stop accepting readings from a gateway. Its boards stay; its readings of unnamed boards are deleted."""
    if not yes:
        typer.confirm(f"Remove {name}, with its readings of unnamed boards?", abort=True)

    async def work() -> None:
        async with open_ready_engine(data_dir) as engine, engine.begin() as connection:
            await remove_gateway(connection, name)

    run(work())
    console.print(f"Removed {name}.", markup=False)


@app.command("list")
def list_command(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List the gateways that deliver readings to this installation."""

    async def work() -> None:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            gateways = await list_gateways(connection)
        if as_json:
            print_json(
                [
                    {
                        "name": each.name,
                        "boards": each.boards,
                        "lastContact": each.last_contact_at,
                        "droppedReadings": each.dropped_readings,
                    }
                    for each in gateways
                ]
            )
            return
        table = Table("Name", "Boards", "Last heard", "Readings dropped")
        for each in gateways:
            dropped = str(each.dropped_readings)
            table.add_row(each.name, str(each.boards), _ago(each.last_contact_at), dropped)
        console.print(table if gateways else "No gateways yet. `hortus gateway add NAME` makes one.")

    run(work())


# Boards of this installation


@board_app.command("list")
def list_boards_command(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List boards, whether they are silent, and those that were heard but have no name yet."""

    async def work() -> None:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            boards = await list_boards(connection, datetime.now(UTC))
            waiting = await list_waiting_boards(connection)
        if as_json:
            print_json({"boards": boards, "waiting": waiting})
            return
        table = Table("Sensor id", "Serial", "Name", "Gateway", "Last heard", "From", "State")
        for each in boards:
            state = "silent" if each.silent_since else "ok"
            table.add_row(
                *(str(each.sensor_id), each.serial, each.name or "", each.gateway or "–"),
                *(_ago(each.last_contact_at), each.last_address or "", state),
            )
        console.print(table if boards else "No boards yet.")
        if waiting:
            unnamed = Table("Sensor id", "Gateway", "Last heard", "From", "Kept", "Dropped")
            for each_waiting in waiting:
                unnamed.add_row(
                    *(str(each_waiting.sensor_id), each_waiting.gateway, _ago(each_waiting.last_contact_at)),
                    *(each_waiting.last_address or "", str(each_waiting.kept), str(each_waiting.dropped)),
                )
            console.print("Heard, and waiting for a name (`hortus board adopt SENSOR --name NAME`):")
            console.print(unnamed)

    run(work())


@board_app.command()
def adopt(
    sensor: SensorId,
    name: NameOption,
    gateway: Annotated[
        str | None, typer.Option("--gateway", help="Which one, if several gateways heard this number.")
    ] = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Name a board that was heard: it becomes a kit, and the readings kept so far are stored."""

    async def work() -> tuple[RegisteredBoard, int]:
        async with open_url(data_dir) as url, open_engine(url) as engine:
            with database_errors_in_words(url):
                await require_current(engine)
                async with engine.begin() as connection:
                    board = await adopt_board(connection, sensor, name=name, gateway=gateway)
                    gateway_id = await connection.scalar(
                        select(BoardRow.gateway_id).where(BoardRow.sensor_id == sensor)
                    )
            assert gateway_id is not None
            pipeline = IngestPipeline(connector(url, "hortus board adopt"), KitRegistry())
            return board, await _release(engine, pipeline, gateway_id, sensor)

    board, released = run(work())
    _tell_board(board, as_json, released)


@board_app.command("add")
def add_board(
    name: NameOption,
    sensor: Annotated[
        int | None, typer.Option("--sensor", min=1, help="Its number; the next free one if not given.")
    ] = None,
    gateway: Annotated[
        str | None,
        typer.Option("--gateway", help="Through which it comes; the first that brings it, if not given."),
    ] = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Register a board in advance, and print the number to type into it."""

    async def work() -> RegisteredBoard:
        async with open_ready_engine(data_dir) as engine, engine.begin() as connection:
            gateway_id = None if gateway is None else await gateway_id_of(connection, gateway)
            return await register_board(connection, name=name, sensor_id=sensor, gateway_id=gateway_id)

    _tell_board(run(work()), as_json, 0)


@board_app.command()
def forget(
    sensor: SensorId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Delete the readings kept of an unnamed board. It reappears when it is heard again."""
    if not yes:
        typer.confirm(f"Delete the readings kept of sensor {sensor}?", abort=True)

    async def work() -> int:
        async with open_ready_engine(data_dir) as engine, engine.begin() as connection:
            return await forget_waiting_board(connection, sensor)

    console.print(f"Forgot {run(work())} readings.")


async def _release(engine: AsyncEngine, pipeline: IngestPipeline, gateway_id: int, sensor: int) -> int:
    async with asyncio.TaskGroup() as group:
        group.create_task(pipeline.run())
        try:
            return await BoardIntake(engine, pipeline).release(gateway_id, sensor)
        finally:
            await pipeline.stop(timeout_seconds=5)


def _tell_board(board: RegisteredBoard, as_json: bool, released: int) -> None:
    if as_json:
        print_json({"sensorId": board.sensor_id, "serial": board.serial, "readings": released})
        return
    console.print(f"Sensor id: {board.sensor_id}   (the number to type into the board)")
    console.print(f"Serial:    {board.serial}", markup=False)
    if released:
        console.print(f"{released} readings that were kept are stored now.")


def _in_spool(data_dir: Path | None, function: Callable[[SpoolFile], T]) -> T:
    settings = read_gateway_settings()
    directory = settings.gateway_spool_dir if data_dir is None else data_dir / "spool"
    if not directory.is_dir() or not any(directory.glob("gateway.*")):
        raise UsageError(
            f"No gateway has run with {directory}. Name its directory with --data-dir or "
            "HORTUS_GATEWAY_SPOOL_DIR."
        )
    most_bytes = settings.spool_limits().most_bytes
    path = directory / SPOOL_NAME
    try:
        with unused_spool(directory, most_bytes) as keeper:
            if keeper is not None:
                return keeper.use(function)
        with contextlib.closing(SpoolFile.open(path, most_bytes=most_bytes)) as file:
            return function(file)
    except OSError as error:
        raise OperationalError(f"The spool {path} cannot be read: {error.strerror}.") from error
    except (sqlite3.Error, SpoolDamaged) as error:
        raise OperationalError(
            f"The spool {path} cannot be read: {error}. The gateway that uses it repairs what is damaged; its "
            "/healthz says what became of it."
        ) from error


def _require_choice(numbers: Sequence[int] | None, sensor: int | None, everything: bool) -> None:
    if not (numbers or sensor or everything):
        raise UsageError("Select readings: their numbers, --sensor, or --all.")


def _document(each: SetAsideReading) -> dict[str, Any]:
    received = each.spooled.received
    return {
        "number": each.spooled.number,
        "id": str(received.id),
        "sensorId": received.reading.sensor_id,
        "receivedAt": _moment(received.received_at_ms),
        "address": received.address,
        "values": {str(quantity): value for quantity, value in received.reading.values()},
        "reason": each.reason,
        "detail": each.detail,
    }


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _ago(moment: datetime | None) -> str:
    return "never" if moment is None else f"{_age(moment)} ago"


def _age(moment: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
