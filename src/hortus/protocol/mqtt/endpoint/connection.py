"""The MQTT side of one connection: how each packet of a client is handled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from hortus.base.errors import describe_error
from hortus.protocol.mqtt.endpoint.answers import (
    answer_to_pubrec,
    answer_to_pubrel,
    out_of_place,
    refusal_of_publish,
)
from hortus.protocol.mqtt.endpoint.broker import Broker
from hortus.protocol.mqtt.endpoint.containment import contained
from hortus.protocol.mqtt.endpoint.counters import EndpointCounters
from hortus.protocol.mqtt.endpoint.directory import Directory
from hortus.protocol.mqtt.endpoint.farewell import Farewell
from hortus.protocol.mqtt.endpoint.gate import PublisherGate
from hortus.protocol.mqtt.endpoint.identity import Identity, IdentityKind, OnRefused
from hortus.protocol.mqtt.endpoint.inbox import Inbox
from hortus.protocol.mqtt.endpoint.limits import EndpointLimits
from hortus.protocol.mqtt.endpoint.log_ins import LogIn, OnLogIn, Refusal
from hortus.protocol.mqtt.endpoint.login import (
    Terms,
    acceptance,
    expiry_after,
    receive_maximum_of,
    refusal,
    refusal_of_version,
)
from hortus.protocol.mqtt.endpoint.own_words import OwnWords, status_topic_of
from hortus.protocol.mqtt.endpoint.packet_ids import OpenPacketIds
from hortus.protocol.mqtt.endpoint.routes import Route, RouteCache, set_aside_reason
from hortus.protocol.mqtt.endpoint.sessions import Session
from hortus.protocol.mqtt.endpoint.socket_connection import Pause, SocketConnection
from hortus.protocol.mqtt.endpoint.upload_watch import UploadWatch
from hortus.protocol.mqtt.endpoint.uploads import Uploads
from hortus.protocol.mqtt.packets import (
    MQTT_5,
    Connect,
    Disconnect,
    MqttProtocolError,
    OversizedPublish,
    Packet,
    PacketReader,
    Pingreq,
    Pingresp,
    ProtocolVersionError,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    ReasonCode,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
    encode,
    encode_puback,
    encode_pubrec,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointParts:
    """The parts of an endpoint that all its connections share."""

    limits: EndpointLimits
    counters: EndpointCounters
    broker: Broker
    gate: PublisherGate
    uploads: Uploads
    inbox: Inbox
    own_words: OwnWords
    directory: Directory[EndpointConnection]
    begin_login: Callable[[EndpointConnection, Connect], asyncio.Task[None]]
    farewell: Farewell
    on_refused: OnRefused
    on_log_in: OnLogIn


class EndpointConnection(SocketConnection):
    """One client connection. It is unauthenticated until `accept` assigns it an identity and a session."""

    def __init__(self, parts: EndpointParts) -> None:
        super().__init__(parts.limits, asyncio.get_running_loop())
        self._parts = parts
        self._reader = PacketReader(parts.limits.max_connect_packet_bytes)
        self._connect_deadline: float | None = self._loop.time() + parts.limits.connect_timeout_seconds
        # Assigned by `accept`, as are identity and session.
        self._routes: RouteCache
        self._status_topic: str | None
        self._packet_ids: OpenPacketIds
        self._unsettled_messages = 0
        self._unsettled_bytes = 0
        self._place: object | None = None
        self._places: dict[int, object] = {}
        self._upload = UploadWatch(self, parts.uploads, limits=parts.limits, clock=self._loop.time)
        self._keep_alive_seconds = 0
        self._will: Will | None = None
        self.login_task: asyncio.Task[None] | None = None
        self.username: str | None = None
        self.identity: Identity | None = None
        self.session: Session | None = None
        self.protocol_level = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection, or abort it if the limit is reached."""
        super().connection_made(transport)
        if not self._parts.directory.admit(self):
            self._parts.counters.connections_refused += 1
            self.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Clean up. Unsettled messages of this client stay with the intake."""
        if self._closing_deadline is None:
            self._closing_deadline = self._loop.time()
        if self.login_task is not None:
            self.login_task.cancel()
        self._parts.gate.leave(self)
        self._parts.directory.remove(self)
        self._upload.end()
        if self.session is not None:
            with contained(self._parts.counters, "The end of a session of %s failed.", self.username):
                self._parts.farewell(self, self.session, self._will)

    def data_received(self, data: bytes) -> None:
        """Process bytes from the peer."""
        self.last_heard_at = self._loop.time()
        if self._closing_deadline is None:
            try:
                self._receive(data)
            except Exception:  # noqa: BLE001 - logged there
                self.break_off("handling what the client sent")

    def resume_writing(self) -> None:
        """The peer has caught up: send its queued messages."""
        super().resume_writing()
        # Not from here: asyncio reports the end of a transport twice that is closed in this call.
        self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        if self.session is not None and self.session.connection is self:
            try:
                self.session.outbound.drain()
            except Exception:  # noqa: BLE001 - logged there
                self.break_off("sending queued messages")

    # Coming and going

    def accept(self, identity: Identity, connect: Connect, terms: Terms) -> None:
        """Accept the client: attach its session, send queued messages, and resume reading."""
        parts = self._parts
        self.identity = identity
        self._reader.max_packet_bytes = parts.limits.max_packet_bytes
        self._reader.oversized_head_bytes = parts.limits.kept_head_bytes
        self._keep_alive_seconds = terms.keep_alive_seconds
        self._will = connect.will
        session, is_present = parts.broker.join(
            identity,
            terms.client_id,
            self,
            clean_start=terms.clean_start,
            expiry_seconds=terms.expiry_seconds,
        )
        self.session = session
        self._routes = RouteCache(identity)
        self._status_topic = status_topic_of(identity, connect.will)
        self._packet_ids = OpenPacketIds(
            session.received, receive_maximum_of(connect.protocol_level, parts.limits)
        )
        self.send(acceptance(connect, terms, parts.limits, session_present=is_present))
        session.outbound.attach(
            self, receive_maximum=terms.receive_maximum, max_packet_bytes=terms.max_packet_bytes
        )
        parts.counters.connections_accepted += 1
        parts.directory.accepted(self)
        self.resume(Pause.LOGIN)
        # Packets that the client sent after CONNECT without waiting for CONNACK.
        self._receive(b"")

    def refuse_login(self, reason_code: ReasonCode) -> None:
        """Send the reason for the refusal, then close."""
        self._parts.counters.connections_refused += 1
        self.send(refusal(reason_code, self.protocol_level))
        self.close_link()

    def close(self, reason_code: ReasonCode | None = None) -> None:
        """Send the reason if the protocol level supports it, then close."""
        if self.is_closing:
            return
        if reason_code is not None and self.session is not None and self.protocol_level == MQTT_5:
            self.send(encode(Disconnect(reason_code=reason_code), MQTT_5))
        self.close_link()

    def break_off(self, doing: str) -> None:
        """Log and count the current exception, which occurred in `doing` something; close. Never raises."""
        counters = self._parts.counters
        counters.internal_errors += 1
        who = self.identity.name if self.identity is not None else "not logged in"
        logger.exception("Closed the connection from %s (%s): error in %s.", self.peer_address, who, doing)
        try:
            self.close(ReasonCode.UNSPECIFIED_ERROR)
        except Exception:  # noqa: BLE001 - what went wrong first is in the log
            self.abort()

    def sweep(self, now: float) -> None:
        """Close the connection if the peer has been silent or slow for too long."""
        if self.is_closing:
            self.abort_if_overdue(now)
        elif self._connect_deadline is not None and now > self._connect_deadline:
            self.abort()
        elif self._upload.is_overdue(now):
            self.close(ReasonCode.MESSAGE_RATE_TOO_HIGH)
        elif self._is_silent(now):
            self.close(ReasonCode.KEEP_ALIVE_TIMEOUT)

    def _is_silent(self, now: float) -> bool:
        # One and a half times the keep-alive (section 3.1.2.10). A paused connection cannot be heard.
        allowed_seconds = 1.5 * self._keep_alive_seconds
        return bool(allowed_seconds) and not self._pauses and now > self.last_heard_at + allowed_seconds

    # Pressure

    def hold(self) -> None:
        """Pause reading, together with all other publishers."""
        self.pause(Pause.GATE)

    def go_on(self) -> None:
        """Resume reading, together with all other publishers."""
        self.resume(Pause.GATE)

    def _check_pressure(self) -> None:
        limits = self._limits
        if (
            self._unsettled_messages >= limits.max_unsettled_messages
            or self._unsettled_bytes >= limits.max_unsettled_bytes
        ):
            self.pause(Pause.UNSETTLED)
        self._parts.gate.join(self)
        self._parts.inbox.check_pressure()

    # Packets

    def _receive(self, data: bytes) -> None:
        counters = self._parts.counters
        counters.bytes_received += len(data)
        offered_before = counters.messages_offered + counters.messages_set_aside
        try:
            packets = self._reader.feed(data)
            if packets:
                self._place = self._upload.packet_is_complete()
            self._handle(packets)
        except MqttProtocolError as error:
            self._fail(error)
            return
        finally:
            self._give_back(self._place)
            self._place = None
        if counters.messages_offered + counters.messages_set_aside != offered_before:
            self._check_pressure()
        if not self.is_closing:
            self._upload.observe(self._reader.awaited_bytes)

    def _handle(self, packets: list[Packet]) -> None:
        for packet in packets:
            if self._closing_deadline is not None:
                return
            if type(packet) is Publish and self.session is not None:
                self._on_publish(packet, self.session)
            elif type(packet) is Connect:
                self._on_connect(packet)
            else:
                self._on_other(packet)

    def _fail(self, error: MqttProtocolError) -> None:
        """Close a connection that sent something MQTT forbids, after handling the packets before it."""
        before, self._reader.packets_before_error = self._reader.packets_before_error, []
        try:
            self._handle(before)
        except MqttProtocolError as earlier:
            error = earlier
        self._parts.counters.protocol_errors += 1
        who = self.identity.name if self.identity is not None else "not logged in"
        logger.info("Closed the connection from %s (%s): %s", self.peer_address, who, describe_error(error))
        self._report_fault()
        if self.session is None and isinstance(error, ProtocolVersionError):
            self.send(refusal_of_version(error))
        self.close(error.reason_code)

    def _report_fault(self) -> None:
        """Report that a kit is cut off. A client that is not logged in could use any kit's name."""
        if self.identity is not None and self.identity.kind is IdentityKind.KIT:
            log_in = LogIn(
                username=self.identity.name, address=self.peer_address, refusal=Refusal.PROTOCOL_ERROR
            )
            with contained(self._parts.counters, "A fault of %s could not be reported.", self.username):
                self._parts.on_log_in(log_in)

    def _on_connect(self, packet: Connect) -> None:
        if self._connect_deadline is None:
            raise MqttProtocolError(ReasonCode.PROTOCOL_ERROR, "The client sent CONNECT twice.")
        self._connect_deadline = None
        self.protocol_level = packet.protocol_level
        self.username = packet.username
        self._parts.directory.introduced(self)
        # Nothing more is read until the password is checked, so that an unauthenticated peer cannot fill
        # memory.
        self.pause(Pause.LOGIN)
        self.login_task = self._parts.begin_login(self, packet)

    def _on_other(self, packet: Packet) -> None:
        session = self.session
        match packet:
            case _ if session is None:
                raise out_of_place(packet)
            case Puback():
                session.outbound.on_puback(packet.packet_id)
            case Pubrec():
                self._on_pubrec(packet, session)
            case Pubrel():
                self._on_pubrel(packet)
            case Pubcomp():
                session.outbound.on_pubcomp(packet.packet_id)
            case Pingreq():
                self.send_answer(encode(Pingresp(), self.protocol_level))
            case Subscribe():
                self._on_subscribe(packet, session)
            case Unsubscribe():
                self._on_unsubscribe(packet, session)
            case Disconnect():
                self._on_disconnect(packet, session)
            case OversizedPublish():
                self._on_publish(packet.publish, session, packet.payload_bytes)
            case _:
                raise out_of_place(packet)

    def _on_publish(self, publish: Publish, session: Session, oversized_bytes: int | None = None) -> None:
        """Handle a message; with `oversized_bytes` it is the beginning of one whose payload had that size."""
        self._parts.counters.messages_received += 1
        if publish.properties.topic_alias is not None:
            raise MqttProtocolError(ReasonCode.TOPIC_ALIAS_INVALID, "Topic aliases were not offered.")
        if publish.qos and not self._packet_ids.is_new(publish):
            self._on_repeated(publish)
            return
        topic = publish.topic
        route = self._routes[topic]
        if route is Route.FORBIDDEN or route is Route.OUTSIDE:
            self._on_forbidden(publish, route, session.identity, oversized_bytes)
        elif oversized_bytes is not None:
            self._await_settlement(publish)
            self._parts.inbox.offer_head(self, publish, oversized_bytes)
        elif route is Route.STORE:
            has_place = self._await_settlement(publish)
            self._parts.inbox.offer(self, publish, has_place=has_place)
        else:
            self._parts.broker.route(publish, session)
            self._acknowledge(publish)

    def _on_repeated(self, publish: Publish) -> None:
        """Answer a message that was received before: a kit resends it after 20 s without an answer."""
        self._parts.counters.duplicates_ignored += 1
        if publish.packet_id not in self._packet_ids.unsettled:
            self._acknowledge(publish)

    def _on_forbidden(
        self, publish: Publish, route: Route, identity: Identity, oversized_bytes: int | None
    ) -> None:
        if publish.topic == self._status_topic and self._parts.own_words.take(identity, publish):
            self._acknowledge(publish)
            return
        reason = set_aside_reason(route)
        if publish.qos and self.protocol_level == MQTT_5:
            self._parts.counters.messages_refused += 1
            self._parts.on_refused(identity, publish.topic, reason)
            self.send_answer(refusal_of_publish(publish))
            return
        has_place = self._await_settlement(publish)
        self._parts.inbox.set_aside(
            self, identity, publish, reason, payload_bytes=oversized_bytes, has_place=has_place
        )

    def _await_settlement(self, publish: Publish) -> bool:
        """Register the message as open. Return whether its bytes are counted as an upload and nowhere else."""
        if publish.qos:
            self._packet_ids.unsettled[publish.packet_id] = publish
        self._unsettled_messages += 1
        place, self._place = self._place, None
        if place is None:
            self._unsettled_bytes += len(publish.payload)
            return False
        # The inbox keeps the message until it is settled, so its id() stays unique until then.
        self._places[id(publish)] = place
        return True

    def _give_back(self, place: object | None) -> None:
        if place is not None:
            self._parts.uploads.done(place)

    def on_settled(self, publish: Publish) -> None:
        """Acknowledge the message: it is durable."""
        self._packet_ids.unsettled.pop(publish.packet_id, None)
        self._unsettled_messages -= 1
        place = self._places.pop(id(publish), None)
        if place is None:
            self._unsettled_bytes -= len(publish.payload)
        else:
            self._give_back(place)
        if self._pauses & Pause.UNSETTLED:
            limits = self._limits
            if (
                self._unsettled_messages <= limits.max_unsettled_messages // 2
                and self._unsettled_bytes <= limits.max_unsettled_bytes // 2
            ):
                self.resume(Pause.UNSETTLED)
        if publish.qos and self._closing_deadline is None:
            self._acknowledge(publish)

    def _acknowledge(self, publish: Publish) -> None:
        if publish.qos == 1:
            self.send_answer(encode_puback(publish.packet_id))
        elif publish.qos == 2:
            unreleased = self._packet_ids.receive(publish)
            self.send_answer(encode_pubrec(publish.packet_id))
            if unreleased > self._limits.max_unreleased_messages:
                self.close(ReasonCode.RECEIVE_MAXIMUM_EXCEEDED)

    def _on_pubrec(self, packet: Pubrec, session: Session) -> None:
        is_expected = session.outbound.on_pubrec(packet.packet_id, failed=packet.reason_code >= 0x80)
        self.send_answer(answer_to_pubrec(packet, self.protocol_level, is_expected=is_expected))

    def _on_pubrel(self, packet: Pubrel) -> None:
        is_expected = self._packet_ids.release(packet.packet_id)
        self.send_answer(answer_to_pubrel(packet, self.protocol_level, is_expected=is_expected))

    def _on_subscribe(self, packet: Subscribe, session: Session) -> None:
        codes, retained = self._parts.broker.subscribe_all(session, packet, self.protocol_level)
        self.send_answer(encode(Suback(packet_id=packet.packet_id, reason_codes=codes), self.protocol_level))
        self._parts.broker.send_retained(session, retained)

    def _on_unsubscribe(self, packet: Unsubscribe, session: Session) -> None:
        codes = tuple(self._parts.broker.unsubscribe(session, each) for each in packet.topic_filters)
        answer = Unsuback(packet_id=packet.packet_id, reason_codes=codes)
        self.send_answer(encode(answer, self.protocol_level))

    def _on_disconnect(self, packet: Disconnect, session: Session) -> None:
        session.expiry_seconds = expiry_after(packet, session.expiry_seconds, self._limits)
        if packet.reason_code == ReasonCode.SUCCESS:
            self._will = None
        self.close_link()
