"""The command `hortus up`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hortus.app.command_line.terminal import configure_logging, messages, run
from hortus.app.up import UpOptions, run_up
from hortus.flow.gateway.settings import read_gateway_settings


def up(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir", help="Where everything is kept. [default: ./hortus-data]", show_default=False
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    http_port: Annotated[
        int, typer.Option("--http-port", min=0, max=65535, help="Port of the web pages.")
    ] = 8080,
    mqtt_port: Annotated[int, typer.Option("--mqtt-port", min=0, max=65535, help="Port for kits.")] = 1883,
    gateway_port: Annotated[
        int,
        typer.Option(
            "--gateway-port",
            min=0,
            max=65535,
            envvar="HORTUS_GATEWAY_PORT",
            help="Port for boards that can only do plain HTTP.",
        ),
    ] = 8090,
    demo: Annotated[
        bool, typer.Option("--demo", help="Make a user and virtual kits with a season of history.")
    ] = False,
    demo_kits: Annotated[
        int, typer.Argument(min=1, max=100, metavar="[KITS]", help="How many virtual kits, with --demo.")
    ] = 3,
) -> None:
    """Run everything on this machine: database, MQTT for kits, and web pages."""
    settings = read_gateway_settings()
    configure_logging(settings.log_level)
    options = UpOptions(
        data_dir=data_dir or settings.data_dir,
        host=host,
        http_port=http_port,
        mqtt_port=mqtt_port,
        gateway_port=gateway_port,
        demo_kits=demo_kits if demo else 0,
    )
    run(run_up(settings, options, messages))
