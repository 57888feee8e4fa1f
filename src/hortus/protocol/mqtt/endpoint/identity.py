"""Identities of connected peers, and the interfaces that the endpoint requires from its surroundings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hortus.base.intake import MessageSource


class IdentityKind(StrEnum):
    """A kit is restricted to its own topics (kit-mqtt 1.3), a reader to its filters, a server account not."""

    KIT = "kit"
    SERVER = "server"
    READER = "reader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An authenticated peer; `name` is a kit's serial or the name of an account.

    A reader subscribes within `read_filters` and publishes nothing. `credential` changes with the password. So
    no session outlives a change of either.
    """

    kind: IdentityKind
    name: str
    read_filters: tuple[str, ...] = ()
    credential: str = ""


class Authenticator(Protocol):
    """Verifies a user name and a password."""

    async def authenticate(self, username: str, password: bytes) -> Identity | None:
        """Return the identity, or None if the password is wrong or the user unknown.

        Deriving a key takes about 10 ms of CPU: do it off the event loop.
        """


class OnSetAside(Protocol):
    """Quarantines a message that a sender may not publish but that cannot be refused (MQTT 3.1.1, QoS 0).

    Stores it in quarantine under `reason`, then settles `handle` at `source` as an intake does. If
    `payload_bytes` exceeds the length of `payload`, the message was also too large and this is its beginning.
    """

    def __call__(
        self,
        identity: Identity,
        topic: str,
        payload: bytes,
        payload_bytes: int,
        reason: str,
        source: MessageSource,
        handle: int,
        /,
    ) -> None:
        """Accept one message; never blocks and never drops."""


# A refusal that was sent to the publisher, reported so that it can be counted (P3): identity, topic, reason.
OnRefused = Callable[[Identity, str, str], None]

# What a kit says about itself on a status topic of its own: serial, text.
OnOwnWord = Callable[[str, str], None]

# The first connection of a kit opened (True), or its last one closed (False).
OnPresence = Callable[[str, bool], None]

# Two clients use the account of this kit.
OnShared = Callable[[str], None]
