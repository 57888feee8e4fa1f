"""The command `hortus web`."""

from __future__ import annotations

from typing import Annotated

import typer

from hortus.app.command_line.terminal import DataDirOption, configure_logging, run
from hortus.app.web import WebOptions, run_web
from hortus.base.settings import read_settings


def web(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of pages and API; 0 takes a free one.")
    ] = 8080,
    data_dir: DataDirOption = None,
) -> None:
    """Serve web pages and the API on DATABASE_URL, beside any number of others that do the same.

    All need the same key, in the file that TOKEN_SIGNER_KEY names.
    """
    settings = read_settings()
    configure_logging(settings.log_level)
    run(run_web(settings, WebOptions(host=host, port=port, data_dir=data_dir)))
