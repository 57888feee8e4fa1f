"""Serving the application over HTTP, inside an event loop shared with other tasks."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from hortus.base.errors import OperationalError
from hortus.http.server.connections import BoundedHttpProtocol
from hortus.http.server.websockets import MOST_MESSAGE_BYTES, PING_SECONDS, LiveWebSocketProtocol

STOP_SECONDS = 3
_BACKLOG = 128
_MOST_CONNECTIONS = 500
_TAKES_NOTHING_MS = 60_000


class CannotListen(OperationalError):
    """The address cannot be listened at."""


def bind(host: str, port: int, *, option: str = "--http-port", host_option: str = "--host") -> socket.socket:
    """Return a listening socket; port 0 takes any free one. Raises CannotListen, naming the option.

    Called before anything else starts, so that a port in use stops the program early.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise CannotListen(
            f"{host} is not an address of this machine; choose another with {host_option}."
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by connections: the system closes one whose peer does not accept what is sent. Otherwise it
        # would wait forever while the peer advertises a zero window (tcp(7)).
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TAKES_NOTHING_MS)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise CannotListen(_why_not(host, port, error, option, host_option)) from error
    return listener


@asynccontextmanager
async def serving(
    app: ASGIApp,
    listener: socket.socket,
    *,
    forwarded_allow_ips: str = "127.0.0.1",
    most_websockets: int = 0,
) -> AsyncIterator[None]:
    """Serve the application while the context lasts, then stop within little more than STOP_SECONDS.

    `forwarded_allow_ips` are the proxies whose X-Forwarded headers are trusted (comma-separated);
    `most_websockets` may be open in addition to ordinary requests.
    """
    task = asyncio.create_task(
        serve(app, listener, forwarded_allow_ips=forwarded_allow_ips, most_websockets=most_websockets)
    )
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    forwarded_allow_ips: str = "127.0.0.1",
    most_websockets: int = 0,
) -> None:
    """Serve the application until cancelled, then let requests in progress finish, within STOP_SECONDS.

    The socket is listening already, so no connection is refused before this starts; it is closed at the end.
    Signals are left to the surrounding program.
    """
    server = _Server(
        uvicorn.Config(
            app,
            http=BoundedHttpProtocol,
            ws=LiveWebSocketProtocol,
            ws_max_size=MOST_MESSAGE_BYTES,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
            # Compressing each small message anew for every reader would cost more than sending it.
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=forwarded_allow_ips,
            # Uvicorn counts WebSockets too; those are limited by `hortus.http.live.admission`.
            limit_concurrency=_MOST_CONNECTIONS + most_websockets,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
    work = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(work)
    finally:
        server.should_exit = True
        # Bounded by uvicorn itself; the margin is for its own housekeeping.
        done, _ = await asyncio.wait({work}, timeout=STOP_SECONDS + 1)
        if not done:
            work.cancel()
        listener.close()


class _Server(uvicorn.Server):
    """Uvicorn embedded in a program that handles its own signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield


def _why_not(host: str, port: int, error: OSError, option: str, host_option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use by another program; choose another with {option}."
    if error.errno == errno.EACCES:
        return f"Port {port} on {host} may only be used by root; choose one above 1023 with {option}."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine; choose another with {host_option}."
    return f"Port {port} on {host} cannot be used ({error.strerror}); choose another with {option}."
