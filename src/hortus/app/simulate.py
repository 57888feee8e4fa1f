"""`hortus simulate`: virtual kits against a running server."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select

from hortus.app.command_line.database_access import open_ready_engine
from hortus.app.command_line.terminal import DataDirOption, configure_logging, messages, run, stop_requested
from hortus.app.virtual_kits import layouts, make_virtual_kit
from hortus.base.errors import UsageError, describe_error
from hortus.base.installation.data_directory import running_installation
from hortus.base.settings import Settings, read_settings
from hortus.domain.kits.store import KitStore
from hortus.domain.kits.tables import KitRow
from hortus.flow.broker.account_changes import account_changes
from hortus.simulator.faults import parse_faults
from hortus.simulator.fleet import Fleet
from hortus.simulator.options import KitCredentials, SimulatorOptions
from hortus.simulator.rpc_faults import parse_rpc_faults

log = logging.getLogger(__name__)

_REPORT_SECONDS = 10.0
_DRAIN_SECONDS = 3.0


def simulate(
    kits: Annotated[int, typer.Option("--kits", min=1, max=10_000, help="How many virtual kits.")] = 3,
    speed: Annotated[
        float, typer.Option("--speed", help="How many times faster than life the kits measure.")
    ] = 1.0,
    faults: Annotated[
        str,
        typer.Option(
            "--faults",
            help="What goes wrong: dropouts, reconnects, duplicates, late, drift, garbage (comma-separated, "
            "each with an optional :CHANCE per reading), or all.",
        ),
    ] = "",
    rpc_faults: Annotated[
        str,
        typer.Option(
            "--rpc-faults",
            help="What goes wrong with answers: no-answer, late, twice, wrong-id, rubbish, disconnect "
            "(comma-separated, each with an optional :CHANCE per answer), or all.",
        ),
    ] = "",
    raw_qos: Annotated[
        int, typer.Option("--raw-qos", min=0, max=1, help="QoS of raw readings; the real kit's is 0.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Selects weather, noise and faults.")] = 0,
    host: Annotated[str | None, typer.Option("--host", help="MQTT server, if not the installation's.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Its port.")] = None,
    credentials: Annotated[
        Path,
        typer.Option("--credentials", help="JSON list of kits' serials and passwords; new ones are added."),
    ] = Path("hortus-virtual-kits.json"),
    data_dir: DataDirOption = None,
) -> None:
    """Run virtual kits against a running server: separate MQTT clients that behave like real ones."""
    settings = read_settings()
    configure_logging(settings.log_level)
    if host is None:
        host, known_port = server_address(settings, data_dir)
        port = port or known_port
    options = SimulatorOptions(
        host=host,
        port=port or 1883,
        speed=speed,
        faults=parse_faults(faults),
        rpc_faults=parse_rpc_faults(rpc_faults),
        raw_qos=raw_qos,
        seed=seed,
    )
    run(
        run_simulation(
            settings,
            Simulation(kits=kits, credentials_file=credentials, data_dir=data_dir, options=options),
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The arguments of `hortus simulate`."""

    kits: int
    credentials_file: Path
    data_dir: Path | None
    options: SimulatorOptions


def server_address(settings: Settings, data_dir: Path | None) -> tuple[str, int]:
    """Return the address the kits connect to: the running installation, else MQTT_HOST and MQTT_PORT."""
    if data_dir is None and settings.database_url is not None:
        return settings.mqtt_host, settings.mqtt_port
    directory = data_dir or settings.data_dir
    running = running_installation(directory)
    if running is None or running.mqtt_address is None:
        raise UsageError(
            f"Nothing runs in {directory}. Start it with `hortus up --data-dir {directory}`, or give "
            "--host and --port of another server."
        )
    host, _, port = running.mqtt_address.rpartition(":")
    return host, int(port)


async def run_simulation(settings: Settings, simulation: Simulation) -> None:
    """Run the kits until SIGINT or SIGTERM, printing a status line now and then."""
    stop = stop_requested()
    credentials = await _credentials(settings, simulation)
    fleet = Fleet(credentials, simulation.options)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(fleet.run())
        while not stop.is_set():
            _report(fleet)
            try:
                async with asyncio.timeout(_REPORT_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue
        await fleet.drain(_DRAIN_SECONDS)
        running.cancel()
    _report(fleet)


def _report(fleet: Fleet) -> None:
    status = fleet.status()
    counts = status.counts
    messages.print(
        f"{status.connected} of {status.kits} kits connected, {status.measuring} measuring; "
        f"raw {counts.raw_sent} sent, {counts.raw_lost} lost; aggregates {counts.aggregates_sent} sent, "
        f"{counts.aggregates_acknowledged} acknowledged; {counts.garbage} of garbage, "
        f"{counts.duplicates} duplicates, {counts.cuts} cuts",
        markup=False,
    )


async def _credentials(settings: Settings, simulation: Simulation) -> list[KitCredentials]:
    """Return the requested number of kits: those in the file, and new ones, which are added to it."""
    entries = _read_credentials(simulation.credentials_file)
    if len(entries) < simulation.kits or simulation.data_dir is not None:
        entries = await _register(settings, simulation, entries)
    return [
        KitCredentials(serial=entry["serial"], password=entry["password"])
        for entry in entries[: simulation.kits]
    ]


def _read_credentials(path: Path) -> list[dict[str, str]]:
    try:
        document = json.loads(path.read_text("utf-8"))
        return [{"serial": str(each["serial"]), "password": str(each["password"])} for each in document]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f'{path} is not a list of kits in the form [{{"serial": …, "password": …}}]: '
            f"{describe_error(error)}."
        ) from error


async def _register(
    settings: Settings, simulation: Simulation, entries: list[dict[str, str]]
) -> list[dict[str, str]]:
    store = KitStore(account_changes(settings))
    async with open_ready_engine(simulation.data_dir, settings) as engine, engine.begin() as connection:
        existing = set((await connection.scalars(select(KitRow.serial))).all())
        entries = [entry for entry in entries if entry["serial"] in existing]
        for layout in islice(layouts(), len(entries), simulation.kits):
            kit = await make_virtual_kit(connection, store, layout)
            entries.append({"serial": kit.serial, "password": kit.password})
        # Before the commit: a kit whose password is stored nowhere would be useless.
        _write_private(simulation.credentials_file, json.dumps(entries, indent=2) + "\n")
    return entries


def _write_private(path: Path, content: str) -> None:
    temporary = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        temporary.replace(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}. Choose another --credentials file."
        ) from error
