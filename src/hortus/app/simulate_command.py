"""The command `hortus simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hortus.app.command_line.terminal import DataDirOption, configure_logging, run
from hortus.app.simulate import Simulation, run_simulation, server_address
from hortus.base.settings import read_settings
from hortus.simulator.faults import parse_faults
from hortus.simulator.options import SimulatorOptions
from hortus.simulator.rpc_faults import parse_rpc_faults


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
