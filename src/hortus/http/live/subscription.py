"""One subscription of a connection to the live feed, and what is sent for it (http-api 5.2)."""

from __future__ import annotations

import secrets
from typing import Protocol

from hortus.http.live.feed import Feed
from hortus.http.live.jsonrpc import notification, subscription_prefix
from hortus.http.live.outbox import FeedOutbox, Skipped
from hortus.http.live.principals import Claim, Principal
from hortus.http.live.topics import Item, Topic

_SUBSCRIPTION_BITS = 53  # the exact integers of a JavaScript number


class Subscribing(Protocol):
    """The connection that subscribes; it may be assigned to another user."""

    principal: Principal
    outbox: FeedOutbox

    def end(self, subscription: FeedSubscription, reason: str) -> None:
        """End a subscription from the server's side."""


class FeedSubscription:
    """One connection's subscription to one feed.

    A client that knows no notifications but values takes neither `skipped` nor any other notice.
    """

    def __init__(
        self,
        session: Subscribing,
        topic: Topic,
        serial: str,
        method: str,
        *,
        takes_late: bool,
        takes_notices: bool = True,
    ) -> None:
        self.id = secrets.randbits(_SUBSCRIPTION_BITS)
        self.prefix = subscription_prefix(method, self.id)
        self.topic = topic
        self.serial = serial
        self.takes_notices = takes_notices
        self.feed: Feed | None = None
        self._session = session
        self._takes_late = takes_late

    @property
    def claim(self) -> Claim:
        """The subscriber and their kit; the connection may have been assigned to another user."""
        return Claim(self._session.principal, self.serial)

    def hear(self, item: Item, *, is_late: bool) -> None:
        """Send a value. Clients that show only the latest of each series do not get older ones (P8)."""
        if is_late and not self._takes_late:
            self._session.outbox.skip(self, Skipped.LATE)
        else:
            self._session.outbox.put_value(self, item)

    def missed(self, count: int) -> None:
        """Report skipped values."""
        self._session.outbox.skip(self, Skipped.MANY, count)

    def end(self, reason: str) -> None:
        """Announce the end of the subscription."""
        self._session.end(self, reason)

    def pause(self) -> None:
        """Announce that values may be missing for a while."""
        self.notify("interrupted")

    def resume(self) -> None:
        """Announce that the values are complete again."""
        self.notify("resumed")

    def notify(self, method: str, **more: str) -> None:
        """Send a notice about this subscription, if the client takes notices."""
        if self.takes_notices:
            self._session.outbox.put(notification(method, {"subscription": self.id, **more}))
