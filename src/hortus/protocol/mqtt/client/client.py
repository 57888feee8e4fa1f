"""An MQTT 5 client that stays connected: reconnects without limit, and logs failures as one line."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hortus.base.errors import OperationalError, describe_error
from hortus.base.supervision import note_failure, note_success
from hortus.protocol.mqtt.client.connection import BrokerConnection
from hortus.protocol.mqtt.client.limits import ClientLimits
from hortus.protocol.mqtt.packets import (
    Connack,
    Connect,
    Properties,
    Publish,
    Subscription,
    encode_puback,
    encode_pubrec,
    explain_reason,
)
from hortus.protocol.mqtt.topics import filter_matches, parse_shared_filter

log = logging.getLogger(__name__)

_MAX_CACHED_TOPICS = 10_000
# A connection that lasted this long counts as successful: the next reconnect starts with the short pause again.
_GOOD_CONNECTION_SECONDS = 10.0
_NOTE_SECONDS = 10.0
_WRONG_CREDENTIALS = {0x86, 0x87, 0x8A, 0x8C}

Callback = Callable[[str, bytes], None]


class BrokerUnreachableError(OperationalError):
    """There is currently no connection to the broker."""


class BrokerRefusedError(BrokerUnreachableError):
    """The broker answered but refused the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Address of the broker and credentials. With `tls`, the host's certificate is verified against it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class MqttClient:
    """Keeps one connection to a broker. `run` works until `stop`; all other methods may be called meanwhile.

    State for metrics: `connected`, `messages`, `reconnects` (connections after the first), `last_failure` (the
    sentence that was logged, None while connected).
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        limits: ClientLimits | None = None,
        clean_start: bool = True,
    ) -> None:
        self.messages = 0
        self.reconnects = 0
        self.last_failure: str | None = None
        self._address = address
        self._client_id = client_id
        self._limits = limits or ClientLimits()
        self._clean_start = clean_start
        self._subscriptions: list[Subscription] = []
        self._callbacks: list[tuple[str, Callback]] = []
        self._callback_by_topic: dict[str, Callback | None] = {}
        self._listeners: dict[str, Callback] = {}
        self._connection: BrokerConnection | None = None
        self._connections = 0
        self._ready_since: float | None = None
        self._ready = asyncio.Event()
        self._not_ready = asyncio.Event()
        self._not_ready.set()
        self._stopping = asyncio.Event()
        self._finished = asyncio.Event()
        self._running = False

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection and granted every subscription."""
        return self._ready.is_set()

    def subscribe(self, topic_filter: str, callback: Callback, qos: int = 1) -> None:
        """Call back with topic and payload of each matching message, now and after every reconnect.

        The callback runs in the event loop and must be short; the message is acknowledged when it returns.
        """
        shared = parse_shared_filter(topic_filter)
        self._callbacks.append((shared.topic_filter if shared else topic_filter, callback))
        self._callback_by_topic.clear()
        self._add_subscription(Subscription(topic_filter=topic_filter, qos=qos))

    def listen(self, topic: str, callback: Callback) -> None:
        """Call back for messages on exactly this topic, which the broker sends without a subscription."""
        self._listeners[topic] = callback

    async def publish(
        self, topic: str, payload: bytes, qos: int = 1, *, expiry_seconds: int | None = None
    ) -> bool:
        """Publish a message; return when the broker has acknowledged it (QoS 1 and 2).

        Returns False if the broker reports that it has no matching subscribers. With `expiry_seconds`, the
        broker discards the message if it could not deliver it by then.

        Raises BrokerUnreachableError if there is no connection, ConnectionLostError if it ends before the
        broker has answered (it may have the message all the same), PublishRefusedError if the broker rejects
        the message.
        """
        if self._connection is None or not self._connection.accepted.done():
            raise BrokerUnreachableError(
                self.last_failure or f"There is no connection to the broker {self._address} yet."
            )
        properties = Properties(message_expiry_interval_seconds=expiry_seconds)
        return await self._connection.publish(topic, payload, qos, properties)

    async def wait_until_ready(self) -> None:
        await self._ready.wait()

    async def wait_until_not_ready(self) -> None:
        """Wait until the present connection, with its subscriptions, has ended."""
        await self._not_ready.wait()

    async def run(self) -> None:
        """Stay connected until `stop` is called."""
        self._running = True
        self._finished.clear()
        pause_seconds = self._limits.reconnect_first_seconds
        try:
            while not self._stopping.is_set():
                self._ready_since = None
                try:
                    await self._connect_and_serve()
                except BrokerUnreachableError as error:
                    note_failure(error)
                    self._report_failure(str(error))
                if self._was_good_connection():
                    pause_seconds = self._limits.reconnect_first_seconds
                await self._wait_for_stop(pause_seconds * (1 - random.random() / 2))  # noqa: S311 (no secret)
                pause_seconds = min(pause_seconds * 2, self._limits.reconnect_most_seconds)
        finally:
            self._running = False
            if self._connection is not None:
                # Cancelled: end at once, the session keeps unacknowledged messages.
                self._connection.fail("The client was cancelled.")
                self._forget_connection()
            self._finished.set()

    async def stop(self) -> None:
        """Finish work in progress (bounded by `drain_seconds`), disconnect and end `run`."""
        self._stopping.set()
        if self._running:
            await self._finished.wait()

    # Hooks for the ingest client

    def _add_subscription(self, subscription: Subscription) -> None:
        self._subscriptions.append(subscription)
        if self._connection is not None and self._connection.accepted.done():
            self._connection.subscribe((subscription,))

    def _receive(self, message: Publish) -> None:
        """Handle one message. A message without a matching callback is only acknowledged."""
        self.messages += 1
        self._call_back(self._listeners.get(message.topic) or self._callback_for(message.topic), message)

    def _chunk_read(self) -> None:
        """Called when all messages of one chunk of network data have been received."""

    def _connection_begins(self) -> None:
        """Called before a new connection is made."""

    def _connection_ready(self) -> None:
        """Called when the broker has accepted the connection."""

    def _forget_connection(self) -> None:
        self._connection = None
        self._ready.clear()
        self._not_ready.set()

    async def _drain(self) -> None:
        """Wait for work in progress, at most `drain_seconds`."""

    def _callback_for(self, topic: str) -> Callback | None:
        try:
            return self._callback_by_topic[topic]
        except KeyError:
            pass
        found = next((call for filter_, call in self._callbacks if filter_matches(filter_, topic)), None)
        if len(self._callback_by_topic) >= _MAX_CACHED_TOPICS:
            self._callback_by_topic.clear()
        self._callback_by_topic[topic] = found
        return found

    def _call_back(self, callback: Callback | None, message: Publish) -> None:
        if callback is not None:
            try:
                callback(message.topic, message.payload)
            except Exception:  # one bad message must not affect others (P4)
                log.exception("a message on %s could not be handled", message.topic)
        if message.qos and self._connection is not None:
            encode_answer = encode_puback if message.qos == 1 else encode_pubrec
            self._connection.write(encode_answer(message.packet_id))

    # Connecting

    async def _connect_and_serve(self) -> None:
        connection = self._new_connection()
        # Set before the first byte arrives: the broker sends queued messages right after its CONNACK.
        self._connection = connection
        self._connection_begins()
        try:
            opening = asyncio.ensure_future(self._open_connection(connection))
            try:
                await self._wait_for_any(opening)
            finally:
                opening.cancel()
            if not opening.done():
                return
            self._check_accepted(opening.result())
            self._connections += 1
            self.reconnects = self._connections - 1
            if self._subscriptions:
                # Always, even if the session is present: the broker may have lost it, or may have stored it
                # with the subscriptions of an older release.
                connection.subscribe(tuple(self._subscriptions))
            else:
                connection.subscribed.set()
            self._connection_ready()
            await self._serve(connection)
        finally:
            connection.fail("The connection was abandoned.")
            self._forget_connection()

    def _new_connection(self) -> BrokerConnection:
        # A broker silently drops packets larger than the size announced here.
        connect = self._connect_packet(self._limits.max_packet_bytes)
        return BrokerConnection(connect, self._limits, self._receive, self._chunk_read)

    async def _open_connection(self, connection: BrokerConnection) -> Connack:
        address = self._address
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.connect_timeout_seconds):
                hostname = address.host if address.tls else None
                await loop.create_connection(
                    lambda: connection, address.host, address.port, ssl=address.tls, server_hostname=hostname
                )
                answers: set[asyncio.Future[Any]] = {connection.accepted, connection.ended}
                await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError as error:
            raise BrokerUnreachableError(
                f"The broker {address} does not answer; check that it runs and that MQTT_HOST and MQTT_PORT "
                "are right."
            ) from error
        except ssl.SSLError as error:
            raise BrokerUnreachableError(
                f"No TLS connection to the broker {address}: {error}; check its certificate and the port."
            ) from error
        except socket.gaierror as error:
            raise BrokerUnreachableError(
                f"The broker's name {address.host} cannot be resolved; check MQTT_HOST."
            ) from error
        except OSError as error:
            raise BrokerUnreachableError(
                f"There is no connection to the broker {address} ({error.strerror or describe_error(error)}); "
                "check that it runs and that MQTT_HOST and MQTT_PORT are right."
            ) from error
        if connection.accepted.cancelled():
            raise BrokerRefusedError(f"The broker {address} did not accept us: {connection.ended.result()}")
        return connection.accepted.result()

    def _connect_packet(self, max_packet_bytes: int | None) -> Connect:
        limits = self._limits
        password = self._address.password
        return Connect(
            client_id=self._client_id,
            protocol_level=5,
            clean_start=self._clean_start,
            keep_alive_seconds=limits.keep_alive_seconds,
            username=self._address.username,
            password=None if password is None else password.encode(),
            properties=Properties(
                session_expiry_interval_seconds=0 if self._clean_start else limits.session_expiry_seconds,
                receive_maximum=limits.receive_maximum,
                maximum_packet_size_bytes=max_packet_bytes,
            ),
        )

    def _check_accepted(self, connack: Connack) -> None:
        if not connack.reason_code:
            return
        reason = explain_reason(connack.reason_code)
        if connack.reason_code in _WRONG_CREDENTIALS:
            raise BrokerRefusedError(
                f"The broker {self._address} rejected the account {self._address.username!r} ({reason}); "
                "check MQTT_USERNAME and MQTT_PASSWORD, that the broker has this account, and that "
                "plugin_opt_services in its mosquitto.conf names it."
            )
        raise BrokerRefusedError(f"The broker {self._address} refused the connection ({reason}).")

    async def _serve(self, connection: BrokerConnection) -> None:
        subscribed = asyncio.ensure_future(connection.subscribed.wait())
        try:
            await self._wait_for_any(subscribed, connection.ended)
        finally:
            subscribed.cancel()
        if connection.subscribed.is_set() and not connection.ended.done():
            self._ready.set()
            self._not_ready.clear()
            self._ready_since = asyncio.get_running_loop().time()
            self._report_recovery()
            while not (connection.ended.done() or self._stopping.is_set()):
                note_success()
                await self._wait_for_any(connection.ended, seconds=_NOTE_SECONDS)
        if connection.ended.done():
            raise BrokerUnreachableError(f"{connection.ended.result()} Connecting to {self._address} again.")
        await self._drain()
        await connection.close()

    async def _wait_for_any(self, *futures: asyncio.Future[Any], seconds: float | None = None) -> None:
        """Return when one of the futures is done, `stop` was called, or `seconds` have passed."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({stopping, *futures}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()

    def _was_good_connection(self) -> bool:
        now = asyncio.get_running_loop().time()
        return self._ready_since is not None and now - self._ready_since >= _GOOD_CONNECTION_SECONDS

    async def _wait_for_stop(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    def _report_failure(self, sentence: str) -> None:
        if sentence != self.last_failure and not self._stopping.is_set():
            log.warning("%s", sentence)
        self.last_failure = sentence

    def _report_recovery(self) -> None:
        log.info("connected to the broker %s as %s", self._address, self._client_id)
        self.last_failure = None
