"""The route of a message, by its topic and sender. Pure."""

from __future__ import annotations

from enum import Enum

from hortus.protocol.mqtt.endpoint.identity import Identity, IdentityKind
from hortus.protocol.mqtt.topics import DATA_CHANNELS, kit_may_publish, parse_kit_topic

# Reasons for quarantining a message, by the names that quarantine uses.
TOPIC_OUTSIDE_CONTRACT = "topic-outside-contract"
TOPIC_NOT_ALLOWED = "topic-not-allowed"

# A kit uses five topics; a server account may use any number.
_MAX_CACHED_ROUTES = 1024


class Route(Enum):
    """How the endpoint handles a message."""

    STORE = "offer to the intake; acknowledge and deliver when it is settled"
    DELIVER = "acknowledge and deliver at once"
    FORBIDDEN = "a topic of the kit protocol that this kit must not publish on; any topic, for a reader"
    OUTSIDE = "a kit on a topic outside the kit protocol"


def route_of(identity: Identity, topic: str) -> Route:
    """Return the route of a message. Readings are stored from any sender: a server account may be a bridge."""
    if identity.kind is IdentityKind.READER:
        return Route.FORBIDDEN
    parsed = parse_kit_topic(topic)
    if identity.kind is IdentityKind.KIT and not kit_may_publish(identity.name, topic):
        return Route.OUTSIDE if parsed is None else Route.FORBIDDEN
    return Route.STORE if parsed is not None and parsed.channel in DATA_CHANNELS else Route.DELIVER


class RouteCache(dict[str, Route]):
    """The routes of one sender's messages by topic, each determined once. Cleared when full."""

    def __init__(self, identity: Identity) -> None:
        super().__init__()
        self._identity = identity

    def __missing__(self, topic: str) -> Route:
        if len(self) >= _MAX_CACHED_ROUTES:
            self.clear()
        route = self[topic] = route_of(self._identity, topic)
        return route


def set_aside_reason(route: Route) -> str:
    """Return the machine-readable reason for quarantining a message."""
    return TOPIC_OUTSIDE_CONTRACT if route is Route.OUTSIDE else TOPIC_NOT_ALLOWED
