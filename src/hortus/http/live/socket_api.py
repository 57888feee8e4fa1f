"""`/ws`: authentication, admission, and the session (http-api 5)."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from hortus.domain.accounts.api_keys import KEY_PREFIX, find_key_holder
from hortus.domain.accounts.tokens import InvalidToken, TokenFault
from hortus.http.access.addresses import network_of
from hortus.http.access.services import Services
from hortus.http.conventions.documentation import problems
from hortus.http.conventions.problems import Problem
from hortus.http.live.admission import Seat, TooManyConnections
from hortus.http.live.cookie_api import COOKIE, SOCKET_PATH
from hortus.http.live.hub import LiveHub
from hortus.http.live.jsonrpc import ErrorCode, RpcError
from hortus.http.live.principals import ANONYMOUS, Claim, Principal
from hortus.http.live.session import LiveSession
from hortus.http.server.database_access import DatabaseNotAnswering

router = APIRouter(tags=["Live feed"])

_RETRY_SECONDS = 5


@router.get(
    SOCKET_PATH,
    status_code=101,
    response_class=Response,
    responses=problems(426),
    summary="Connect to the live feed (WebSocket)",
)
async def upgrade_required() -> Response:
    """JSON-RPC 2.0 in text frames; see docs/live-feed.md. Any other request is answered with 426."""
    raise Problem(
        426, detail="Connect with a WebSocket.", headers={"Upgrade": "websocket", "Connection": "Upgrade"}
    )


def live_route(hub: LiveHub, services: Services) -> WebSocketRoute:
    """Return the route of the live feed."""
    return WebSocketRoute(SOCKET_PATH, LiveSocket(hub, services).connect)


class LiveSocket:
    """The live feed's WebSocket endpoint in one process."""

    def __init__(self, hub: LiveHub, services: Services) -> None:
        self._hub = hub
        self._services = services

    async def connect(self, websocket: WebSocket) -> None:
        """Serve one connection from its upgrade until it closes."""
        network = network_of(websocket)
        try:
            seat = self._hub.admission.seat(network)
        except TooManyConnections as error:
            await websocket.send_denial_response(_refusal(error).response())
            return
        try:
            try:
                principal = await self._who_connects(websocket)
                seat.belongs_to(principal.user_id)
                if principal.user_id is None:
                    self._services.limits.anonymous.take(network)
            except TooManyConnections as error:
                await websocket.send_denial_response(_refusal(error).response())
                return
            except Problem as problem:
                await websocket.send_denial_response(problem.response())
                return
            await websocket.accept()
            door = _Door(self._services, self._hub, seat, network)
            await LiveSession(websocket, self._hub, door, principal).run()
        finally:
            seat.give_back()

    async def _who_connects(self, websocket: WebSocket) -> Principal:
        """Return the principal of the header, else of a cookie; anonymous if it is not valid (http-api 2.3).

        Raises Problem if it cannot be determined now.
        """
        authorization = websocket.headers.get("authorization")
        if authorization is not None:
            scheme, _, credential = authorization.partition(" ")
            if scheme.lower() != "bearer":
                return ANONYMOUS
            try:
                return await principal_of(self._services, credential.strip())
            except InvalidToken:
                return ANONYMOUS
            except DatabaseNotAnswering as error:
                raise Problem(503, detail=str(error), headers={"Retry-After": str(_RETRY_SECONDS)}) from error
        return self._of_cookies(websocket) if _is_same_origin(websocket) else ANONYMOUS

    def _of_cookies(self, websocket: WebSocket) -> Principal:
        cookie = websocket.cookies.get(COOKIE)
        if cookie:
            try:
                claims = self._services.tokens.read_live(cookie)
            except InvalidToken:
                pass
            else:
                return Principal(user_id=claims.user_id, log_in_id=claims.token_id)
        sessions = self._services.parts.page_sessions
        session = sessions.claims_of(websocket) if sessions is not None else None
        if session is None:
            return ANONYMOUS
        return Principal(user_id=session.user_id, log_in_id=session.token_id)


async def principal_of(services: Services, credential: str) -> Principal:
    """Return the owner of this access token or API key. Raises InvalidToken or DatabaseNotAnswering."""
    if not credential.startswith(KEY_PREFIX):
        claims = services.tokens.read_access_claims(credential)
        return Principal(user_id=claims.user_id, expires_at=claims.accepted_until)
    async with services.reading() as connection:
        holder = await find_key_holder(connection, credential, services.clock())
    if holder is None:
        raise InvalidToken(TokenFault.EXPIRED)
    return Principal(user_id=holder.user_id, key_id=holder.key_id)


class _Door:
    """The doorkeeper of one connection."""

    def __init__(self, services: Services, hub: LiveHub, seat: Seat, network: str) -> None:
        self._services = services
        self._hub = hub
        self._seat = seat
        self._network = network

    def clock(self) -> datetime:
        """Return the current time."""
        return self._services.clock()

    async def principal_of(self, credential: str) -> Principal:
        """Return the owner of this token or key. Raises RpcError."""
        try:
            return await principal_of(self._services, credential)
        except InvalidToken as error:
            raise RpcError(ErrorCode.INVALID_TOKEN, str(error)) from error

    def admit(self, principal: Principal) -> None:
        """Assign the connection to another user from now on. Raises TooManyConnections."""
        self._seat.belongs_to(principal.user_id)

    def count_request(self, principal: Principal) -> None:
        """Count a request. Raises RpcError if there are too many."""
        key = self._network if principal.user_id is None else f"user {principal.user_id}"
        requests = self._services.limits.live_requests
        wait_seconds = requests.wait_seconds(key)
        if wait_seconds > 0:
            raise RpcError(
                ErrorCode.TOO_MANY_REQUESTS,
                "Too many requests. Try again in a moment.",
                data={"waitTimeMillis": max(1, round(wait_seconds * 1000))},
            )
        requests.take(key)

    async def check(self, claim: Claim) -> int | None:
        """Return the id of the kit if the principal may see it. Raises DatabaseNotAnswering."""
        return (await self._hub.check([claim]))[0]


def _refusal(error: TooManyConnections) -> Problem:
    if error.is_full:
        return Problem(503, detail=str(error), headers={"Retry-After": str(_RETRY_SECONDS)})
    return Problem(429, detail=str(error), headers={"Retry-After": str(_RETRY_SECONDS)})


def _is_same_origin(websocket: HTTPConnection) -> bool:
    """Return whether one of our own pages connects: browsers send cookies with requests of any site's page."""
    origin = websocket.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() == websocket.headers.get("host", "").lower()
