"""The reference for requests per second: our HTTP server with an application that returns a constant.

Started by rig/http.py with the port to listen on; prints "ready" when it is listening.
"""

from __future__ import annotations

import sys

import uvloop
from starlette.types import Receive, Scope, Send

from hortus.http.server.server import bind, serve

_BODY = b'{"status":"ok"}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())]


async def constant(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Send the same response to every request."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})


async def run(port: int) -> None:
    listener = bind("127.0.0.1", port)
    print("ready", flush=True)
    await serve(constant, listener)


if __name__ == "__main__":
    try:
        uvloop.run(run(int(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(130)
