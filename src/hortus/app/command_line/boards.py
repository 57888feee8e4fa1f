"""`hortus board …`: the boards of this installation."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.app.command_line.ages import ago
from hortus.app.command_line.database_access import (
    database_errors_in_words,
    open_ready_engine,
    open_url,
)
from hortus.app.command_line.spools import as_documents, tell_of_unnumbered, unnumbered_boards
from hortus.app.command_line.terminal import DataDirOption, JsonOption, console, print_json, run
from hortus.base.database.engine import connector, open_engine
from hortus.domain.accounts.profiles import Profile
from hortus.domain.administration.people import person_named
from hortus.domain.kits.registry import KitRegistry
from hortus.flow.gateway.board_intake import BoardIntake
from hortus.flow.gateway.boards import (
    RegisteredBoard,
    adopt_board,
    forget_waiting_board,
    give_board,
    list_boards,
    list_waiting_boards,
    register_board,
)
from hortus.flow.gateway.gateways import gateway_id_of
from hortus.flow.gateway.tables import BoardRow
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.flow.migrations.revision import require_current

board_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Boards: list, adopt, add, forget.")

SensorId = Annotated[int, typer.Argument(metavar="SENSOR", help="The number typed into the board.")]
OwnerOption = Annotated[
    str | None,
    typer.Option("--owner", help="User name of the person whose sensor it is; it appears in their list."),
]
NameOption = Annotated[str, typer.Option("--name", help="What people call it (1 to 40 characters).")]


@board_app.command("list")
def list_boards_command(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List boards, whether they are silent, and those that were heard but have no name yet."""

    async def work() -> None:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            boards = await list_boards(connection, datetime.now(UTC))
            waiting = await list_waiting_boards(connection)
        unnumbered = unnumbered_boards(data_dir)
        if as_json:
            print_json({"boards": boards, "waiting": waiting, "withoutId": as_documents(unnumbered)})
            return
        table = Table("Sensor id", "Serial", "Name", "Owner", "Gateway", "Last heard", "From", "State")
        for each in boards:
            state = "silent" if each.silent_since else "ok"
            table.add_row(
                *(str(each.sensor_id), each.serial, each.name or "", each.owner or "–"),
                *(each.gateway or "–",),
                *(ago(each.last_contact_at), each.last_address or "", state),
            )
        console.print(table if boards else "No boards yet.")
        if waiting:
            unnamed = Table("Sensor id", "Gateway", "Last heard", "From", "Kept", "Dropped")
            for each_waiting in waiting:
                unnamed.add_row(
                    *(str(each_waiting.sensor_id), each_waiting.gateway, ago(each_waiting.last_contact_at)),
                    *(each_waiting.last_address or "", str(each_waiting.kept), str(each_waiting.dropped)),
                )
            console.print("Heard, and waiting for a name (`hortus board adopt SENSOR --name NAME`):")
            console.print(unnamed)
        tell_of_unnumbered(unnumbered)

    run(work())


@board_app.command()
def adopt(
    sensor: SensorId,
    name: NameOption,
    gateway: Annotated[
        str | None, typer.Option("--gateway", help="Which one, if several gateways heard this number.")
    ] = None,
    owner: OwnerOption = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Name a board that was heard: it becomes a kit, and the readings kept so far are stored."""

    async def work() -> tuple[RegisteredBoard, int]:
        async with open_url(data_dir) as url, open_engine(url) as engine:
            with database_errors_in_words(url):
                await require_current(engine)
                async with engine.begin() as connection:
                    person = None if owner is None else await person_named(connection, owner)
                    board = await adopt_board(connection, sensor, name=name, gateway=gateway)
                    await _give(connection, board, person)
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
        int | None, typer.Option("--sensor", help="Its number; the next free one if not given.")
    ] = None,
    gateway: Annotated[
        str | None,
        typer.Option("--gateway", help="Through which it comes; the first that brings it, if not given."),
    ] = None,
    owner: OwnerOption = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Register a board in advance, and print the number to type into it."""

    async def work() -> RegisteredBoard:
        async with open_ready_engine(data_dir) as engine, engine.begin() as connection:
            person = None if owner is None else await person_named(connection, owner)
            gateway_id = None if gateway is None else await gateway_id_of(connection, gateway)
            board = await register_board(connection, name=name, sensor_id=sensor, gateway_id=gateway_id)
            await _give(connection, board, person)
            return board

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


async def _give(connection: AsyncConnection, board: RegisteredBoard, person: Profile | None) -> None:
    if person is not None:
        await give_board(connection, board.sensor_id, person.id, datetime.now(UTC))


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
