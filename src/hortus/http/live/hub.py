"""The live feed of one process: one database connection that listens and queries for all subscribers.

NOTIFY hortus_stored -> affected feeds with subscribers -> one statement for all of them -> values sent

NOTIFY hortus_registry -> forget the values of configurations that were deleted

NOTIFY hortus_access -> recheck who may see what -> only then the next values

Values are sent after their commit (P7), whichever process stored them. While the database is away, nothing is
sent and nothing is lost: afterwards each feed continues from its horizon (see `hortus.http.live.topics`), after
access has been rechecked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar

import asyncpg

from hortus.base.database.access_changes import ACCESS_CHANNEL
from hortus.base.database.engine import CONNECTION_FAILURES, close_soon
from hortus.base.database.listening import PING_SECONDS
from hortus.base.database.triggers import REGISTRY_CHANNEL
from hortus.base.errors import describe_error
from hortus.base.events import set_within
from hortus.base.supervision import note_failure, note_success
from hortus.http.live.admission import ConnectionCounter, LiveLimits
from hortus.http.live.feed import Feed, FeedKey, Subscriber
from hortus.http.live.principals import Claim
from hortus.http.live.topics import ALL_TOPICS, DELETED_PERIPHERALS, HORIZON_NOW, Topic
from hortus.http.server.database_access import DatabaseNotAnswering

log = logging.getLogger(__name__)

T = TypeVar("T")

_RETRY_SECONDS = 1.0
_STATEMENT_SECONDS = 10.0
_FEEDS_PER_STATEMENT = 100
_CLAIMS_PER_STATEMENT = 500

AccessCheck = Callable[[Sequence[Claim]], Awaitable[list[int | None]]]
"""Returns the kit id of each claim that is valid. Raises DatabaseNotAnswering."""


class LiveHub:
    """Sends stored values to subscribers. `clock` returns the current time as an aware datetime."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        check: AccessCheck,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        limits: LiveLimits | None = None,
    ) -> None:
        self.limits = limits or LiveLimits()
        self.admission = ConnectionCounter(self.limits)
        self.access_changes = 0
        self._connect = connect
        self.check = check
        self._clock = clock
        self._feeds: dict[FeedKey, Feed] = {}
        # By id and by serial, as notifications name kits.
        self._feeds_of_kit: dict[str, list[Feed]] = {}
        self._dirty: dict[FeedKey, None] = {}
        self._doubted: dict[Subscriber, None] = {}
        self._reconfigured: dict[FeedKey, None] = {}
        self._woken = asyncio.Event()
        self._connected = asyncio.Event()
        self._loaded = asyncio.Condition()
        self._next_recheck = 0.0
        self._is_away = False

    @property
    def is_connected(self) -> bool:
        """Whether it is listening to the database."""
        return self._connected.is_set()

    @property
    def connections(self) -> int:
        """The number of clients connected to this process."""
        return self.admission.connections

    @property
    def subscriptions(self) -> int:
        """The number of subscriptions in this process."""
        return sum(len(feed.subscribers) for feed in self._feeds.values())

    @asynccontextmanager
    async def feed_of(self, topic: Topic, kit_id: int, serial: str) -> AsyncIterator[Feed]:
        """Yield a feed that is up to date; call `join` before awaiting anything else.

        Raises DatabaseNotAnswering if it cannot be brought up to date in time.
        """
        key = FeedKey(topic.name, kit_id)
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = Feed(topic, kit_id, serial, self.limits.values_held_back)
            for name in (str(kit_id), serial):
                self._feeds_of_kit.setdefault(name, []).append(feed)
            self._mark(feed)
        feed.waiting += 1
        try:
            try:
                async with asyncio.timeout(self.limits.answer_seconds):
                    await self._connected.wait()
                    async with self._loaded:
                        await self._loaded.wait_for(lambda: feed.horizon is not None)
            except TimeoutError as error:
                raise DatabaseNotAnswering from error
            yield feed
        finally:
            feed.waiting -= 1
            self._drop_if_unneeded(feed)

    def join(self, feed: Feed, subscriber: Subscriber) -> None:
        """Send this subscriber the latest values, and then each new one without a gap."""
        now = self._clock()
        feed.subscribers[subscriber] = None
        for item in feed.last_values(now):
            subscriber.hear(item, is_late=False)

    def leave(self, feed: Feed, subscriber: Subscriber) -> None:
        """Stop sending to this subscriber. Idempotent."""
        feed.subscribers.pop(subscriber, None)
        self._doubted.pop(subscriber, None)
        self._drop_if_unneeded(feed)

    def doubt(self, subscribers: Iterable[Subscriber]) -> None:
        """Recheck the access of these subscribers before anything else is sent."""
        self._doubted.update(dict.fromkeys(subscribers))
        self._woken.set()

    async def run(self) -> None:
        """Run until cancelled, reconnecting as often as necessary. May be run again after it has failed."""
        while True:
            try:
                await self._connect_and_serve()
            except (*CONNECTION_FAILURES, DatabaseNotAnswering) as error:
                note_failure(error)
                # Logged once per outage, not for each attempt.
                if not self._is_away:
                    log.warning("the live feed is waiting for the database: %s", describe_error(error))
                self._is_away = True
            await asyncio.sleep(_RETRY_SECONDS)

    async def _connect_and_serve(self) -> None:
        connection = await self._connect()
        try:
            await self._serve(connection)
            log.warning("lost the database connection of the live feed; reconnecting")
        finally:
            self._pause()
            await close_soon(connection)

    async def _serve(self, connection: asyncpg.Connection) -> None:
        """Listen and query until the connection is lost."""
        connection.add_termination_listener(lambda _connection: self._woken.set())
        await connection.add_listener(ACCESS_CHANNEL, self._access_changed)
        for channel in {topic.channel for topic in ALL_TOPICS}:
            await connection.add_listener(channel, self._stored)
        await connection.add_listener(REGISTRY_CHANNEL, self._registry_changed)
        # Access and configurations may have changed while nothing was listening.
        self._doubt_all()
        self._reconfigured.update(dict.fromkeys(self._feeds))
        self._dirty.update(dict.fromkeys(self._feeds))
        self._woken.set()
        while not connection.is_closed():
            await self._wait_for_work(connection)
            await self._forget_deleted(connection)
            await self._settle_doubts()
            self._resume()
            for feed in self._feeds.values():
                feed.tell_due(self._clock())
            await self._look(connection)
            note_success()
            # A short pause to collect further commits, so that a busy kit costs a few queries, not one per
            # commit.
            await asyncio.sleep(self.limits.pause_seconds)

    async def _wait_for_work(self, connection: asyncpg.Connection) -> None:
        wait_seconds = min(PING_SECONDS, self._next_recheck - time.monotonic())
        due = [feed.next_due for feed in self._feeds.values() if feed.next_due is not None]
        if due:
            wait_seconds = min(wait_seconds, (min(due) - self._clock()).total_seconds())
        if not await set_within(self._woken, wait_seconds):
            # A dead connection may stay silent.
            await connection.execute("SELECT 1", timeout=_STATEMENT_SECONDS)
        if time.monotonic() >= self._next_recheck:
            self._doubt_all()
        self._woken.clear()

    async def _forget_deleted(self, connection: asyncpg.Connection) -> None:
        """Drop the values of deleted configurations that feeds have in memory."""
        keys, self._reconfigured = list(self._reconfigured), {}
        for key in keys:
            feed = self._feeds.get(key)
            if feed is not None and feed.topic.of_configuration:
                rows = await connection.fetch(DELETED_PERIPHERALS, feed.kit_id, timeout=_STATEMENT_SECONDS)
                feed.forget_peripherals({row["id"] for row in rows})

    async def _settle_doubts(self) -> None:
        while self._doubted:
            for subscribers in _chunks(list(self._doubted), _CLAIMS_PER_STATEMENT):
                kit_ids = await self.check([subscriber.claim for subscriber in subscribers])
                for subscriber, kit_id in zip(subscribers, kit_ids, strict=True):
                    still_doubted = subscriber in self._doubted  # unless it left in the meantime
                    self._doubted.pop(subscriber, None)
                    if still_doubted and kit_id is None:
                        subscriber.end("You no longer have access to this kit.")

    async def _look(self, connection: asyncpg.Connection) -> None:
        keys, self._dirty = list(self._dirty), {}
        feeds = [self._feeds[key] for key in keys if key in self._feeds]
        try:
            for feed in feeds:
                if feed.horizon is None:
                    await self._load(connection, feed)
            for topic in ALL_TOPICS:
                of_topic = [feed for feed in feeds if feed.topic is topic and feed.horizon is not None]
                for some in _chunks(of_topic, _FEEDS_PER_STATEMENT):
                    await self._tell_new(connection, topic, some)
        except BaseException:
            # They were not queried, or not completely; their horizons are unchanged.
            self._dirty.update(dict.fromkeys(keys))
            raise

    async def _load(self, connection: asyncpg.Connection, feed: Feed) -> None:
        """Load the values stored before the first subscription, from one snapshot."""
        topic, now = feed.topic, self._clock()
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            horizon = await connection.fetchval(HORIZON_NOW, timeout=_STATEMENT_SECONDS)
            last = await connection.fetch(
                topic.last_rows, feed.kit_id, now - topic.depth, now, timeout=_STATEMENT_SECONDS
            )
            feed.load_last(topic.item(row, feed.serial) for row in last)
            told = await connection.fetch(
                topic.new_rows,
                [feed.kit_id],
                [horizon],
                [feed.since(now)],
                None,
                timeout=_STATEMENT_SECONDS,
            )
            future = await connection.fetch(
                topic.future_rows, feed.kit_id, now, feed.most_held_back, timeout=_STATEMENT_SECONDS
            )
        feed.load(
            horizon,
            [topic.item(row, feed.serial) for row in told if row[topic.id] is not None],
            [topic.item(row, feed.serial) for row in future],
        )
        async with self._loaded:
            self._loaded.notify_all()

    async def _tell_new(self, connection: asyncpg.Connection, topic: Topic, feeds: Sequence[Feed]) -> None:
        now = self._clock()
        rows = await connection.fetch(
            topic.new_rows,
            [feed.kit_id for feed in feeds],
            [feed.horizon for feed in feeds],
            [feed.since(now) for feed in feeds],
            self.limits.values_per_look,
            timeout=_STATEMENT_SECONDS,
        )
        # What was stored after somebody's right ended may be among the rows. The server announced the end
        # before it finished this statement.
        await self._settle_doubts()
        by_kit: dict[int, list[asyncpg.Record]] = {feed.kit_id: [] for feed in feeds}
        for row in rows:
            by_kit[row["of_kit_id"]].append(row)
        for feed in feeds:
            found = by_kit[feed.kit_id]
            horizon = found[0]["horizon"]
            if feed.horizon is not None and horizon < feed.horizon:
                log.warning("the database went back in time; restarting the live feed of %s", feed.serial)
                feed.forget()
                self._mark(feed)
                continue
            items = [topic.item(row, feed.serial) for row in found if row[topic.id] is not None]
            new = feed.take(horizon, items, found[0]["found"] or 0, now)
            # In chunks smaller than a reader's queue, so that each can receive them before the next arrive.
            for some in _chunks(new, max(1, self.limits.waiting_values // 2)):
                feed.tell(some, now)
                await asyncio.sleep(0)

    def _stored(self, _connection: object, _process_id: int, channel: str, payload: str) -> None:
        """Mark the kits with new values; `*` means more than a notification can hold."""
        if payload == "*":
            concerned = list(self._feeds.values())
        else:
            concerned = [feed for name in payload.split() for feed in self._feeds_of_kit.get(name, ())]
        for feed in concerned:
            if feed.topic.channel == channel:
                self._mark(feed)

    def _registry_changed(self, _connection: object, _process_id: int, _channel: str, payload: str) -> None:
        what, _, serial = payload.partition(" ")
        if what == "kit-configuration":
            feeds = self._feeds_of_kit.get(serial, ())
            self._reconfigured.update(dict.fromkeys(feed.key for feed in feeds))
            self._woken.set()

    def _access_changed(self, _connection: object, _process_id: int, _channel: str, payload: str) -> None:
        """Mark the subscribers whose access may have changed with members, privacy, keys or accounts."""
        self.access_changes += 1
        what, _, number = payload.partition(" ")
        for feed in self._feeds.values():
            if what == "kit" and number == str(feed.kit_id):
                self.doubt(feed.subscribers)
            elif what == "user":
                of_user = [each for each in feed.subscribers if str(each.claim.principal.user_id) == number]
                self.doubt(of_user)

    def _doubt_all(self) -> None:
        self.access_changes += 1
        self._next_recheck = time.monotonic() + self.limits.recheck_seconds
        for feed in self._feeds.values():
            self.doubt(feed.subscribers)

    def _pause(self) -> None:
        if self._connected.is_set():
            self._connected.clear()
            for feed in self._feeds.values():
                for subscriber in list(feed.subscribers):
                    subscriber.pause()

    def _resume(self) -> None:
        if not self._connected.is_set():
            self._connected.set()
            self._is_away = False
            for feed in self._feeds.values():
                for subscriber in list(feed.subscribers):
                    subscriber.resume()

    def _mark(self, feed: Feed) -> None:
        self._dirty[feed.key] = None
        self._woken.set()

    def _drop_if_unneeded(self, feed: Feed) -> None:
        if not feed.is_needed and self._feeds.get(feed.key) is feed:
            del self._feeds[feed.key]
            for name in (str(feed.kit_id), feed.serial):
                of_kit = self._feeds_of_kit[name]
                of_kit.remove(feed)
                if not of_kit:
                    del self._feeds_of_kit[name]


def _chunks(values: list[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
