"""The security headers of every response."""

from __future__ import annotations

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send


def content_security_policy(images_from: str = "") -> str:
    """Return the policy of a page: everything is from here, nothing inline, no embedding in frames.

    `images_from` is an origin of which this page may show pictures as well.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' {images_from}".strip(),
            "connect-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


_HEADERS = {
    "Content-Security-Policy": content_security_policy(),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # A page for one user must not be cached for the next; static files set their own header.
    "Cache-Control": "no-store",
}

# Pre-encoded, because they are part of every response.
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
_OF_UNCHANGED = [each for each in _RAW_HEADERS if each[0] == b"cache-control"]


class SecurityHeaders:
    """Adds the headers that a response does not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the response's headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def completing_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                present = {name for name, _ in headers}
                # Open pages are answered 304 every few seconds; what they have was sent with all headers.
                added = _OF_UNCHANGED if message["status"] == HTTPStatus.NOT_MODIFIED else _RAW_HEADERS
                message["headers"] = [*headers, *(each for each in added if each[0] not in present)]
            await send(message)

        await self._app(scope, receive, completing_send)
