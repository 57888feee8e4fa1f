"""The commands `hortus user create` and `hortus user password`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.errors import UsageError
from hortus.base.installation.access import open_database
from hortus.domain.accounts.passwords import Passwords, generate_password
from hortus.domain.accounts.store import create_user, set_password
from hortus.flow.migrations.revision import require_current

LEAST_PASSWORD_CHARACTERS = 8

user_app = typer.Typer(
    help="Make accounts for people, and set their passwords.", no_args_is_help=True, add_completion=False
)

_DATA_DIRECTORY = typer.Option(
    None, "--data-dir", envvar="HORTUS_DATA_DIR", help="The installation's data directory."
)
_DATABASE_URL = typer.Option(None, "--database-url", envvar="DATABASE_URL", help="PostgreSQL to use instead.")
_GENERATE = typer.Option(False, "--generate-password", help="Make a random password and print it once.")


@user_app.command("create")
def create_command(
    username: str = typer.Argument(help="Letters, digits and -, at most 40."),
    email: str = typer.Option(..., "--email", help="E-mail address of the person."),
    admin: bool = typer.Option(False, "--admin", help="Let this person see and do everything."),
    generate: bool = _GENERATE,
    data_directory: Path | None = _DATA_DIRECTORY,
    database_url: str | None = _DATABASE_URL,
) -> None:
    """Create an account for a person. The password is prompted for, unless it is generated."""
    password = _choose_password(generate)
    asyncio.run(
        create_user_from_command_line(
            data_directory, database_url, username=username, email=email, password=password, is_admin=admin
        )
    )
    typer.echo(f"{'Administrator' if admin else 'User'} {username.lower()} can log in now.")
    _print_generated(generate, password)


@user_app.command("password")
def password_command(
    username: str = typer.Argument(help="The user's name."),
    generate: bool = _GENERATE,
    data_directory: Path | None = _DATA_DIRECTORY,
    database_url: str | None = _DATABASE_URL,
) -> None:
    """Give a person a new password. All their log-ins end."""
    password = _choose_password(generate)
    asyncio.run(
        set_password_from_command_line(data_directory, database_url, username=username, password=password)
    )
    typer.echo(f"{username.lower()} has a new password.")
    _print_generated(generate, password)


async def create_user_from_command_line(
    data_directory: Path | None,
    database_url: str | None,
    *,
    username: str,
    email: str,
    password: str,
    is_admin: bool,
) -> None:
    """Create an account in the selected database. Raises InvalidAccount, and what `open_database` raises."""
    async with _engine(data_directory, database_url) as engine, engine.begin() as connection:
        await create_user(
            connection,
            Passwords(),
            username=username,
            email_address=email,
            password=password,
            is_admin=is_admin,
        )


async def set_password_from_command_line(
    data_directory: Path | None, database_url: str | None, *, username: str, password: str
) -> None:
    """Set a password in the selected database. Raises UserNotFound, and what `open_database` raises."""
    async with _engine(data_directory, database_url) as engine, engine.begin() as connection:
        await set_password(connection, Passwords(), username, password)


@asynccontextmanager
async def _engine(data_directory: Path | None, database_url: str | None) -> AsyncIterator[AsyncEngine]:
    async with open_database(data_directory, database_url) as url, open_engine(url) as engine:
        await require_current(engine)
        yield engine


def _choose_password(generate: bool) -> str:
    if generate:
        return generate_password()
    password = _asked_for() if sys.stdin.isatty() else _from_standard_input()
    if len(password) < LEAST_PASSWORD_CHARACTERS:
        raise UsageError(
            f"Choose a password of at least {LEAST_PASSWORD_CHARACTERS} characters, "
            "or let one be made with --generate-password."
        )
    return password


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
