"""`hortus user …`: the accounts of people."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from hortus.app.command_line.ages import ago
from hortus.app.command_line.database_access import open_ready_engine
from hortus.app.command_line.terminal import (
    DataDirOption,
    JsonOption,
    console,
    messages,
    print_json,
    run,
)
from hortus.base.errors import UsageError
from hortus.base.settings import Settings, read_settings
from hortus.domain.accounts.administrators import (
    has_administrator,
    is_last_administrator,
    set_administrator,
)
from hortus.domain.accounts.passwords import Passwords, generate_password
from hortus.domain.accounts.rules import broken_by_password
from hortus.domain.accounts.store import create_user, set_password
from hortus.domain.administration.people import person_named
from hortus.domain.kits.people import ListedPerson, list_people
from hortus.domain.plants.account_deletion import Departure, delete_account, what_deletion_costs

user_app = typer.Typer(
    help="Accounts of people: create, list, set passwords, make administrators, delete.",
    no_args_is_help=True,
    add_completion=False,
)

Username = Annotated[str, typer.Argument(help="The user's name.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_GENERATE = typer.Option(False, "--generate-password", help="Make a random password and print it once.")


@user_app.command("create")
def create_command(
    username: str = typer.Argument(help="Letters, digits and -, at most 40."),
    email: str = typer.Option(..., "--email", help="E-mail address of the person."),
    admin: bool = typer.Option(False, "--admin", help="Let this person see and do everything."),
    generate: bool = _GENERATE,
    data_dir: DataDirOption = None,
) -> None:
    """Create an account for a person. The password is prompted for, unless it is generated."""
    settings = read_settings()
    password = _choose_password(generate, data_dir, settings)
    run(
        create_user_from_command_line(
            data_dir, settings, username=username, email=email, password=password, is_admin=admin
        )
    )
    typer.echo(f"{'Administrator' if admin else 'User'} {username.lower()} can log in now.")
    _print_generated(generate, password)


@user_app.command("password")
def password_command(
    username: str = typer.Argument(help="The user's name."),
    generate: bool = _GENERATE,
    data_dir: DataDirOption = None,
) -> None:
    """Give a person a new password. All their log-ins end."""
    settings = read_settings()
    password = _choose_password(generate, data_dir, settings)
    run(set_password_from_command_line(data_dir, settings, username=username, password=password))
    typer.echo(f"{username.lower()} has a new password.")
    _print_generated(generate, password)


@user_app.command("list")
def list_command(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List the people with an account, and when each was last seen."""

    async def work() -> list[ListedPerson]:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            return await list_people(connection)

    people = run(work())
    if as_json:
        print_json(
            [
                {
                    "username": each.username,
                    "emailAddress": each.email_address,
                    "isAdmin": each.is_admin,
                    "kits": each.kits,
                    "created": each.created_at,
                    "lastSeen": each.last_seen,
                }
                for each in people
            ]
        )
        return
    table = Table("Name", "E-mail", "Administrator", "Kits", "Created", "Last seen")
    for each in people:
        last_seen = "–" if each.last_seen is None else ago(each.last_seen)
        table.add_row(
            *(each.username, each.email_address, "yes" if each.is_admin else "", str(each.kits)),
            *(f"{each.created_at:%Y-%m-%d}", last_seen),
        )
    console.print(table if people else "No accounts yet. `hortus user create NAME --email ADDRESS` makes one.")


