"""The TCP port of the embedded PostgreSQL: a free one, and the same as last time if possible."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

from hortus.base.errors import OperationalError
from hortus.base.files import write_private_file

HOST = "127.0.0.1"
_ATTEMPTS = 50
# Below 32768, where Linux's ephemeral ports begin: one of those could be in use while PostgreSQL is down.
_LOWEST, _HIGHEST = 20000, 32000


def candidate_ports(memory: Path) -> Iterator[int]:
    """Yield ports that are free now, first the one remembered in the file `memory`.

    Another program may bind a port before PostgreSQL does: then take the next one. Raises OperationalError if
    there are none.
    """
    remembered = _remembered(memory)
    if remembered and is_free(remembered):
        yield remembered
    for _ in range(_ATTEMPTS):
        port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)
        if is_free(port):
            yield port
    raise OperationalError(
        f"No free port for PostgreSQL was found between {_LOWEST} and {_HIGHEST}. End other programs."
    )


def remember_port(memory: Path, port: int) -> None:
    """Save the port for the next start, so that a database URL stays valid."""
    if _remembered(memory) != port:
        write_private_file(memory, f"{port}\n")


def is_free(port: int) -> bool:
    """Return whether no program listens on this port of the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As PostgreSQL does: connections of the last run that are still closing do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def _remembered(memory: Path) -> int | None:
    try:
        port = int(memory.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return port if 1024 <= port < 65536 else None
