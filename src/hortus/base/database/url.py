"""The database URL in every form that operators write and programs need; pure.

Operators bring `DATABASE_URL` from other systems: `postgres://` (Diesel, Heroku), `postgresql://` (libpq),
`postgresql+psycopg2://` or `postgresql+asyncpg://` (SQLAlchemy). All mean the same; they are parsed into one
value, which is written out in the form that each program needs.

Source: PostgreSQL manual, "Connection Strings", "Parameter Key Words".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote

from hortus.base.errors import UsageError

DEFAULT_PORT = 5432

_EXAMPLE = "postgresql://user:password@host:5432/database"
_SCHEME = re.compile(r"(postgres|postgresql)(\+[a-z0-9_]+)?://", re.IGNORECASE)
_TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_TLS_ALIASES = {"true": "require", "1": "require", "on": "require", "false": "disable", "0": "disable"}

# Parameters that both libpq and asyncpg read from a connection string.
_SHARED = frozenset(
    {
        *("sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
        *("passfile", "target_session_attrs", "krbsrvname", "gsslib"),
    }
)
# Parameters that asyncpg knows by another name or not at all: socket tuning, or options without an equivalent.
_LIBPQ_ONLY = frozenset(
    {
        *("connect_timeout", "application_name", "fallback_application_name", "options", "client_encoding"),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
        *("channel_binding", "gssencmode", "sslcompression", "sslsni", "load_balance_hosts"),
    }
)
_ASYNCPG_ONLY = MappingProxyType(
    {"command_timeout": float, "statement_cache_size": int, "max_cached_statement_lifetime": int}
)
_PLACE = frozenset({"host", "port", "dbname", "database", "user", "password"})


class InvalidDatabaseUrl(UsageError):
    """The database URL is invalid. The message never contains the URL: it may hold a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A server to connect to: a host name or address, or the directory of a Unix socket."""

    name: str
    port: int = DEFAULT_PORT

    @property
    def is_socket_directory(self) -> bool:
        """Whether this is a directory of the file system rather than a network name."""
        return self.name.startswith("/")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DatabaseUrl:
    """The location and credentials of a PostgreSQL database. Its text forms hide the passwords.

    Without hosts, drivers use their default: the local Unix socket.
    """

    hosts: tuple[Host, ...] = ()
    database: str | None = None
    user: str | None = None
    password: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> DatabaseUrl:
        """Parse any form of PostgreSQL URL.

        Raises InvalidDatabaseUrl for another scheme, a malformed part or an unknown parameter.
        """
        # Docker's `--env-file` keeps quotation marks as part of the value.
        text = text.strip().strip("\"'")
        scheme = _SCHEME.match(text)
        if scheme is None:
            raise InvalidDatabaseUrl(
                f"The database URL must begin with postgresql://, as in {_EXAMPLE}: "
                "PostgreSQL is the only database that Hortus uses."
            )
        rest, _, query = text[scheme.end() :].partition("?")
        if "#" in rest or "#" in query:
            raise _malformed("contains a #")
        authority, _, path = rest.partition("/")
        login, _, hosts = authority.rpartition("@")
        user, _, password = login.partition(":")
        parameters = _parse_query(query)
        return cls(
            hosts=_parse_hosts(hosts) or _hosts_from_query(parameters),
            database=_decode(path) or parameters.get("dbname") or parameters.get("database"),
            user=_decode(user) or parameters.get("user"),
            password=_decode(password) or parameters.get("password"),
            parameters=_checked(parameters),
        )

    def libpq(self) -> str:
        """Return the URL for psql, pg_dump and other programs built on libpq."""
        return self._write("postgresql", _SHARED | _LIBPQ_ONLY)

    def sqlalchemy(self) -> str:
        """Return the URL for SQLAlchemy over asyncpg, complete except for TLS files and timeouts.

        For those, pass `asyncpg_arguments()` as `connect_args` as well.
        """
        url = self._write("postgresql+asyncpg", frozenset(), hosts_in_query=len(self.hosts) > 1)
        tls_mode = dict(self.parameters).get("sslmode")
        if tls_mode is None:
            return url
        return f"{url}{'&' if '?' in url else '?'}ssl={tls_mode}"

    def asyncpg_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `asyncpg.connect` and `asyncpg.create_pool`."""
        parameters = dict(self.parameters)
        arguments: dict[str, Any] = {"dsn": self._write("postgresql", _SHARED)}
        if "connect_timeout" in parameters:
            # For libpq, zero means no timeout.
            arguments["timeout"] = int(parameters["connect_timeout"]) or None
        application = parameters.get("application_name") or parameters.get("fallback_application_name")
        settings = {"application_name": application, "options": parameters.get("options")}
        if any(settings.values()):
            arguments["server_settings"] = {name: value for name, value in settings.items() if value}
        for name, kind in _ASYNCPG_ONLY.items():
            if name in parameters:
                arguments[name] = kind(parameters[name])
        return arguments

    def redacted(self) -> str:
        """Return the URL with passwords replaced by ***, for logs and messages."""
        hidden = DatabaseUrl(
            hosts=self.hosts,
            database=self.database,
            user=self.user,
            password="***" if self.password else None,
            parameters=tuple((k, "***" if "password" in k else v) for k, v in self.parameters),
        )
        return hidden.libpq()

    def __str__(self) -> str:
        return self.redacted()

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.redacted()!r})"

    def _write(self, scheme: str, wanted: frozenset[str], *, hosts_in_query: bool = False) -> str:
        parameters = [(name, value) for name, value in self.parameters if name in wanted]
        authority = ""
        if hosts_in_query or any(host.is_socket_directory for host in self.hosts):
            # A path cannot stand before the first slash of a URL; as a parameter, every driver accepts it.
            parameters.append(("host", ",".join(host.name for host in self.hosts)))
            parameters.append(("port", ",".join(str(host.port) for host in self.hosts)))
        else:
            authority = ",".join(_write_host(host) for host in self.hosts)
        login = quote(self.user or "", safe="")
        if self.password is not None:
            login += ":" + quote(self.password, safe="*")
        if login:
            authority = f"{login}@{authority}"
        query = "&".join(f"{name}={quote(value, safe='/,*')}" for name, value in parameters)
        path = "/" + quote(self.database, safe="") if self.database else ""
        return f"{scheme}://{authority}{path}" + (f"?{query}" if query else "")


