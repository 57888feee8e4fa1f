"""What the live feed grants, so that nobody can take all of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLimits:
    """Per process.

    `subscriptions` are those of one connection (contract, 5); `waiting_values` is how many wait for a slow
    reader before only the newest of each series are kept; `values_per_look` is how many new values of one kit
    are read at a time, the newest first.
    """

    connections: int = 2_000
    connections_per_address: int = 100
    connections_per_user: int = 50
    subscriptions: int = 8
    waiting_values: int = 256
    values_per_look: int = 2_000
    values_held_back: int = 5_000
    waiting_replies: int = 16
    answer_seconds: float = 5.0
    recheck_seconds: float = 30.0
    pause_seconds: float = 0.01
