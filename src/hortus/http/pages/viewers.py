"""Viewers of pages as callers of the API, so that both follow the same rules."""

from __future__ import annotations

from hortus.http.access.caller import Caller
from hortus.http.access.viewer import Viewer


def caller_of(viewer: Viewer) -> Caller:
    """Return the viewer as a caller of the API, for its access rules."""
    return Caller(user_id=viewer.user.id if viewer.user else None)
