"""What becomes of the session and the will of a connection that was closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from hortus.protocol.mqtt.endpoint.broker import Broker
from hortus.protocol.mqtt.endpoint.containment import contained
from hortus.protocol.mqtt.endpoint.counters import EndpointCounters
from hortus.protocol.mqtt.endpoint.identity import Identity
from hortus.protocol.mqtt.endpoint.inbox import Inbox
from hortus.protocol.mqtt.endpoint.own_words import OwnWords, status_topic_of
from hortus.protocol.mqtt.endpoint.routes import Route, route_of, set_aside_reason
from hortus.protocol.mqtt.endpoint.sessions import DelayedWill, Session, SessionConnection
from hortus.protocol.mqtt.packets import NO_PROPERTIES, Properties, Publish, Will


class Farewell:
    """Ends or keeps sessions, and publishes wills: at once, when due, or at the end of their session."""

    def __init__(
        self,
        *,
        broker: Broker,
        inbox: Inbox,
        own_words: OwnWords,
        counters: EndpointCounters,
        clock: Callable[[], float],
    ) -> None:
        self._broker = broker
        self._inbox = inbox
        self._own_words = own_words
        self._counters = counters
        self._clock = clock

    def __call__(self, connection: SessionConnection, session: Session, will: Will | None) -> None:
        """Handle the session of a closed connection, and the will that its client did not take back."""
        delay_seconds = (will.properties.will_delay_interval_seconds or 0) if will is not None else 0
        if session.connection is not connection:
            # Taken over by a newer connection. If the session goes on, the client came back before a delayed
            # will was due, so that will must not be sent (section 3.1.3.2.2).
            if will is not None and (session.has_ended or not delay_seconds):
                self._publish(session.identity, will)
        elif will is None:
            self._broker.leave(session)
        elif delay_seconds and session.expiry_seconds:
            due_at = self._clock() + min(delay_seconds, session.expiry_seconds)
            publish = partial(self._publish, session.identity, will)
            self._broker.leave(session, DelayedWill(due_at=due_at, publish=publish))
        else:
            self._broker.leave(session)
            self._publish(session.identity, will)

    def _publish(self, identity: Identity, will: Will) -> None:
        with contained(
            self._counters, "The will of %s on topic %r was not published.", identity.name, will.topic
        ):
            self._route(identity, will)

    def _route(self, identity: Identity, will: Will) -> None:
        """Treat a will like a message of its client: the same rules apply, and nothing is acknowledged."""
        properties = _properties_of_message(will.properties)
        publish = Publish(will.topic, will.payload, will.qos, 0, will.retain, False, properties)
        route = route_of(identity, will.topic)
        if route is Route.STORE:
            self._inbox.offer(None, publish)
        elif route is Route.DELIVER:
            self._broker.route(publish)
        elif not (status_topic_of(identity, will) and self._own_words.take(identity, publish)):
            self._inbox.set_aside(None, identity, publish, set_aside_reason(route))


def _properties_of_message(properties: Properties) -> Properties:
    """Return the properties of a will that its message carries: all but the delay, which is for us."""
    if properties.will_delay_interval_seconds is None:
        return properties
    remaining = replace(properties, will_delay_interval_seconds=None)
    return NO_PROPERTIES if remaining == NO_PROPERTIES else remaining
