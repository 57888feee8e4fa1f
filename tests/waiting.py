"""Waiting for a condition, as tests do: never for a time, and in vain they say what they waited for."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

# How long a starved machine may take. Nothing is decided by it but when a test gives up.
PATIENCE_SECONDS = 90.0

_PAUSE_SECONDS = 0.01


async def until(condition: Callable[[], Any], what: str = "") -> Any:
    """Return what the condition (a function, maybe of an awaitable) finds as soon as it finds something."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = condition()
                if isinstance(found, Awaitable):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError:
        raise AssertionError(_in_vain(condition, what)) from None


def wait_until(condition: Callable[[], Any], what: str = "") -> Any:
    """As `until`, of a function, for tests without an event loop."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, _in_vain(condition, what)
        time.sleep(_PAUSE_SECONDS)
    return found


def _in_vain(condition: Callable[[], Any], what: str) -> str:
    return f"waited in vain until {what or inspect.getsource(condition).strip()}"
