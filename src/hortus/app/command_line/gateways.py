"""`hortus gateway …`: a gateway's spool, and the gateways that may deliver readings."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.table import Table

from hortus.app.command_line.ages import age, ago
from hortus.app.command_line.database_access import (
    open_ready_engine,
)
from hortus.app.command_line.spools import (
    as_documents,
    spool_directory,
    tell_of_unnumbered,
    unnumbered_boards,
)
from hortus.app.command_line.terminal import DataDirOption, JsonOption, console, print_json, run
from hortus.base.errors import OperationalError, UsageError
from hortus.flow.gateway.errors import SpoolDamaged
from hortus.flow.gateway.gateways import add_gateway, list_gateways, remove_gateway
from hortus.flow.gateway.health import damage_document, in_words
from hortus.flow.gateway.settings import read_gateway_settings
from hortus.flow.gateway.spool import unused_spool
from hortus.flow.gateway.spool_file import SetAsideReading, SpoolFile
from hortus.flow.gateway.spool_format import SPOOL_NAME

T = TypeVar("T")

app = typer.Typer(add_completion=False, help="The gateway for boards that can only do plain HTTP.")
set_aside_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Readings that the target refuses: list, retry, drop."
)
app.add_typer(set_aside_app, name="set-aside")

Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers of readings, as `list` shows them.")]
SensorOption = Annotated[
    int | None, typer.Option("--sensor", min=1, help="Only readings of this board (its sensor id).")
]
AllOption = Annotated[bool, typer.Option("--all", help="All readings that are set aside.")]
SpoolOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Data directory of a one-box installation. Without it: HORTUS_GATEWAY_SPOOL_DIR, else "
        "HORTUS_DATA_DIR, else ./hortus-data or ./hortus-gateway.",
        show_default=False,
    ),
]


# The spool of a gateway


@app.command()
def status(as_json: JsonOption = False, data_dir: SpoolOption = None) -> None:
    """Show what is queued in the gateway, what became of all readings, and when each board was last heard."""
    depth, counters, sensors, damages = _in_spool(
        data_dir, lambda file: (file.depth(), file.counters(), file.sensors(), file.damages())
    )
    unnumbered = unnumbered_boards(data_dir)
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
                "withoutId": as_documents(unnumbered),
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
    console.print(f"Waiting:   {depth.waiting}" + (f", the oldest for {age(oldest)}" if oldest else ""))
    console.print(f"Set aside: {depth.set_aside}")
    console.print(f"Spool:     {depth.used_bytes / 1024 / 1024:.1f} MiB")
    for name, count in counters.items():
        console.print(f"  {name:<32} {count}", markup=False)
    table = Table("Sensor id", "Readings", "Last heard", "From")
    for each in sensors:
        heard = f"{age(_moment(each.last_contact_ms))} ago"
        table.add_row(str(each.sensor_id), str(each.received), heard, each.address)
    if sensors:
        console.print(table)
        console.print(
            "`hortus board list` says which of them have no name yet; `hortus board adopt SENSOR --name NAME` "
            "gives one."
        )
    else:
        console.print("No board with a sensor id has been heard yet.")
    tell_of_unnumbered(unnumbered)


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
            table.add_row(each.name, str(each.boards), ago(each.last_contact_at), dropped)
        console.print(table if gateways else "No gateways yet. `hortus gateway add NAME` makes one.")

    run(work())


def _in_spool(data_dir: Path | None, function: Callable[[SpoolFile], T]) -> T:
    settings = read_gateway_settings()
    directory = spool_directory(data_dir, settings)
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
