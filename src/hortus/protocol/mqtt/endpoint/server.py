"""The built-in MQTT endpoint: listens, authenticates clients, and cleans up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import secrets
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hortus.base.errors import OperationalError, describe_error
from hortus.base.intake import Intake
from hortus.base.supervision import Supervisor, note_success
from hortus.protocol.mqtt.endpoint.broker import Broker, LocalCallback
from hortus.protocol.mqtt.endpoint.connection import EndpointConnection, EndpointParts
from hortus.protocol.mqtt.endpoint.containment import contained
from hortus.protocol.mqtt.endpoint.counters import EndpointCounters
from hortus.protocol.mqtt.endpoint.directory import Directory
from hortus.protocol.mqtt.endpoint.farewell import Farewell
from hortus.protocol.mqtt.endpoint.gate import PublisherGate
from hortus.protocol.mqtt.endpoint.identity import (
    Authenticator,
    Identity,
    IdentityKind,
    OnOwnWord,
    OnPresence,
    OnRefused,
    OnSetAside,
    OnShared,
)
from hortus.protocol.mqtt.endpoint.inbox import Inbox
from hortus.protocol.mqtt.endpoint.limits import EndpointLimits
from hortus.protocol.mqtt.endpoint.log_ins import OnLogIn, Refusal, log_in_of, refusal_by_code
from hortus.protocol.mqtt.endpoint.login import FailedLogins, reason_to_refuse, terms_for
from hortus.protocol.mqtt.endpoint.own_words import OwnWords
from hortus.protocol.mqtt.endpoint.sharing import SharedAccounts
from hortus.protocol.mqtt.endpoint.socket_connection import Pause
from hortus.protocol.mqtt.endpoint.takeovers import Takeovers
from hortus.protocol.mqtt.endpoint.uploads import Uploads
from hortus.protocol.mqtt.packets import (
    NO_PROPERTIES,
    Connect,
    MqttProtocolError,
    Properties,
    Publish,
    ReasonCode,
)
from hortus.protocol.mqtt.topics import is_valid_topic

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 0.5
_BACKLOG = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An address to listen on. Port 0 picks a free one; with `tls`, only TLS is accepted there."""

    host: str = "127.0.0.1"
    port: int = 1883
    tls: ssl.SSLContext | None = None


