"""The language of each request to the pages."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hortus.base.language.appearance import appearing
from hortus.base.language.languages import negotiated
from hortus.base.language.translation import speaking

# Their clients compare texts, and get them in English.
_FOR_PROGRAMS = ("/api", "/healthz", "/readyz", "/metrics")


class RequestLanguage:
    """Sets the language from `Accept-Language`, or else the server's, and says so in `Vary`.

    A person's own choices are adopted when a page knows its viewer (`Sessions.viewer_of`).
    """

    def __init__(self, app: ASGIApp, default: str) -> None:
        self._app = app
        self._default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on in its language."""
        if scope["type"] != "http" or scope["path"].startswith(_FOR_PROGRAMS):
            await self._app(scope, receive, send)
            return

        async def completing_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.add_vary_header("Accept-Language")
            await send(message)

        wanted = Headers(scope=scope).get("accept-language", "")
        with speaking(negotiated(wanted, self._default)), appearing():
            await self._app(scope, receive, completing_send)