def _malformed(what: str) -> InvalidDatabaseUrl:
    return InvalidDatabaseUrl(
        f"The database URL {what}. It looks like {_EXAMPLE}; in user name and password write "
        "/ as %2F, ? as %3F, # as %23, @ as %40 and % as %25."
    )


def _decode(text: str) -> str | None:
    """Undo percent-encoding; return None for an empty text."""
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise _malformed("contains percent-encoded bytes that are not UTF-8") from error
    if "\0" in decoded:
        raise _malformed("contains a zero byte")
    return decoded or None


def _parse_hosts(text: str) -> tuple[Host, ...]:
    return tuple(_parse_host(part) for part in text.split(",")) if text else ()


def _parse_host(text: str) -> Host:
    if text.startswith("["):
        name, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise _malformed("has an IPv6 address without its closing bracket")
        port = port[1:]
    else:
        name, _, port = text.partition(":")
    return _host(_decode(name), port)


def _hosts_from_query(parameters: Mapping[str, str]) -> tuple[Host, ...]:
    """Parse libpq's `host=a,b&port=1,2` and SQLAlchemy's `host=a:1`."""
    names = parameters.get("host", "")
    if not names:
        return ()
    parts = names.split(",")
    if "port" not in parameters:
        return tuple(_host(part, "") if part.startswith("/") else _parse_host(part) for part in parts)
    ports = parameters["port"].split(",")
    if len(ports) == 1:
        ports *= len(parts)
    if len(ports) != len(parts):
        raise _malformed("names a different number of hosts and ports")
    return tuple(_host(name, port) for name, port in zip(parts, ports, strict=True))


def _host(name: str | None, port: str) -> Host:
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        # The text is not shown: after an unescaped slash in a password, it is part of the password.
        raise _malformed("has a port that is not a number from 1 to 65535")
    return Host(name=name or "localhost", port=int(port) if port else DEFAULT_PORT)


def _write_host(host: Host) -> str:
    name = f"[{host.name}]" if ":" in host.name else quote(host.name, safe="")
    return f"{name}:{host.port}"


def _parse_query(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if part and not equals:
            raise _malformed("has a parameter without a value")
        if part:
            key = _decode(name) or ""
            known = key == "host" and key in parameters
            # SQLAlchemy repeats `host` for each server.
            parameters[key] = (
                ",".join([parameters[key], _decode(value) or ""]) if known else _decode(value) or ""
            )
    return parameters


def _checked(parameters: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the parameters other than host, database and login, each one known and with a valid value."""
    checked: dict[str, str] = {}
    for name, value in parameters.items():
        if name in _PLACE or not value:
            continue
        if name in {"ssl", "sslmode"}:
            checked["sslmode"] = _tls_mode(value)
        elif name in _SHARED or name in _LIBPQ_ONLY or name in _ASYNCPG_ONLY:
            checked[name] = value
        else:
            raise InvalidDatabaseUrl(
                f"The database URL has the parameter {name!r}, which Hortus does not know. Remove it."
            )
    _check_numbers(checked)
    return tuple(checked.items())


def _tls_mode(value: str) -> str:
    mode = _TLS_ALIASES.get(value.lower(), value.lower())
    if mode not in _TLS_MODES:
        raise InvalidDatabaseUrl(f"The database URL has sslmode={value!r}. Use one of {', '.join(_TLS_MODES)}.")
    return mode


def _check_numbers(parameters: Mapping[str, str]) -> None:
    kinds: dict[str, type[int] | type[float]] = {"connect_timeout": int, **_ASYNCPG_ONLY}
    for name, kind in kinds.items():
        try:
            usable = kind(parameters.get(name, "0")) >= 0
        except ValueError:
            usable = False
        if not usable:
            raise InvalidDatabaseUrl(f"The parameter {name} of the database URL must be a number, 0 or more.")