@user_app.command("admin")
def admin_command(
    username: Username,
    grant: Annotated[
        bool, typer.Option("--grant/--revoke", help="Make the person an administrator, or an ordinary user.")
    ],
    yes: YesOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Make a person an administrator, who sees and does everything, or take that away."""

    async def ask() -> None:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            person = await person_named(connection, username)
            is_last = not grant and await is_last_administrator(connection, person.id)
        if is_last:
            console.print(f"{person.username} is the only administrator.")
            typer.confirm("Leave this server without an administrator?", abort=True)

    async def work() -> tuple[bool, bool]:
        async with open_ready_engine(data_dir) as engine, engine.begin() as connection:
            person = await person_named(connection, username)
            has_changed = await set_administrator(connection, person.id, is_admin=grant)
            return has_changed, await has_administrator(connection)

    if not yes:
        run(ask())
    has_changed, is_any_left = run(work())
    now = "now" if has_changed else "already"
    console.print(f"{username.lower()} is {now} {'an administrator' if grant else 'an ordinary user'}.")
    _tell_if_no_administrator(is_any_left)


@user_app.command("delete")
def delete_command(username: Username, yes: YesOption = False, data_dir: DataDirOption = None) -> None:
    """Delete a person's account. This cannot be undone."""

    async def ask() -> None:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            person = await person_named(connection, username)
            costs = await what_deletion_costs(connection, person.id)
            is_last = await is_last_administrator(connection, person.id)
        _tell_consequences(costs)
        if is_last:
            console.print(f"{person.username} is the only administrator.", style="bold")
        typed = typer.prompt(f"Type the name {person.username} to delete the account for good")
        if typed.strip().lower() != person.username:
            raise UsageError("That is another name; nothing was deleted.")

    async def work() -> bool:
        async with open_ready_engine(data_dir) as engine, engine.begin() as connection:
            person = await person_named(connection, username)
            await delete_account(connection, person.id)
            return await has_administrator(connection)

    if not yes:
        run(ask())
    is_any_left = run(work())
    console.print(f"Deleted the account {username.lower()}.")
    _tell_if_no_administrator(is_any_left)


def _tell_consequences(costs: Departure) -> None:
    console.print(
        "These go: the person's log-ins, API keys, memberships, notification services and waiting messages, "
        f"and {_plants(costs.plants_deleted)} that no kit measures."
    )
    console.print(
        f"These stay: {_plants(costs.plants_kept)} that kits measure, {costs.species_kept} species, all kits "
        "and all readings."
    )
    if costs.kits_without_members:
        console.print(
            "Only administrators will see these kits, which have no other member: "
            f"{', '.join(costs.kits_without_members)}. `hortus kit delete SERIAL` deletes one with its "
            "readings."
        )


def _plants(count: int) -> str:
    return f"{count} plant" if count == 1 else f"{count} plants"


def _tell_if_no_administrator(is_any_left: bool) -> None:
    if not is_any_left:
        messages.print(
            "This server has no administrator now. `hortus user admin NAME --grant` makes a person one.",
            soft_wrap=True,
        )


async def create_user_from_command_line(
    data_dir: Path | None,
    settings: Settings,
    *,
    username: str,
    email: str,
    password: str,
    is_admin: bool,
) -> None:
    """Create an account in the selected database. Raises InvalidAccount, and as `open_ready_engine` does."""
    async with open_ready_engine(data_dir, settings) as engine, engine.begin() as connection:
        await create_user(
            connection,
            Passwords(),
            username=username,
            email_address=email,
            password=password,
            is_admin=is_admin,
        )


async def set_password_from_command_line(
    data_dir: Path | None, settings: Settings, *, username: str, password: str
) -> None:
    """Set a password in the selected database. Raises UserNotFound, and what `open_ready_engine` raises."""
    async with open_ready_engine(data_dir, settings) as engine, engine.begin() as connection:
        await set_password(connection, Passwords(), username, password)


def _choose_password(generate: bool, data_dir: Path | None, settings: Settings) -> str:
    if generate:
        return generate_password()
    if sys.stdin.isatty():
        # Before anything is typed: a password that cannot be stored would have to be typed again.
        run(_require_database(data_dir, settings))
        password = _asked_for()
    else:
        password = _from_standard_input()
    if broken := broken_by_password(password):
        raise UsageError(f"{broken[0].message} Or let one be made with --generate-password.")
    return password


async def _require_database(data_dir: Path | None, settings: Settings) -> None:
    async with open_ready_engine(data_dir, settings):
        pass


def _asked_for() -> str:
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def _from_standard_input() -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise UsageError(
            "There is no terminal to ask for the password at. Send it as a line of standard input, or let one "
            "be made with --generate-password."
        )
    return password


def _print_generated(generate: bool, password: str) -> None:
    if generate:
        typer.echo(f"Password: {password}")
        typer.echo("It is not shown again.", err=True)
