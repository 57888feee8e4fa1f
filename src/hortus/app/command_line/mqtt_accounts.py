"""`hortus mqtt account`: read-only accounts at the built-in MQTT endpoint, for dashboards and bridges."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from hortus.app.command_line.database_access import open_ready_engine
from hortus.app.command_line.terminal import (
    DataDirOption,
    JsonOption,
    console,
    messages,
    print_json,
    run,
)
from hortus.base.settings import Settings, read_settings
from hortus.domain.mqtt_accounts.store import MqttAccount, add_account, list_accounts, remove_account

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The built-in MQTT endpoint of `hortus up`.")
account_app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Read-only accounts for dashboards and bridges: add, list, remove.",
)
app.add_typer(account_app, name="account")

Name = Annotated[str, typer.Argument(help="The user name to log in with.")]


@account_app.command()
def add(
    name: Name,
    read: Annotated[
        list[str],
        typer.Option(
            "--read",
            metavar="FILTER",
            help="A topic filter within which the account may subscribe; may be given several times.",
        ),
    ],
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Add an account that may read what its filters cover, and publish nothing. Its password is shown once."""
    settings = read_settings()

    async def work() -> str:
        async with open_ready_engine(data_dir, settings) as engine, engine.begin() as connection:
            return await add_account(connection, name, read)

    password = run(work())
    _tell_of_external_broker(settings)
    if as_json:
        print_json({"name": name, "password": password, "read": read})
        return
    console.print(f"User name: {name}")
    console.print(f"Password:  {password}")
    console.print("Note the password now; it cannot be shown again. The account can log in at once.")


@account_app.command("list")
def list_command(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List the read-only accounts and what they may read."""
    settings = read_settings()

    async def work() -> list[MqttAccount]:
        async with open_ready_engine(data_dir, settings) as engine, engine.connect() as connection:
            return await list_accounts(connection)

    accounts = run(work())
    _tell_of_external_broker(settings)
    if as_json:
        print_json(
            [{"name": each.name, "read": each.read_filters, "created": each.created_at} for each in accounts]
        )
        return
    table = Table("Name", "May read", "Added")
    for each in accounts:
        table.add_row(each.name, "  ".join(each.read_filters), f"{each.created_at:%Y-%m-%d %H:%M}")
    console.print(
        table if accounts else "No accounts yet. `hortus mqtt account add NAME --read FILTER` adds one."
    )


@account_app.command()
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Remove an account. Its open connections are closed."""
    settings = read_settings()
    if not yes:
        typer.confirm(f"Remove the account {name}? Whatever uses it loses its connection.", abort=True)

    async def work() -> None:
        async with open_ready_engine(data_dir, settings) as engine, engine.begin() as connection:
            await remove_account(connection, name)

    run(work())
    console.print(f"Removed {name}.")
    _tell_of_external_broker(settings)


def _tell_of_external_broker(settings: Settings) -> None:
    """Say which broker this concerns where there are two: only one of them is ours."""
    if settings.broker_key is not None:
        messages.print(
            "This concerns the built-in endpoint of `hortus up` only. At your Mosquitto, make and remove such "
            "accounts with mosquitto_ctrl (docs/mosquitto.md).",
            soft_wrap=True,
        )
