"""The secrets of an installation: one small file each, for its owner's eyes only, never printed or logged."""

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
    """A secret can be read by other users of the machine."""


def new_secret() -> str:
    """Return a new random secret of 256 bits, safe in URLs and configuration files."""
    return secrets.token_urlsafe(32)


class Secrets:
    """The files in `directory`; only the holder of the installation's lock makes new ones."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, name: str) -> str | None:
        """Return a secret, or None if there is none of this name.

        Raises SecretExposed if other users can read it: what they may have copied already must be replaced,
        which takes a person's decision.
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
        """Return a secret, making it durably with `generator` if there is none yet."""
        value = self.get(name)
        if value is None:
            make_private_directory(self._directory)
            value = generator()
            write_private_file(self._path(name), f"{value}\n")
        return value

    def replace(self, name: str, value: str) -> None:
        """Put this value in the place of whatever the secret was."""
        make_private_directory(self._directory)
        write_private_file(self._path(name), f"{value}\n")

    def _path(self, name: str) -> Path:
        assert _NAME.fullmatch(name), name
        return self._directory / name
