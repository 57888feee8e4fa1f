"""Matching of messages to subscribers."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, TypeVar

from hortus.protocol.mqtt.packets import Subscription
from hortus.protocol.mqtt.topics import filter_matches, parse_shared_filter

# Results are cached per topic, because readings arrive on few topics and subscriptions change rarely.
_MAX_REMEMBERED_TOPICS = 10_000

Subscriber = TypeVar("Subscriber", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """How one subscriber receives a message: the combination of its overlapping subscriptions."""

    qos: int
    no_local: bool
    retain_as_published: bool
    subscription_identifiers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One subscription of one subscriber."""

    subscription: Subscription
    identifier: int | None


@dataclass(slots=True)
class SharedGroup(Generic[Subscriber]):
    """The members of one shared subscription, which take turns (section 4.8.2)."""

    members: dict[Subscriber, Held] = field(default_factory=dict)
    turn: int = 0

    def in_turn(self) -> list[Subscriber]:
        """Return the members, starting with the one whose turn it is."""
        members = list(self.members)
        if not members:
            return []
        first = self.turn % len(members)
        self.turn += 1
        return members[first:] + members[:first]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience(Generic[Subscriber]):
    """All subscribers to messages of one topic."""

    interests: dict[Subscriber, Interest]
    groups: tuple[SharedGroup[Subscriber], ...]

    def __bool__(self) -> bool:
        return bool(self.interests or self.groups)


class Router(Generic[Subscriber]):
    """Stores subscriptions and finds the audience of a topic. Assumes that filters are valid.

    Those who share a subscription take turns within one scope, as `scope_of` tells it of a subscriber.
    """

    def __init__(self, scope_of: Callable[[Subscriber], str] = lambda _subscriber: "") -> None:
        self._scope_of = scope_of
        self._exact: dict[str, dict[Subscriber, Held]] = {}
        self._wildcard: dict[str, dict[Subscriber, Held]] = {}
        self._shared: dict[tuple[str, str], SharedGroup[Subscriber]] = {}
        self._remembered: dict[str, Audience[Subscriber]] = {}

    def subscribe(
        self, subscriber: Subscriber, subscription: Subscription, identifier: int | None = None
    ) -> bool:
        """Add or replace a subscription; return whether it is new."""
        topic_filter = subscription.topic_filter
        members = self._members(topic_filter, subscriber)
        is_new = subscriber not in members
        members[subscriber] = Held(subscription=subscription, identifier=identifier)
        self._forget(topic_filter)
        return is_new

    def unsubscribe(self, subscriber: Subscriber, topic_filter: str) -> bool:
        """Remove a subscription; return whether it existed."""
        members = self._members(topic_filter, subscriber)
        existed = members.pop(subscriber, None) is not None
        if not members:
            self._shared.pop((self._scope_of(subscriber), topic_filter), None)
            for table in (self._exact, self._wildcard):
                table.pop(topic_filter, None)
        self._forget(topic_filter)
        return existed

    def audience(self, topic: str) -> Audience[Subscriber]:
        """Return the subscribers to this topic."""
        audience = self._remembered.get(topic)
        if audience is None:
            audience = self._find(topic)
            if len(self._remembered) >= _MAX_REMEMBERED_TOPICS:
                self._remembered.clear()
            self._remembered[topic] = audience
        return audience

    def _members(self, topic_filter: str, subscriber: Subscriber) -> dict[Subscriber, Held]:
        if parse_shared_filter(topic_filter) is not None:
            return self._shared.setdefault((self._scope_of(subscriber), topic_filter), SharedGroup()).members
        return self._table(topic_filter).setdefault(topic_filter, {})

    def _table(self, topic_filter: str) -> dict[str, dict[Subscriber, Held]]:
        return self._wildcard if "+" in topic_filter or "#" in topic_filter else self._exact

    def _forget(self, topic_filter: str) -> None:
        # Kits come and go with exact filters: they must not invalidate the cache for all other topics.
        if topic_filter in self._exact or not any(mark in topic_filter for mark in "+#$"):
            self._remembered.pop(topic_filter, None)
        else:
            self._remembered.clear()

    def _find(self, topic: str) -> Audience[Subscriber]:
        matching: dict[Subscriber, list[Held]] = {}
        wildcard = (held for pattern, held in self._wildcard.items() if filter_matches(pattern, topic))
        for members in chain((self._exact.get(topic, {}),), wildcard):
            for subscriber, held in members.items():
                matching.setdefault(subscriber, []).append(held)
        groups = []
        for (_, pattern), group in self._shared.items():
            shared = parse_shared_filter(pattern)
            if shared is not None and filter_matches(shared.topic_filter, topic):
                groups.append(group)
        interests = {subscriber: together(held) for subscriber, held in matching.items()}
        return Audience(interests=interests, groups=tuple(groups))


def together(held: list[Held]) -> Interest:
    """Return the highest QoS and all identifiers of overlapping subscriptions (section 3.3.4)."""
    return Interest(
        qos=max(each.subscription.qos for each in held),
        no_local=all(each.subscription.no_local for each in held),
        retain_as_published=any(each.subscription.retain_as_published for each in held),
        subscription_identifiers=tuple(each.identifier for each in held if each.identifier is not None),
    )
