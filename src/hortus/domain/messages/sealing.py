"""Encrypting texts in the database with a key derived from the installation's key."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hortus.base.errors import UsageError


class Unreadable(UsageError):
    """A text was sealed with another key."""

    def __init__(self) -> None:
        super().__init__("This was encrypted with another key of this installation and cannot be read.")


class Seal:
    """Encrypts the bodies of messages and the URLs of users' services.

    The key is derived from the key that signs tokens, which all processes of an installation share anyway.
    """

    def __init__(self, installation_key: bytes) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"hortus messages").derive(installation_key)
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def close(self, text: str) -> bytes:
        """Return the text encrypted."""
        return self._fernet.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """Return the decrypted text. Raises Unreadable."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise Unreadable from error
