"""Limits on the number of connections: in total, per address and per user."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hortus.base.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLimits:
    """Limits of the live feed per process.

    `subscriptions` is the limit of one connection (http-api 5); `waiting_values` is how many values may queue
    for a slow reader before only the newest of each series are kept; `values_per_look` is how many new values
    of one kit are read at a time, the newest first.
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


class TooManyConnections(UsageError):
    """One connection too many. `is_full` if the total is reached, not this address's or user's limit."""

    def __init__(self, sentence: str, *, is_full: bool) -> None:
        super().__init__(sentence)
        self.is_full = is_full


class Seat:
    """One connection's place in the count, to be given back when it closes."""

    def __init__(self, admission: ConnectionCounter, network: str) -> None:
        self._admission = admission
        self._network = network
        self._user_id: int | None = None

    def belongs_to(self, user_id: int | None) -> None:
        """Count the connection for this user from now on. Raises TooManyConnections without any change."""
        if user_id != self._user_id:
            self._admission.count_user(user_id)
            self._admission.discount_user(self._user_id)
            self._user_id = user_id

    def give_back(self) -> None:
        """Give the place back. Must be called exactly once."""
        self._admission.discount_user(self._user_id)
        self._admission.discount(self._network)


class ConnectionCounter:
    """Counts connections. Each process counts for itself."""

    def __init__(self, limits: LiveLimits) -> None:
        self._limits = limits
        self._of_network: Counter[str] = Counter()
        self._of_user: Counter[int] = Counter()

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return self._of_network.total()

    def seat(self, network: str) -> Seat:
        """Return a place for a connection from this address. Raises TooManyConnections."""
        if self.connections >= self._limits.connections:
            raise TooManyConnections("Too many live connections are open. Try again later.", is_full=True)
        if self._of_network[network] >= self._limits.connections_per_address:
            raise TooManyConnections(
                "There are too many live connections from your address. Close some first.", is_full=False
            )
        self._of_network[network] += 1
        return Seat(self, network)

    def count_user(self, user_id: int | None) -> None:
        """Add a connection of this user. Raises TooManyConnections."""
        if user_id is None:
            return
        if self._of_user[user_id] >= self._limits.connections_per_user:
            raise TooManyConnections("You have too many live connections. Close some first.", is_full=False)
        self._of_user[user_id] += 1

    def discount_user(self, user_id: int | None) -> None:
        """Remove a connection of this user."""
        if user_id is not None:
            self._of_user[user_id] -= 1
            self._of_user += Counter()  # drops users without connections

    def discount(self, network: str) -> None:
        """Remove a connection of this address."""
        self._of_network[network] -= 1
        if not self._of_network[network]:
            del self._of_network[network]
