"""Log lines about what may happen hundreds of times a second."""

from __future__ import annotations

from collections.abc import Hashable

_PAUSE_SECONDS = 60.0
# Enough for what goes wrong on a site at a time; beyond it, the oldest may be logged again too early.
_MAX_SUBJECTS = 1024


class Occasional:
    """Says whether to log about a subject now: at once, and then at most once a minute."""

    def __init__(self) -> None:
        self._logged_at: dict[Hashable, float] = {}

    def is_due(self, subject: Hashable, now: float) -> bool:
        """Return whether the last time that this returned True for the subject is long enough ago."""
        last = self._logged_at.get(subject)
        if last is not None and now - last < _PAUSE_SECONDS:
            return False
        self._logged_at.pop(subject, None)
        if len(self._logged_at) >= _MAX_SUBJECTS:
            del self._logged_at[next(iter(self._logged_at))]
        self._logged_at[subject] = now
        return True
