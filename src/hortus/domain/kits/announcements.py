"""Following the database's announcements of changed kits, configurations and quantity types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import asyncpg

from hortus.base.database.listening import listen
from hortus.base.database.triggers import REGISTRY_CHANNEL

Listener = Callable[[str, str], None]
"""Called with what changed (`kit-deleted`, `kit-password`, `kit-configuration`, `quantity-types`,
`mqtt-account`, or `reconnected` when announcements may have been missed) and the kit's serial or the account's
name, if any."""


async def follow_announcements(
    connect: Callable[[], Awaitable[asyncpg.Connection]], listeners: list[Listener]
) -> None:
    """Pass announcements to the listeners until cancelled, reconnecting as often as needed."""
    await listen(
        connect,
        REGISTRY_CHANNEL,
        tell=lambda payload: _announce(listeners, payload),
        connected=lambda: _announce(listeners, "reconnected "),
    )


def _announce(listeners: list[Listener], payload: str) -> None:
    what, _, serial = payload.partition(" ")
    for listener in listeners:
        listener(what, serial)
