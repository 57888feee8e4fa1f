"""Who is at the other end of a connection, and what the endpoint asks of the parts around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hortus.base.intake import MessageSource


class IdentityKind(StrEnum):
    """A kit is held to its own topics (kit-mqtt 1.3); a server account is not."""

    KIT = "kit"
    SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An authenticated peer; `name` is a kit's serial or the name of a server account."""

    kind: IdentityKind
    name: str


class Authenticator(Protocol):
    """Checks a user name and a password."""

    async def authenticate(self, username: str, password: bytes) -> Identity | None:
        """Return who this is, or None if the password is wrong or the user unknown.

        Deriving a key takes about 10 ms of CPU: do it off the event loop.
        """


class OnSetAside(Protocol):
    """Takes a message that its sender was not allowed to publish but cannot be refused (MQTT 3.1.1, QoS 0).

    Keeps it in quarantine under `reason`, then settles `handle` at `source` as an intake does. If
    `payload_bytes` is more than `payload` has, this is the beginning of a message that was too large as well.
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
        """Take over one message; never blocks and never drops."""


# A refusal that was told to the sender, so that it can be counted (P3): who, topic, reason.
OnRefused = Callable[[Identity, str, str], None]

# The first connection of a kit is there (True), or its last one is gone (False).
OnPresence = Callable[[str, bool], None]
