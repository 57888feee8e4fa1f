"""The broker inside the endpoint: sessions, subscriptions, retained messages, delivery."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from hortus.protocol.mqtt.endpoint.containment import contained
from hortus.protocol.mqtt.endpoint.counters import EndpointCounters
from hortus.protocol.mqtt.endpoint.identity import Identity, IdentityKind
from hortus.protocol.mqtt.endpoint.limits import EndpointLimits
from hortus.protocol.mqtt.endpoint.outbound import Outbound, OutboundMessage, SharedAllowance
from hortus.protocol.mqtt.endpoint.retained import RetainedMessages
from hortus.protocol.mqtt.endpoint.router import Interest, Router, SharedGroup, together
from hortus.protocol.mqtt.endpoint.sessions import (
    DelayedWill,
    Session,
    SessionConnection,
    SessionStore,
)
from hortus.protocol.mqtt.packets import (
    MQTT_5,
    NO_PROPERTIES,
    SUBSCRIPTION_FAILURE,
    Properties,
    Publish,
    ReasonCode,
    Subscribe,
    Subscription,
)
from hortus.protocol.mqtt.topics import is_valid_filter, kit_may_subscribe, reader_may_subscribe

logger = logging.getLogger(__name__)

LocalCallback = Callable[[str, bytes], None]


class LocalSubscriber:
    """A subscriber inside this process."""

    def __init__(self, callback: LocalCallback) -> None:
        self.callback = callback


Subscriber = Session | LocalSubscriber


class Broker:
    """Delivers messages to subscribers. Knows nothing about sockets; must be called from the event loop."""

    def __init__(
        self, *, limits: EndpointLimits, counters: EndpointCounters, clock: Callable[[], float]
    ) -> None:
        self._limits = limits
        self._counters = counters
        self._clock = clock
        self._router: Router[Subscriber] = Router(_sharing_scope)
        self._sessions = SessionStore(
            max_absent=limits.max_absent_sessions,
            max_absent_of_identity=limits.max_absent_sessions_of_identity,
        )
        self._retained = RetainedMessages(limits=limits, counters=counters)
        self._allowance = SharedAllowance(limits.max_total_queued_bytes)

    # Sessions

    def connection_of(self, identity: Identity, client_id: str) -> SessionConnection | None:
        """Return the open connection that `join` would take over."""
        session = self._sessions.get(identity, client_id)
        connection = session.connection if session is not None else None
        return None if connection is None or connection.is_closing else connection

    def join(
        self,
        identity: Identity,
        client_id: str,
        connection: SessionConnection,
        *,
        clean_start: bool,
        expiry_seconds: float,
    ) -> tuple[Session, bool]:
        """Attach a connection to its session; return the session and whether it was already present.

        An existing connection of the session is closed: the newer one of the same client wins (section 3.1.4).
        """
        session = self._sessions.get(identity, client_id)
        if session is not None and session.connection is not None:
            with contained(self._counters, "A connection that was taken over could not be closed."):
                session.connection.close(ReasonCode.SESSION_TAKEN_OVER)
            session.connection = None
            session.outbound.detach()
        # A session that ends with its connection is not continued (MQTT 3.1.1, section 3.1.2.4).
        is_present = session is not None and not clean_start and session.expiry_seconds > 0
        if session is not None and not is_present:
            self.end(session)
        if session is None or not is_present:
            session = Session(identity=identity, client_id=client_id, outbound=self._new_outbound())
            self._sessions.add(session)
        session.delayed_will = None
        session.connection = connection
        session.expiry_seconds = expiry_seconds
        self._sessions.returned(session)
        return session, is_present

    def leave(self, session: Session, delayed_will: DelayedWill | None = None) -> None:
        """Detach a session from its closed connection. A delayed will is published when due, or at its end."""
        session.connection = None
        session.outbound.detach()
        session.delayed_will = delayed_will
        if session.expiry_seconds <= 0 or session.has_ended:
            self.end(session)
            return
        for surplus in self._sessions.left(session, self._clock()):
            self.end(surplus)

    def end(self, session: Session) -> None:
        """End a session and drop its queued messages."""
        session.has_ended = True
        self._sessions.remove(session)
        for topic_filter in session.filters:
            self._router.unsubscribe(session, topic_filter)
        session.filters.clear()
        session.outbound.clear()
        self._publish_delayed_will(session)

    def end_all_of(self, kind: IdentityKind, name: str) -> None:
        """End all sessions of a kit or an account."""
        for session in self._sessions.of(kind, name):
            self.end(session)

    def sweep(self) -> None:
        """Publish delayed wills that are due, and end sessions whose clients stayed away for too long."""
        now = self._clock()
        for session in self._sessions.with_due_wills(now):
            self._publish_delayed_will(session)
        for session in self._sessions.expired(now):
            with contained(self._counters, "The expired session %r could not be ended.", session.client_id):
                self.end(session)

    def _publish_delayed_will(self, session: Session) -> None:
        """Publish it once. The caller has other sessions to end, so nothing is raised."""
        will, session.delayed_will = session.delayed_will, None
        if will is not None:
            with contained(self._counters, "The will of %s could not be published.", session.identity.name):
                will.publish()

    def _new_outbound(self) -> Outbound:
        return Outbound(
            limits=self._limits, allowance=self._allowance, counters=self._counters, clock=self._clock
        )

    # Subscriptions

    def subscribe_local(self, topic_filter: str, callback: LocalCallback) -> Callable[[], None]:
        """Call back with topic and payload of each matching message; return a function that unsubscribes."""
        subscriber = LocalSubscriber(callback)
        self._router.subscribe(subscriber, Subscription(topic_filter=topic_filter, qos=2))

        def unsubscribe() -> None:
            self._router.unsubscribe(subscriber, topic_filter)

        return unsubscribe

    def subscribe_all(
        self, session: Session, packet: Subscribe, protocol_level: int
    ) -> tuple[tuple[int, ...], list[OutboundMessage]]:
        """Add the subscriptions of a packet; return the codes for its SUBACK and the retained messages."""
        identifiers = packet.properties.subscription_identifiers
        identifier = identifiers[0] if identifiers else None
        answers = [self.subscribe(session, each, identifier) for each in packet.subscriptions]
        codes = tuple(suback_code(code, protocol_level) for code, _ in answers)
        return codes, [message for _, retained in answers for message in retained]

    def subscribe(
        self, session: Session, subscription: Subscription, identifier: int | None
    ) -> tuple[int, list[OutboundMessage]]:
        """Add a subscription; return the reason code of MQTT 5 and the retained messages to send after it."""
        topic_filter = subscription.topic_filter
        if not is_valid_filter(topic_filter):
            return ReasonCode.TOPIC_FILTER_INVALID, []
        if not _may_subscribe(session.identity, topic_filter):
            return ReasonCode.NOT_AUTHORIZED, []
        if topic_filter not in session.filters and len(session.filters) >= self._limits.max_subscriptions:
            return ReasonCode.QUOTA_EXCEEDED, []
        session.filters.add(topic_filter)
        is_new = self._router.subscribe(session, subscription, identifier)
        handling = subscription.retain_handling
        if handling == 2 or (handling == 1 and not is_new):
            return subscription.qos, []
        return subscription.qos, self._retained_for(subscription, identifier)

    def unsubscribe(self, session: Session, topic_filter: str) -> int:
        """Remove a subscription; return the reason code of MQTT 5."""
        if topic_filter not in session.filters:
            return ReasonCode.NO_SUBSCRIPTION_EXISTED
        session.filters.discard(topic_filter)
        self._router.unsubscribe(session, topic_filter)
        return ReasonCode.SUCCESS

    def _retained_for(self, subscription: Subscription, identifier: int | None) -> list[OutboundMessage]:
        identifiers = () if identifier is None else (identifier,)
        return [
            message._replace(
                qos=min(message.qos, subscription.qos),
                properties=_with_identifiers(message.properties, identifiers),
            )
            for message in self._retained.matching(subscription.topic_filter, self._clock())
        ]

    # Delivery

    def route(self, publish: Publish, origin: Session | None = None) -> int:
        """Deliver a message to all its subscribers; return how many accepted it.

        A subscriber that it cannot be delivered to is left out; the others and the caller do not notice.
        """
        audience = self._router.audience(publish.topic)
        if not audience and not publish.retain:
            return 0
        message = self._outgoing(publish)
        if publish.retain:
            self._retained.keep(message)
        taken = 0
        for subscriber, interest in audience.interests.items():
            if not (interest.no_local and subscriber is origin):
                taken += self._deliver(subscriber, message, interest)
        for group in audience.groups:
            taken += self._deliver_to_group(group, message)
        return taken

    def send_retained(self, session: Session, messages: list[OutboundMessage]) -> None:
        """Send retained messages to a session that has just subscribed."""
        for message in messages:
            self._offer(session, message)

    def _outgoing(self, publish: Publish) -> OutboundMessage:
        properties = publish.properties
        expires_at = None
        if properties is not NO_PROPERTIES:
            if properties.message_expiry_interval_seconds is not None:
                expires_at = self._clock() + properties.message_expiry_interval_seconds
            properties = replace(properties, topic_alias=None, subscription_identifiers=())
        # The retain flag has no meaning under kit/, where nothing is retained.
        retain = publish.retain and not publish.topic.startswith("kit/")
        return OutboundMessage(publish.topic, publish.payload, publish.qos, retain, properties, expires_at)

    def _deliver_to_group(self, group: SharedGroup[Subscriber], message: OutboundMessage) -> bool:
        members = group.in_turn()
        connected = [each for each in members if _is_connected(each)]
        # Connected members come first: a group's messages should not wait for a member that is away.
        for subscriber in connected or members:
            held = group.members.get(subscriber)
            if held is not None and self._deliver(subscriber, message, together([held])):
                return True
        return False

    def _deliver(self, subscriber: Subscriber, message: OutboundMessage, interest: Interest) -> bool:
        if isinstance(subscriber, LocalSubscriber):
            return self._call_back(subscriber, message)
        try:
            return self._deliver_to_session(subscriber, message, interest)
        except Exception:  # noqa: BLE001 - logged there
            self._delivery_failed(subscriber, message.topic)
            return False

    def _deliver_to_session(self, subscriber: Session, message: OutboundMessage, interest: Interest) -> bool:
        if subscriber.has_ended:
            return False
        if not message.payload and subscriber.identity.kind is IdentityKind.KIT:
            # An empty payload on a topic that a kit reads terminates the kit's process (kit 1.0.0b8).
            self._counters.messages_dropped += 1
            return False
        wanted = message._replace(
            qos=min(message.qos, interest.qos),
            retain=message.retain and interest.retain_as_published,
            properties=_with_identifiers(message.properties, interest.subscription_identifiers),
        )
        return self._offer(subscriber, wanted)

    def _delivery_failed(self, session: Session, topic: str) -> None:
        if session.connection is not None:
            # It may have been promised this message: it must learn that one is missing.
            session.connection.break_off(f"delivering a message on topic {topic!r}")
            return
        self._counters.internal_errors += 1
        logger.exception("A message on topic %r could not be kept for %s.", topic, session.identity.name)

    def _call_back(self, subscriber: LocalSubscriber, message: OutboundMessage) -> bool:
        try:
            subscriber.callback(message.topic, message.payload)
        except Exception:  # a failing local subscriber must not stop delivery to the others
            self._counters.callback_errors += 1
            logger.exception("A local subscriber failed on a message on topic %r.", message.topic)
            return False
        return True

    def _offer(self, session: Session, message: OutboundMessage) -> bool:
        if session.outbound.offer(message):
            return True
        self._counters.messages_dropped += 1
        if message.qos and session.connection is not None:
            # It was promised every message of its QoS and cannot keep up: it must learn that one is missing.
            self._counters.subscribers_cut_off += 1
            logger.warning(
                "Subscriber %s (%s) is too slow and was disconnected.", session.identity.name, session.client_id
            )
            session.connection.close(ReasonCode.QUOTA_EXCEEDED)
        return False


def _may_subscribe(identity: Identity, topic_filter: str) -> bool:
    match identity.kind:
        case IdentityKind.KIT:
            return kit_may_subscribe(identity.name, topic_filter)
        case IdentityKind.READER:
            return reader_may_subscribe(identity.read_filters, topic_filter)
        case IdentityKind.SERVER:
            return True


def _sharing_scope(subscriber: Subscriber) -> str:
    """Return who shares a subscription: a reader must not take messages from the groups of other accounts."""
    if isinstance(subscriber, LocalSubscriber) or subscriber.identity.kind is not IdentityKind.READER:
        return ""
    return subscriber.identity.name


def _is_connected(subscriber: Subscriber) -> bool:
    return isinstance(subscriber, LocalSubscriber) or subscriber.connection is not None


def _with_identifiers(properties: Properties, identifiers: tuple[int, ...]) -> Properties:
    return replace(properties, subscription_identifiers=identifiers) if identifiers else properties


def suback_code(reason_code: int, protocol_level: int) -> int:
    """Return the SUBACK code for the protocol level: before MQTT 5 there is only one failure code."""
    is_failure = reason_code >= SUBSCRIPTION_FAILURE
    return SUBSCRIPTION_FAILURE if is_failure and protocol_level != MQTT_5 else reason_code
