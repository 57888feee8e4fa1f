"""`hortus broker`: the kits' accounts at an external Mosquitto."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from hortus.app.command_line.database_access import open_ready_engine
from hortus.app.command_line.terminal import (
    DataDirOption,
    configure_logging,
    console,
    run,
    stop_requested,
)
from hortus.app.observation import (
    MetricsHostOption,
    MetricsPortOption,
    metrics_address,
    observed,
)
from hortus.app.supervision import process_supervisor
from hortus.base.errors import UsageError
from hortus.base.settings import Settings, read_settings
from hortus.flow.broker.changes import PasswordCipher
from hortus.flow.broker.commands import Seed
from hortus.flow.broker.commands import seed as seed_document
from hortus.flow.broker.document import ServiceAccount
from hortus.flow.broker.roles import CONTROL_ROLE, SERVER_ROLE
from hortus.flow.broker.synchroniser import BrokerSynchroniser
from hortus.protocol.mqtt.client.settings import broker_address

_ACCOUNTS_SECONDS = 10.0

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="An external Mosquitto: its first accounts, and keeping in step.",
)


@app.command()
def seed(
    output: Annotated[Path, typer.Option("--output", help="Where to write dynamic-security.json.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    keep_existing: Annotated[
        bool, typer.Option("--keep-existing", help="Leave an existing file unchanged, and succeed.")
    ] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Write the initial accounts of a new Mosquitto: all kits, this server's account, an administrator.

    The server's account is MQTT_USERNAME with MQTT_PASSWORD, the administrator HORTUS_BROKER_ADMIN_USERNAME
    with HORTUS_BROKER_ADMIN_PASSWORD.
    """
    if keep_existing and output.exists():
        console.print(f"{output} exists already and is left unchanged.", markup=False)
        return
    settings = read_settings()
    services = [
        ServiceAccount(
            username=_given(settings.mqtt_username, "MQTT_USERNAME"),
            password=_secret(settings.mqtt_password, "MQTT_PASSWORD"),
            role=SERVER_ROLE,
        ),
        ServiceAccount(
            username=settings.broker_username,
            password=_secret(settings.broker_password, "HORTUS_BROKER_ADMIN_PASSWORD"),
            role=CONTROL_ROLE,
        ),
    ]

    async def work() -> Seed:
        async with open_ready_engine(data_dir, settings) as engine:
            return await seed_document(engine, output, services, overwrite=overwrite)

    seeded = run(work())
    console.print(f"Wrote {seeded.kits} kits to {output}.", markup=False)
    if seeded.without_password:
        console.print(
            "Left out, because only their old password hash is known: "
            f"{', '.join(seeded.without_password)}. `hortus kit password SERIAL` lets each log in again.",
            markup=False,
        )


@app.command()
def sync(
    metrics_port: MetricsPortOption = None,
    metrics_host: MetricsHostOption = "127.0.0.1",
    data_dir: DataDirOption = None,
) -> None:
    """Keep the broker's accounts in step with the database, until stopped.

    One process does it at a time; others stand by.
    """
    settings = read_settings()
    configure_logging(settings.log_level)
    cipher = PasswordCipher(_secret(settings.broker_key, "HORTUS_BROKER_KEY"))

    async def work() -> None:
        stop = stop_requested()
        address = broker_address(_as_administrator(settings))
        async with (
            open_ready_engine(data_dir, settings) as engine,
            process_supervisor() as supervisor,
            observed(metrics_address(metrics_host, metrics_port), supervisor),
        ):
            synchroniser = BrokerSynchroniser(engine, address, cipher)
            working = supervisor.start(
                "broker-accounts", synchroniser.run, every_seconds=_ACCOUNTS_SECONDS, may_end=True
            )
            await stop.wait()
            synchroniser.stop()
            await asyncio.wait({working})

    run(work())


def _as_administrator(settings: Settings) -> Settings:
    password = _secret(settings.broker_password, "HORTUS_BROKER_ADMIN_PASSWORD")
    return settings.model_copy(
        update={"mqtt_username": settings.broker_username, "mqtt_password": SecretStr(password)}
    )


def _given(value: str | None, name: str) -> str:
    if not value:
        raise UsageError(f"Set {name}.")
    return value


def _secret(value: SecretStr | None, name: str) -> str:
    return _given(value.get_secret_value() if value else None, name)
