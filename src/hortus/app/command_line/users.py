"""The commands `hortus user create` and `hortus user password`."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from hortus.app.command_line.database_access import open_ready_engine
from hortus.app.command_line.terminal import DataDirOption, run
from hortus.base.errors import UsageError
from hortus.base.settings import Settings, read_settings
from hortus.domain.accounts.passwords import Passwords, generate_password
from hortus.domain.accounts.rules import broken_by_password
from hortus.domain.accounts.store import create_user, set_password

user_app = typer.Typer(
    help="Make accounts for people, and set their passwords.", no_args_is_help=True, add_completion=False
)

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
