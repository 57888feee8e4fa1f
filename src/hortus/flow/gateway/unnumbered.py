"""Boards that send no usable sensor id, mostly 0: nobody has entered one on their set-up page.

Their readings are refused, so they are in no list of boards. They are noted by address, in a file beside the
spool, so that commands can say which boards these are and what to do.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from hortus.base.files import write_private_file
from hortus.base.supervision import note_success, piece_of_work

log = logging.getLogger(__name__)

WHAT_TO_DO = (
    "Set the sensor's id on the board first, on its set-up page: `hortus board add --name NAME` gives a number "
    "(docs/gateway.md)."
)

_FILE_NAME = "boards-without-id.json"
_MOST_BOARDS = 50
# Addresses can be invented, and must not fill the log.
_MOST_TOLD_OF = 1000
_SAVE_SECONDS = 5.0
_FORGET_AFTER_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnnumberedBoard:
    """A board without a usable sensor id: where it sends from, what it sends as its id, and how often."""

    address: str
    sensor_id: int
    refused: int
    last_contact_ms: int


class UnnumberedBoards:
    """Notes such boards by address, within bounds, and logs each once. Goes on with what was noted before."""

    def __init__(self, directory: Path, *, save_seconds: float = _SAVE_SECONDS) -> None:
        self._directory = directory
        self._save_seconds = save_seconds
        noted = read_unnumbered_boards(directory, int(time.time() * 1000))
        self._boards = OrderedDict((each.address, each) for each in noted)
        self._told: set[str] = set()
        self._changed = asyncio.Event()

    def heard(self, address: str, sensor_id: int, now_ms: int) -> None:
        """Note a refused reading of such a board."""
        before = self._boards.pop(address, None)
        if address not in self._told and len(self._told) < _MOST_TOLD_OF:
            self._told.add(address)
            log.warning(
                "A board at %s sends the sensor id %d, so its readings are refused. %s",
                *(address, sensor_id, WHAT_TO_DO),
            )
        refused = 1 if before is None else before.refused + 1
        self._boards[address] = UnnumberedBoard(
            address=address, sensor_id=sensor_id, refused=refused, last_contact_ms=now_ms
        )
        if len(self._boards) > _MOST_BOARDS:
            self._boards.popitem(last=False)
        self._changed.set()

    def has_id(self, address: str) -> None:
        """Note that the board at this address has a sensor id now."""
        if self._boards.pop(address, None) is not None:
            self._changed.set()

    async def keep_saved(self) -> None:
        """Write the list for commands, soon after each change, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            with piece_of_work():
                await asyncio.to_thread(_save, self._directory, list(self._boards.values()))
            note_success()
            await asyncio.sleep(self._save_seconds)


def read_unnumbered_boards(directory: Path, now_ms: int) -> list[UnnumberedBoard]:
    """Return the boards without a usable sensor id that a gateway with this spool heard within a day."""
    try:
        listed: list[dict[str, Any]] = orjson.loads((directory / _FILE_NAME).read_bytes())
        boards = [UnnumberedBoard(**each) for each in listed]
    except (OSError, ValueError, TypeError):
        return []
    return [each for each in boards if now_ms - each.last_contact_ms < _FORGET_AFTER_MS]


def _save(directory: Path, boards: list[UnnumberedBoard]) -> None:
    write_private_file(directory / _FILE_NAME, orjson.dumps([asdict(each) for each in boards]).decode())
