"""Finds the spool of the gateway on this machine, for commands."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hortus.app.command_line.ages import ago
from hortus.app.command_line.terminal import console, messages
from hortus.base.errors import UsageError
from hortus.flow.gateway.settings import GatewaySettings, read_gateway_settings
from hortus.flow.gateway.unnumbered import WHAT_TO_DO, UnnumberedBoard, read_unnumbered_boards


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


def unnumbered_boards(data_dir: Path | None) -> list[UnnumberedBoard]:
    """Return the boards without a sensor id that a gateway on this machine has heard, if one has run here."""
    places = _places(data_dir, read_gateway_settings())
    now_ms = int(time.time() * 1000)
    return [board for place in places for board in read_unnumbered_boards(place, now_ms)]


def as_documents(boards: Sequence[UnnumberedBoard]) -> list[dict[str, Any]]:
    """Return the JSON form."""
    return [
        {
            "address": each.address,
            "sensorId": each.sensor_id,
            "refused": each.refused,
            "lastContact": _moment(each),
        }
        for each in boards
    ]


def tell_of_unnumbered(boards: Sequence[UnnumberedBoard]) -> None:
    """Print which boards have no sensor id, and what to do about it."""
    for each in boards:
        console.print(
            f"A board at {each.address} sends the id {each.sensor_id}, last {ago(_moment(each))}. "
            f"Readings refused: {each.refused}."
        )
    if boards:
        console.print(WHAT_TO_DO)


def _moment(board: UnnumberedBoard) -> datetime:
    return datetime.fromtimestamp(board.last_contact_ms / 1000, UTC)


def _places(data_dir: Path | None, settings: GatewaySettings) -> list[Path]:
    if data_dir is not None:
        return [data_dir / "spool"]
    if "gateway_spool_dir" in settings.model_fields_set:
        return [settings.gateway_spool_dir]
    in_data_directory = settings.data_dir / "spool"
    if "data_dir" in settings.model_fields_set:
        return [in_data_directory]
    return [in_data_directory, settings.gateway_spool_dir]
