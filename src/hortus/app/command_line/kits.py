"""`hortus kit`: creating, listing and deleting kits. `hortus kit configurations` is kit_configurations.py."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Column, Table

from hortus.app.command_line import kit_configurations
from hortus.app.command_line.ages import ago
from hortus.app.command_line.database_access import open_ready_engine
from hortus.app.command_line.terminal import DataDirOption, JsonOption, console, print_json, run
from hortus.base.errors import UsageError
from hortus.base.settings import read_settings
from hortus.base.text import require_name
from hortus.domain.administration.people import person_named
from hortus.domain.kits.members import add_member
from hortus.domain.kits.store import (
    CreatedKit,
    CreatedPeripheral,
    KitStore,
    NewKit,
    add_standard_configuration,
    kit_id_of,
    list_kits,
)
from hortus.domain.presence.judgement import PresenceState
from hortus.domain.presence.store import read_presences
from hortus.flow.broker.account_changes import account_changes
from hortus.flow.commands.store import Command, list_commands
from hortus.http.documents.commands import command_object

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Kits: make, list, give a new password, delete."
)

app.add_typer(kit_configurations.app, name="configurations")

Serial = Annotated[str, typer.Argument(help="The kit's serial, for example k-3b4c-6d7f-8g9h.")]

_LONGEST_NAME = 40


@app.command()
def create(
    name: Annotated[str, typer.Option("--name", help="What people call the kit (1 to 40 characters).")],
    standard: Annotated[
        bool,
        typer.Option(
            "--standard",
            help="With an active configuration: virtual temperature, pressure and humidity sensors.",
        ),
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Whether everybody may see its readings, without logging in.")
    ] = False,
    owner: Annotated[
        str | None,
        typer.Option("--owner", help="User name of a person who becomes its first member and manages it."),
    ] = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Create a kit and print its serial and password. The password is shown only this once."""
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise UsageError(f"A kit's name has 1 to {_LONGEST_NAME} characters; this one has {len(name)}.")
    require_name("A kit's name", name)

    async def work() -> tuple[CreatedKit, list[CreatedPeripheral]]:
        settings = read_settings()
        store = KitStore(account_changes(settings))
        async with open_ready_engine(data_dir, settings) as engine, engine.begin() as connection:
            person = None if owner is None else await person_named(connection, owner)
            kit = await store.create(connection, NewKit(name=name, public_dashboard=public))
            if person is not None:
                await add_member(
                    connection,
                    kit.id,
                    person.id,
                    access_super=True,
                    access_configure=True,
                    now=datetime.now(UTC),
                )
            peripherals = await add_standard_configuration(connection, kit.id) if standard else []
            return kit, peripherals

    kit, peripherals = run(work())
    if as_json:
        print_json(
            {
                "serial": kit.serial,
                "password": kit.password,
                "peripherals": [
                    {"id": each.id, "name": each.name, "quantityTypes": each.quantity_types}
                    for each in peripherals
                ],
            }
        )
        return
    console.print(f"Serial:   {kit.serial}", markup=False)
    console.print(f"Password: {kit.password}", markup=False)
    console.print("Write the password into the kit's configuration now; it cannot be shown again.")


@app.command("list")
def list_command(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List all kits with their presence and the time of their last reading."""

    async def work() -> None:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            kits = await list_kits(connection)
            presences = await read_presences(connection, datetime.now(UTC), [kit.id for kit in kits])
        if as_json:
            print_json(
                [
                    {
                        "serial": kit.serial,
                        "name": kit.name,
                        "lastSeen": kit.last_seen,
                        "presence": presences[kit.id].judgement.state,
                        "peripherals": kit.peripherals,
                    }
                    for kit in kits
                ]
            )
            return
        table = Table(Column("Serial", no_wrap=True), "Name", "Peripherals", "Is", "Last seen")
        for kit in kits:
            state = presences[kit.id].judgement.state
            is_there = "never seen" if state is PresenceState.NEVER else str(state)
            table.add_row(kit.serial, kit.name or "", str(kit.peripherals), is_there, ago(kit.last_seen))
        console.print(table if kits else "No kits yet. `hortus kit create --name NAME` makes one.")

    run(work())


@app.command()
def commands(
    serial: Serial,
    most: Annotated[int, typer.Option("--most", min=1, max=1000, help="How many, from the newest.")] = 20,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Show the commands sent to a kit: who asked what and when, the answer, and how long it took."""

    async def work() -> list[Command]:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            return await list_commands(connection, await kit_id_of(connection, serial), before=None, most=most)

    found = run(work())
    if as_json:
        print_json([command_object(command) for command in found])
        return
    table = Table("Id", "Asked", "By", "What", "Outcome", "Took")
    for command in found:
        table.add_row(
            str(command.id),
            ago(command.requested_at),
            command.asked_by or "a deleted account",
            _question(command),
            _outcome(command),
            _duration(command),
        )
    console.print(table if found else "Nobody has sent this kit a command.")


def _question(command: Command) -> str:
    question = command.question
    return f"{question.peripheral} {question.command_json}" if question.peripheral else str(question.method)


def _outcome(command: Command) -> str:
    if command.error is not None:
        late = ", answered too late" if command.late_answer_at else ""
        return f"{command.error}{late}"
    if command.result_media_type is None:
        return str(command.state)
    return command.result_text or f"{command.result_media_type}, {command.result_bytes} bytes"


def _duration(command: Command) -> str:
    if command.sent_at is None or command.finished_at is None:
        return ""
    return f"{(command.finished_at - command.sent_at).total_seconds():.2f} s"


@app.command()
def password(serial: Serial, as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """Give a kit a new password and print it. The old one stops working, and an open connection is closed."""

    async def work() -> str:
        settings = read_settings()
        async with open_ready_engine(data_dir, settings) as engine, engine.begin() as connection:
            return await KitStore(account_changes(settings)).set_password(connection, serial)

    new_password = run(work())
    if as_json:
        print_json({"serial": serial, "password": new_password})
    else:
        console.print(new_password, markup=False)


@app.command()
def delete(
    serial: Serial,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Delete a kit and all its readings, also those of deleted configurations. This cannot be undone."""
    if not yes:
        typer.confirm(f"Delete {serial} and all its readings for good?", abort=True)

    async def work() -> None:
        settings = read_settings()
        async with open_ready_engine(data_dir, settings) as engine, engine.begin() as connection:
            await KitStore(account_changes(settings)).delete(connection, serial)

    run(work())
    console.print(f"Deleted {serial}.", markup=False)
