"""Counters of the endpoint, as plain numbers to be exported elsewhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class EndpointCounters:
    """Counts since the start; `connections` is the current number."""

    connections: int = 0
    connections_accepted: int = 0
    connections_refused: int = 0
    connections_displaced: int = 0
    connections_taken_over: int = 0
    failed_logins: int = 0
    protocol_errors: int = 0
    messages_received: int = 0
    bytes_received: int = 0
    messages_offered: int = 0
    messages_settled: int = 0
    messages_refused: int = 0
    messages_set_aside: int = 0
    duplicates_ignored: int = 0
    messages_delivered: int = 0
    messages_dropped: int = 0
    subscribers_cut_off: int = 0
    retained_dropped: int = 0
    callback_errors: int = 0
    internal_errors: int = 0
    publishers_held: int = 0
