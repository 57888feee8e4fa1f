"""The keys that sign API tokens and web sessions: the same in all processes of an installation."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hortus.base.errors import UsageError
from hortus.base.installation.data_directory import DataDirectory
from hortus.base.installation.secret_store import Secrets
from hortus.base.settings import Settings

API_TOKENS_SECRET = "api-tokens"  # noqa: S105  (the name of a secret)
WEB_SESSION_SECRET = "web-sessions"  # noqa: S105  (the name of a secret)

_HOW_TO_MAKE_ONE = "Make one with `head -c 48 /dev/urandom | base64 > token-signer.key`"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """The keys that sign API tokens (`tokens`) and the cookies of web sessions (`sessions`)."""

    tokens: bytes = field(repr=False)
    sessions: str = field(repr=False)


def keys_of_holder(settings: Settings, directory: DataDirectory) -> SigningKeys:
    """Return the keys for the process that holds the data directory, creating those that are missing.

    Raises UsageError if the file named by TOKEN_SIGNER_KEY cannot be read.
    """
    if settings.token_signer_key is not None:
        return _keys_in_file(settings.token_signer_key)
    return SigningKeys(
        tokens=directory.secrets.get_or_create(API_TOKENS_SECRET).encode(),
        sessions=directory.secrets.get_or_create(WEB_SESSION_SECRET),
    )


def shared_keys(settings: Settings, data_dir: Path | None) -> SigningKeys:
    """Return the keys for one of several processes: from TOKEN_SIGNER_KEY, else from the data directory.

    Raises UsageError if there are none: a process with newly created keys would reject users who logged in at
    another one.
    """
    if settings.token_signer_key is not None:
        return _keys_in_file(settings.token_signer_key)
    if data_dir is None:
        raise UsageError(
            "Set TOKEN_SIGNER_KEY to a file with the key that signs tokens and sessions, the same for all "
            f"processes of this installation. {_HOW_TO_MAKE_ONE}, and give each machine a copy."
        )
    secrets = Secrets(data_dir.expanduser().absolute() / "secrets")
    tokens, sessions = secrets.get(API_TOKENS_SECRET), secrets.get(WEB_SESSION_SECRET)
    if tokens is None or sessions is None:
        raise UsageError(
            f"The installation in {data_dir} has no keys yet. Start it once with `hortus up`, which makes them."
        )
    return SigningKeys(tokens=tokens.encode(), sessions=sessions)


def _keys_in_file(path: Path) -> SigningKeys:
    """Return both keys from one file, so that an operator has only one secret to distribute."""
    try:
        key = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"TOKEN_SIGNER_KEY names {path}, which cannot be read: {error.strerror}. {_HOW_TO_MAKE_ONE}."
        ) from error
    # Derived, so that an attacker who learns the sessions' key cannot sign tokens.
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"hortus web sessions").derive(key)
    return SigningKeys(tokens=key, sessions=base64.urlsafe_b64encode(derived).decode())
