"""Finds the spool of the gateway on this machine, for commands."""

from __future__ import annotations

from pathlib import Path

from hortus.app.command_line.terminal import messages
from hortus.base.errors import UsageError
from hortus.flow.gateway.settings import GatewaySettings


def spool_directory(data_dir: Path | None, settings: GatewaySettings) -> Path:
    """Return the spool that a command is about. Raises UsageError if no gateway has run there.

    It is found like the database: --data-dir goes first, then the environment, then the usual places.
    """
    places = _places(data_dir, settings)
    found = [place for place in places if has_spool(place)]
    if not found:
        raise UsageError(
            f"No gateway has run with {' or '.join(map(str, places))}. Name the data directory of `hortus up` "
            "with --data-dir or HORTUS_DATA_DIR, or the spool of a gateway of its own with "
            "HORTUS_GATEWAY_SPOOL_DIR."
        )
    if len(found) > 1:
        messages.print(
            f"This is about {found[0]}. There is another spool in {found[1]}: name it with "
            "HORTUS_GATEWAY_SPOOL_DIR.",
            style="dim",
        )
    return found[0]


def has_spool(directory: Path) -> bool:
    """Return whether a gateway has run with this directory."""
    return directory.is_dir() and any(directory.glob("gateway.*"))


def _places(data_dir: Path | None, settings: GatewaySettings) -> list[Path]:
    if data_dir is not None:
        return [data_dir / "spool"]
    if "gateway_spool_dir" in settings.model_fields_set:
        return [settings.gateway_spool_dir]
    in_data_directory = settings.data_dir / "spool"
    if "data_dir" in settings.model_fields_set:
        return [in_data_directory]
    return [in_data_directory, settings.gateway_spool_dir]
