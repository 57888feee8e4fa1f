"""How to connect to Kafka: brokers, log-in and TLS, as settings of the client library (librdkafka)."""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from confluent_kafka import KafkaError

from hortus.base.errors import OperationalError, UsageError
from hortus.base.settings import Settings

log = logging.getLogger(__name__)

_RECONNECT_MOST_MS = 3000
_TELL_AGAIN_SECONDS = 600.0
_CHANGING = re.compile(r" *\(after \d+ms in state \w+(, \d+ identical error\(s\) suppressed)?\)")

# The library logs each failed attempt of each connection; BrokerWatch logs an outage once.
_ONLY_CRITICAL = 2


class KafkaUnreachable(OperationalError):
    """Kafka does not answer, or rejects the log-in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """The address of Kafka and the credentials. `bootstrap` is a list `host:port,host:port`."""

    bootstrap: str
    security: dict[str, str] = field(default_factory=dict, repr=False)

    def configuration(self, client_id: str, on_error: Callable[[KafkaError], None]) -> dict[str, Any]:
        """Return the library settings common to all clients."""
        return {
            "bootstrap.servers": self.bootstrap,
            "client.id": client_id,
            "reconnect.backoff.max.ms": _RECONNECT_MOST_MS,
            "socket.keepalive.enable": True,
            "log_level": _ONLY_CRITICAL,
            "logger": log,
            "error_cb": on_error,
            **self.security,
        }


def kafka_connection(settings: Settings) -> KafkaConnection:
    """Return the connection from the settings. Raises UsageError for an invalid list, log-in or certificate."""
    return KafkaConnection(
        bootstrap=bootstrap_servers(settings.kafka_host, settings.kafka_port),
        security=_login(settings) | _transport(settings),
    )


def bootstrap_servers(hosts: str, default_port: int) -> str:
    """Return `host:port,host:port` for a list in which ports may be omitted. Raises UsageError."""
    return ",".join(_with_port(entry.strip(), default_port) for entry in hosts.split(","))


def _with_port(entry: str, default_port: int) -> str:
    host, colon, port = entry.rpartition(":")
    if not colon or entry.endswith("]"):  # no port; brackets are an IPv6 address
        host, port = entry, str(default_port)
    if not host or " " in host or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise UsageError(
            f"KAFKA_HOST names {entry!r}, which is not a broker; write host, host:port or "
            "host:port,host:port (an IPv6 address in brackets)."
        )
    return f"{host}:{port}"


def _login(settings: Settings) -> dict[str, str]:
    if (settings.kafka_username is None) != (settings.kafka_password is None):
        raise UsageError("Set both KAFKA_USERNAME and KAFKA_PASSWORD, or neither.")
    if settings.kafka_username is None or settings.kafka_password is None:
        return {"security.protocol": "SSL" if settings.kafka_tls else "PLAINTEXT"}
    return {
        "security.protocol": "SASL_SSL" if settings.kafka_tls else "SASL_PLAINTEXT",
        "sasl.mechanism": settings.kafka_sasl_mechanism,
        "sasl.username": settings.kafka_username,
        "sasl.password": settings.kafka_password.get_secret_value(),
    }


def _transport(settings: Settings) -> dict[str, str]:
    if settings.kafka_ca_file is None:
        return {}
    try:
        with settings.kafka_ca_file.open("rb"):
            pass
    except OSError as error:
        raise UsageError(
            f"HORTUS_KAFKA_CA_FILE names {settings.kafka_ca_file}, which cannot be read: {error.strerror}."
        ) from error
    try:
        ssl.create_default_context(cafile=settings.kafka_ca_file)
    except ssl.SSLError as error:
        raise UsageError(
            f"HORTUS_KAFKA_CA_FILE names {settings.kafka_ca_file}, which holds no certificates; it must be a "
            "file in PEM format, with lines of BEGIN CERTIFICATE."
        ) from error
    return {"ssl.ca.location": str(settings.kafka_ca_file)}


class BrokerWatch:
    """Tracks the library's reports about its brokers, and logs an outage once. For any number of clients.

    `down` is whether none of them could be reached. The library reports that once, but not when they are back,
    so callers that receive records or a complete answer must call `answered`. An answer of just one broker is
    not enough: the one that was given may answer while the addresses that it names cannot be reached.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.down = False
        self.last_reason: str | None = None
        self._clock = clock
        self._told: dict[str, float] = {}
        self._lock = Lock()

    def error(self, error: KafkaError) -> None:
        """Handle an error reported by the library; called from its threads."""
        with self._lock:
            code = error.code()
            if code in _WRONG_LOGIN:
                self.last_reason = reason_of(error)
                self._tell(
                    "login",
                    f"Kafka rejects the log-in ({self.last_reason}); check KAFKA_USERNAME, KAFKA_PASSWORD, "
                    "HORTUS_KAFKA_SASL_MECHANISM, HORTUS_KAFKA_TLS and HORTUS_KAFKA_CA_FILE",
                )
            elif code == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001  (the library's public name for it)
                self.down = True
                self._tell("down", f"no Kafka broker can be reached: {self.last_reason or reason_of(error)}")
            else:
                self.last_reason = reason_of(error)

    def answered(self) -> None:
        """Record that Kafka is responding."""
        with self._lock:
            if self.down and self._told:
                log.warning("Kafka answers again")
            self.down = False
            self.last_reason = None
            self._told = {kind: at for kind, at in self._told.items() if self._is_recent(at)}

    def _tell(self, kind: str, sentence: str) -> None:
        # By kind, not by text: reasons have changing parts, and are of one broker or the other.
        if kind not in self._told or not self._is_recent(self._told[kind]):
            log.error("%s", sentence)
            self._told[kind] = self._clock()

    def _is_recent(self, at: float) -> bool:
        return self._clock() - at < _TELL_AGAIN_SECONDS


def reason_of(error: KafkaError) -> str:
    """Return the library's text for an error, without counts and durations, which differ each time."""
    return _CHANGING.sub("", error.str()).strip()


_WRONG_LOGIN = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001
        KafkaError._SSL,  # noqa: SLF001
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
    }
)
