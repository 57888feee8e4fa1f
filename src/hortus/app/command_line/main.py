"""The command `hortus`, composed of the commands of all capabilities.

A command's module is imported when the command is called: `hortus kit list` need not wait for web pages, Kafka
and the simulator to be imported, which takes a small computer seconds.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from hortus import __version__
from hortus.app.command_line.terminal import console, fail_clearly

# In listing order: name, and location of the Typer app or function.
COMMANDS = {
    "up": "hortus.app.up:up",
    "simulate": "hortus.app.simulate:simulate",
    "kit": "hortus.app.command_line.kits:app",
    "user": "hortus.app.command_line.users:user_app",
    "export": "hortus.app.command_line.export:export_command",
    "plant": "hortus.app.command_line.plants:plant_app",
    "species": "hortus.app.command_line.plants:species_app",
    "recipe": "hortus.app.command_line.recipes:app",
    "ledger": "hortus.app.command_line.ledger:ledger",
    "media": "hortus.app.command_line.media:app",
    "quarantine": "hortus.app.command_line.quarantine:app",
    "message": "hortus.app.command_line.messages:app",
    "db": "hortus.app.command_line.database:app",
    "web": "hortus.app.web:web",
    "gateway": "hortus.app.gateway:app",
    "board": "hortus.app.command_line.boards:board_app",
    "mqtt": "hortus.app.command_line.mqtt_accounts:app",
    "ingest": "hortus.app.ingest:ingest",
    "rpc": "hortus.app.rpc:rpc",
    "jobs": "hortus.app.jobs:jobs",
    "sink": "hortus.app.kafka_sink:sink",
    "kafka": "hortus.app.command_line.kafka:app",
    "broker": "hortus.app.command_line.broker:app",
}


class LazyCommands(TyperGroup):
    """Commands that are imported on demand."""

    def list_commands(self, _context: Any) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, _context: Any, name: str) -> Any:
        """Import a command; return None for an unknown name."""
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            single.command(name)(found)
            found = single
        command = get_command(found)
        command.name = name
        return command


app = typer.Typer(
    cls=LazyCommands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Hortus: the self-hosted backend for connected plants.",
)


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    """Hortus: the self-hosted backend for connected plants."""
    if version:
        console.print(f"hortus {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line, as root only where that is allowed."""
    fail_clearly(_run)


def _run() -> None:
    if os.geteuid() == 0:  # else nothing is imported for it
        import_module("hortus.app.leaving_root").leave_root(sys.argv[1:])
    app()
