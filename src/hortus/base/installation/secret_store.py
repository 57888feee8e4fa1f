"""The secrets of an installation: one small file each, readable by its owner only, never printed or logged."""

from __future__ import annotations

import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from hortus.base.errors import OperationalError
from hortus.base.files import make_private_directory, not_usable, write_private_file

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class SecretExposed(OperationalError):
    """Other users of the machine can read a secret."""


def new_secret() -> str:
    """Return a new random secret of 256 bits, safe in URLs and configuration files."""
    return secrets.token_urlsafe(32)


class Secrets:
    """The files in `directory`; only the holder of the installation's lock creates new ones."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, name: str) -> str | None:
        """Return a secret, or None if there is none of this name.

        Raises SecretExposed if other users can read it: a secret that may have been copied must be replaced,
        which is the operator's decision.
        """
        path = self._path(name)
        try:
            with path.open(encoding="utf-8") as file:
                value = file.read().strip()
            mode = path.stat().st_mode
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise not_usable(path, error if isinstance(error, OSError) else OSError(str(error))) from error
        if mode & _READABLE_BY_OTHERS:
            raise SecretExposed(
                f"Other users of this machine can read the secret {path}. Run `chmod 600 {path}`; if you do "
                "not trust all of them, delete it first to have a new one made."
            )
        return value or None

    def get_or_create(self, name: str, generator: Callable[[], str] = new_secret) -> str:
        """Return a secret, creating and durably storing it with `generator` if there is none yet."""
        value = self.get(name)
        if value is None:
            make_private_directory(self._directory)
            value = generator()
            write_private_file(self._path(name), f"{value}\n")
        return value

    def replace(self, name: str, value: str) -> None:
        """Store this value as the secret, replacing any previous one."""
        make_private_directory(self._directory)
        write_private_file(self._path(name), f"{value}\n")

    def _path(self, name: str) -> Path:
        assert _NAME.fullmatch(name), name
        return self._directory / name