class MqttEndpoint:
    """An MQTT 3.1, 3.1.1 and 5 server that acknowledges a reading when the intake has settled it (P1).

    All methods are called from the event loop that `start` runs in.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        intake: Intake,
        set_aside: OnSetAside,
        listeners: Sequence[Listener] = (Listener(),),
        limits: EndpointLimits | None = None,
        on_presence: OnPresence = lambda _serial, _is_connected: None,
        on_refused: OnRefused = lambda _identity, _topic, _reason: None,
        on_own_word: OnOwnWord = lambda _serial, _word: None,
        on_shared: OnShared = lambda _serial: None,
        on_log_in: OnLogIn = lambda _log_in: None,
    ) -> None:
        self._authenticator = authenticator
        self._listeners = tuple(listeners)
        self._limits = limits = limits or EndpointLimits()
        self.counters = counters = EndpointCounters()
        self._broker = Broker(limits=limits, counters=counters, clock=_loop_time)
        gate = PublisherGate(counters)
        own_words = OwnWords(on_own_word)
        self._inbox = Inbox(
            intake=intake, set_aside=set_aside, broker=self._broker, gate=gate, limits=limits, counters=counters
        )
        self._directory: Directory[EndpointConnection] = Directory(
            limits=limits, counters=counters, on_presence=on_presence
        )
        self._parts = EndpointParts(
            limits=limits,
            counters=counters,
            broker=self._broker,
            gate=gate,
            uploads=Uploads(limits.max_upload_bytes, counters),
            inbox=self._inbox,
            directory=self._directory,
            begin_login=self._begin_login,
            own_words=own_words,
            farewell=Farewell(
                broker=self._broker,
                inbox=self._inbox,
                own_words=own_words,
                counters=counters,
                clock=_loop_time,
            ),
            on_refused=on_refused,
            on_log_in=on_log_in,
        )
        self._on_log_in = on_log_in
        self._failed_logins = FailedLogins(limits)
        self._takeovers = Takeovers(limits, counters)
        self._shared = SharedAccounts(on_shared)
        self._delayed_refusals = 0
        self._authentications = asyncio.Semaphore(limits.max_concurrent_authentications)
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each listening socket."""
        return [socket.getsockname()[:2] for server in self._servers for socket in server.sockets]

    @property
    def unsettled_messages(self) -> int:
        """The number of messages waiting to be stored."""
        return self._inbox.unsettled_messages

    @property
    def unsettled_bytes(self) -> int:
        """The size of the messages waiting to be stored."""
        return self._inbox.unsettled_bytes

    async def start(self, supervisor: Supervisor | None = None) -> None:
        """Start listening. Raises OperationalError if an address cannot be bound.

        The task that closes overdue connections is one of the supervisor's, or has one of its own.
        """
        loop = asyncio.get_running_loop()
        try:
            for listener in self._listeners:
                self._servers.append(await self._listen(loop, listener))
        except BaseException:
            await self._stop_listening()
            raise
        self._sweeper = (supervisor or Supervisor()).start(
            "kit-connections", self._sweep_for_ever, every_seconds=_SWEEP_SECONDS
        )

    async def stop(self) -> None:
        """Stop listening and reading, wait (bounded) for open messages to settle, then close everything."""
        await self._stop_listening()
        connections = self._directory.all()
        for connection in connections:
            with contained(self.counters, "Reading from %s could not be stopped.", connection.peer_address):
                connection.pause(Pause.STOPPING)
            if connection.login_task is not None:
                connection.login_task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.stop_timeout_seconds):
                await self._inbox.wait_until_empty()
        for connection in connections:
            with contained(self.counters, "The connection from %s was not closed.", connection.peer_address):
                connection.close(ReasonCode.SERVER_SHUTTING_DOWN)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.close_timeout_seconds):
                await self._directory.wait_until_empty()
        for connection in self._directory.all():
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
            self._sweeper = None

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, expiry_seconds: int | None = None) -> int:
        """Deliver a message from this process to its subscribers immediately; return how many accepted it.

        With `expiry_seconds`, it is dropped if it could not be delivered by then.

        Raises MqttProtocolError if the topic cannot be published to.
        """
        if not is_valid_topic(topic):
            raise MqttProtocolError(
                ReasonCode.TOPIC_NAME_INVALID, f"The topic {topic!r} cannot be published to."
            )
        properties = (
            NO_PROPERTIES
            if expiry_seconds is None
            else Properties(message_expiry_interval_seconds=expiry_seconds)
        )
        return self._broker.route(Publish(topic, payload, qos, properties=properties))

    def subscribe_local(self, topic_filter: str, callback: LocalCallback) -> Callable[[], None]:
        """Call back with topic and payload of each matching message; return a function that unsubscribes.

        Readings are passed on after they are stored (P7), everything else immediately. The callback must not
        block.
        """
        return self._broker.subscribe_local(topic_filter, callback)

    def is_kit_connected(self, serial: str) -> bool:
        """Return whether a kit is currently connected."""
        return self._directory.is_connected(serial)

    def disconnect_kit(self, serial: str) -> None:
        """Disconnect a kit that was deleted or has a new password, and end its sessions."""
        for connection in self._directory.of_kit(serial):
            self._dismiss(connection)
        self._broker.end_all_of(IdentityKind.KIT, serial)

    def disconnect_reader(self, name: str) -> None:
        """Disconnect a read-only account that was removed or changed, and end its sessions."""
        for connection in self._directory.of_reader(name):
            self._dismiss(connection)
        self._broker.end_all_of(IdentityKind.READER, name)

    def identities(self) -> set[Identity]:
        """Return who is connected, without server accounts."""
        return self._directory.identities()

    def close_log_ins(self) -> None:
        """Close the connections of clients that are just logging in: what they are compared with may be old."""
        for connection in self._directory.logging_in():
            self._dismiss(connection)

    def _dismiss(self, connection: EndpointConnection) -> None:
        with contained(self.counters, "A connection of %s could not be closed.", connection.username):
            connection.close(ReasonCode.ADMINISTRATIVE_ACTION)

    # Listening

    async def _listen(self, loop: asyncio.AbstractEventLoop, listener: Listener) -> asyncio.Server:
        try:
            return await loop.create_server(
                lambda: EndpointConnection(self._parts),
                listener.host,
                listener.port,
                ssl=listener.tls,
                ssl_handshake_timeout=self._limits.connect_timeout_seconds if listener.tls else None,
                backlog=_BACKLOG,
            )
        except OSError as error:
            raise OperationalError(_bind_problem(listener, error)) from error

    async def _stop_listening(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()

    async def _sweep_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._sweep(loop.time())
            note_success()
            await asyncio.sleep(_SWEEP_SECONDS)

    def _sweep(self, now: float) -> None:
        """Close what is overdue. A connection or session that fails must not keep the others from it."""
        for connection in self._directory.all():
            try:
                connection.sweep(now)
            except Exception:  # noqa: BLE001 - logged there
                connection.break_off("looking for silent connections")
        with contained(self.counters, "The sessions of absent clients were not swept."):
            self._broker.sweep()
        with contained(self.counters, "Shared accounts could not be reported."):
            for serial, older, newer in self._directory.sharing():
                self._shared.report(serial, older.peer_address, newer.peer_address, now)

    # Logging in

    def _begin_login(self, connection: EndpointConnection, connect: Connect) -> asyncio.Task[None]:
        return asyncio.create_task(self._log_in(connection, connect))

    async def _log_in(self, connection: EndpointConnection, connect: Connect) -> None:
        try:
            await self._accept_or_refuse(connection, connect)
        except Exception:  # noqa: BLE001 - logged there
            connection.break_off("logging the client in")

    async def _accept_or_refuse(self, connection: EndpointConnection, connect: Connect) -> None:
        problem = reason_to_refuse(connect)
        if problem is not None:
            self._report(connection, connect, refusal_by_code(problem))
            connection.refuse_login(problem)
            return
        try:
            identity = await self._authenticate(connect)
        except Exception as error:  # noqa: BLE001 - whatever the failure, the client is asked to retry
            # One line each: when the database is down, every kit that tries ends up here.
            logger.warning(
                "A log-in from %s could not be checked: %s", connection.peer_address, describe_error(error)
            )
            self._report(connection, connect, Refusal.NOT_CHECKED)
            connection.refuse_login(ReasonCode.SERVER_UNAVAILABLE)
            return
        if identity is None:
            await self._refuse_password(connection, connect)
            return
        terms = terms_for(connect, self._limits, f"hortus-{secrets.token_hex(8)}")
        await self._await_turn(connection, identity, terms.client_id)
        if not connection.is_closing:
            if identity.kind is IdentityKind.KIT:
                self._report(connection, connect, None)
            connection.accept(identity, connect, terms)

    def _report(self, connection: EndpointConnection, connect: Connect, refusal: Refusal | None) -> None:
        """Report an attempt to log in. What becomes of the report must not harm the connection."""
        log_in = log_in_of(connect, connection.peer_address, refusal)
        if log_in is not None:
            with contained(self.counters, "A log-in from %s could not be reported.", connection.peer_address):
                self._on_log_in(log_in)

    async def _await_turn(self, connection: EndpointConnection, identity: Identity, client_id: str) -> None:
        """Let a client wait that takes over another's connection again and again."""
        if self._broker.connection_of(identity, client_id) is None:
            return
        pause_seconds = self._takeovers.pause_seconds(identity, client_id, _loop_time())
        if pause_seconds:
            await asyncio.sleep(pause_seconds)
        rival = self._broker.connection_of(identity, client_id)
        if rival is not None and not connection.is_closing:
            addresses = (rival.peer_address, connection.peer_address)
            are_two = self._takeovers.record(identity, client_id, *addresses, now=_loop_time())
            if are_two and identity.kind is IdentityKind.KIT:
                with contained(self.counters, "A shared account could not be reported."):
                    self._shared.report(identity.name, *addresses, now=_loop_time())

    async def _authenticate(self, connect: Connect) -> Identity | None:
        async with asyncio.timeout(self._limits.authentication_timeout_seconds), self._authentications:
            return await self._authenticator.authenticate(connect.username or "", connect.password or b"")

    async def _refuse_password(self, connection: EndpointConnection, connect: Connect) -> None:
        self.counters.failed_logins += 1
        self._report(connection, connect, Refusal.WRONG_PASSWORD)
        delay_seconds = self._failed_logins.delay_after_failure(connection.peer_address, _loop_time())
        logger.info("Wrong user name or password from %s (user %r).", connection.peer_address, connect.username)
        if self._delayed_refusals < self._limits.max_delayed_refusals:
            self._directory.turned_away(connection)
            self._delayed_refusals += 1
            try:
                await asyncio.sleep(delay_seconds)
            finally:
                self._delayed_refusals -= 1
        connection.refuse_login(ReasonCode.BAD_USER_NAME_OR_PASSWORD)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _bind_problem(listener: Listener, error: OSError) -> str:
    where = f"Port {listener.port} on {listener.host}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program; stop that program or choose another MQTT port."
    if error.errno == errno.EACCES:
        return f"{where} may not be used by this user; choose an MQTT port of 1024 or above."
    reason = error.strerror or describe_error(error)
    return f"{where} cannot be listened on ({reason}); choose an address of this machine."
