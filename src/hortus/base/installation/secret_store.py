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


# Name, what the secret is for, and what a new one costs.
_WORTH = {
    "api-tokens": (
        "It signs log-ins to the API, and encrypts waiting messages and notification services.",
        "everybody logs in again, waiting messages are lost, people add their notification services anew",
    ),
    "web-sessions": ("It signs log-ins to the pages.", "everybody logs in to the pages again"),
    "postgres-owner": ("It is Hortus's password at its database.", "nothing is lost"),
    "postgres-superuser": (
        "It is the administrator's password at the database.",
        "the database cannot be administered with the new one until its password is set by other means",
    ),
    "mqtt-server": ("It is Hortus's password at its own MQTT server.", "nothing is lost"),
}
_UNKNOWN_WORTH = ("", "what depends on the old one no longer works")


class SecretDamaged(OperationalError):
    """A secret's file has no secret in it. It is not replaced: what that costs is the operator's decision."""


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

        Raises SecretDamaged, or SecretExposed if other users can read it: a secret that may have been copied
        must be replaced, which is the operator's decision.
        """
        path = self._path(name)
        try:
            value = path.read_bytes().decode().strip()
            mode = path.stat().st_mode
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise _damaged(path, "is not text") from error
        except OSError as error:
            raise not_usable(path, error) from error
        if mode & _READABLE_BY_OTHERS:
            raise SecretExposed(
                f"Other users of this machine can read the secret {path}. Run `chmod 600 {path}`; if you do "
                f"not trust all of them, delete it first to have a new one made. Then {_cost(name)}."
            )
        if not value:
            raise _damaged(path, "is empty")
        return value

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


def _damaged(path: Path, what: str) -> SecretDamaged:
    purpose, cost = _WORTH.get(path.name, _UNKNOWN_WORTH)
    return SecretDamaged(
        f"The secret {path} {what}. Restore it from a backup. {purpose}{' ' * bool(purpose)}"
        f"If there is no backup, delete the file and start again: {cost}."
    )


def _cost(name: str) -> str:
    return _WORTH.get(name, _UNKNOWN_WORTH)[1]
