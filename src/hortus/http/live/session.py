"""One connection of the live feed: its requests, its subscriptions, and what is sent to it (http-api 5)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from hortus.http.live.admission import TooManyConnections
from hortus.http.live.hub import LiveHub
from hortus.http.live.jsonrpc import (
    ErrorCode,
    RequestId,
    RpcError,
    RpcRequest,
    arguments,
    error_reply,
    parse_request,
    reply,
)
from hortus.http.live.outbox import FeedOutbox
from hortus.http.live.principals import Claim, Principal
from hortus.http.live.subscription import FeedSubscription
from hortus.http.live.topics import MOBILE_MEASUREMENTS, RAW_MEASUREMENTS, TOPICS
from hortus.http.server.database_access import DatabaseNotAnswering

SUBSCRIBE_RAW = "subscribe_raw_measurements"
"""Also the name of its notifications: the front-end compares it (http-api 5.2)."""

SUBSCRIBE_MOBILE = "subscribe_rawMeasurements"
"""The method of AstroPlant's mobile app, which uses an earlier version of the protocol."""

_RETRY_SECONDS = 5
_NOT_AUTHORIZED = "you are not authorized to subscribe to this kit"


class Doorkeeper(Protocol):
    """Authenticates the users of a connection and enforces their limits."""

    def clock(self) -> datetime:
        """Return the current time."""

    async def principal_of(self, credential: str) -> Principal:
        """Return the owner of this token or key. Raises RpcError."""

    def admit(self, principal: Principal) -> None:
        """Assign the connection to another user from now on. Raises TooManyConnections."""

    def count_request(self, principal: Principal) -> None:
        """Count a request. Raises RpcError if there are too many."""

    async def check(self, claim: Claim) -> int | None:
        """Return the id of the kit if the principal may see it. Raises DatabaseNotAnswering."""


class LiveSession:
    """The JSON-RPC session on an accepted connection."""

    def __init__(
        self, websocket: WebSocket, hub: LiveHub, doorkeeper: Doorkeeper, principal: Principal
    ) -> None:
        limits = hub.limits
        self.outbox = FeedOutbox(most_values=limits.waiting_values, most_replies=limits.waiting_replies)
        self.principal = principal
        self._websocket = websocket
        self._hub = hub
        self._doorkeeper = doorkeeper
        self._subscriptions: dict[int, FeedSubscription] = {}
        self._expiry: asyncio.TimerHandle | None = None
        self._methods: dict[str, Callable[[RpcRequest], Awaitable[None]]] = {
            SUBSCRIBE_RAW: self._subscribe_raw,
            SUBSCRIBE_MOBILE: self._subscribe_mobile,
            "unsubscribe_raw_measurements": self._unsubscribe,
            # What the front-end sends as the first message of its next connection (http-api 5.4).
            "unsubscribe_subscribe_raw_measurements": self._unsubscribe,
            "subscribe": self._subscribe,
            "unsubscribe_rawMeasurements": self._unsubscribe,
            "unsubscribe": self._unsubscribe,
            "authenticate": self._authenticate,
        }

    async def run(self) -> None:
        """Process requests until either side closes the connection."""
        self._watch_expiry()
        sending = asyncio.create_task(self._send())
        try:
            await self._receive()
        finally:
            if self._expiry is not None:
                self._expiry.cancel()
            for subscription in list(self._subscriptions.values()):
                self._leave(subscription)
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending

    def end(self, subscription: FeedSubscription, reason: str) -> None:
        """End a subscription from the server's side."""
        if self._subscriptions.get(subscription.id) is subscription:
            self._leave(subscription)
            subscription.notify("subscription_ended", reason=reason)

    async def _receive(self) -> None:
        while True:
            await self.outbox.room_for_reply()
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                await self._answer(message.get("text"))
            except RpcError as error:
                self.outbox.put(error_reply(error))

    async def _answer(self, text: str | None) -> None:
        request = self._read(text)
        if not request.wants_reply:
            return  # no method does anything without a reply
        method = self._methods.get(request.method)
        try:
            if method is None:
                raise RpcError(ErrorCode.METHOD_NOT_FOUND, "Method not found")
            await method(request)
        except RpcError as error:
            error.request_id = request.id
            raise
        except DatabaseNotAnswering as error:
            raise RpcError(
                ErrorCode.UNAVAILABLE,
                f"{error} Try again.",
                request_id=request.id,
                data={"retryAfterSeconds": _RETRY_SECONDS},
            ) from error

    def _read(self, text: str | None) -> RpcRequest:
        """Return the request in a frame, and count it. Raises RpcError, with the request's id if known."""
        try:
            if text is None:
                raise RpcError(ErrorCode.INVALID_REQUEST, "Send text frames; binary frames are not supported.")
            request = parse_request(text)
        except RpcError as error:
            self._count(error.request_id)
            raise
        if request.wants_reply:
            self._count(request.id)
        else:
            with contextlib.suppress(RpcError):  # the specification allows no reply, not even an error
                self._count(None)
        return request

    def _count(self, request_id: RequestId) -> None:
        try:
            self._doorkeeper.count_request(self.principal)
        except RpcError as error:
            error.request_id = request_id
            raise

    async def _subscribe_raw(self, request: RpcRequest) -> None:
        """Handle the method of http-api 5.1: the latest value of each series, then every newer one."""
        serial = _text(arguments(request.params, "kit_serial"), "kit_serial")
        subscription = FeedSubscription(self, RAW_MEASUREMENTS, serial, SUBSCRIBE_RAW, takes_late=False)
        await self._begin(request, subscription)

    async def _subscribe_mobile(self, request: RpcRequest) -> None:
        """Handle the method of AstroPlant's mobile app, which takes every notification for a reading."""
        serial = _text(arguments(request.params, "kitSerial"), "kitSerial")
        topic = MOBILE_MEASUREMENTS
        subscription = FeedSubscription(self, topic, serial, topic.name, takes_late=False, takes_notices=False)
        await self._begin(request, subscription)

    async def _subscribe(self, request: RpcRequest) -> None:
        """Handle the method for any topic; notifications are named after the topic."""
        given = arguments(request.params, "topic", "kit_serial")
        serial, topic = _text(given, "kit_serial"), TOPICS.get(_text(given, "topic"))
        if topic is None:
            raise RpcError(
                ErrorCode.INVALID_PARAMS, f"Unknown topic. Available topics: {', '.join(sorted(TOPICS))}."
            )
        await self._begin(request, FeedSubscription(self, topic, serial, topic.name, takes_late=True))

    async def _begin(self, request: RpcRequest, subscription: FeedSubscription) -> None:
        if len(self._subscriptions) >= self._hub.limits.subscriptions:
            raise RpcError(
                ErrorCode.TOO_MANY_SUBSCRIPTIONS,
                f"A connection can have at most {self._hub.limits.subscriptions} subscriptions. End one first.",
            )
        changes_before = self._hub.access_changes
        kit_id = await self._doorkeeper.check(subscription.claim)
        if kit_id is None:
            raise RpcError(ErrorCode.NOT_AUTHORIZED, _NOT_AUTHORIZED)
        async with self._hub.feed_of(subscription.topic, kit_id, subscription.serial) as feed:
            # Nothing is awaited from here on, so the reply, the latest values and the new ones are in order.
            subscription.feed = feed
            self._subscriptions[subscription.id] = subscription
            self.outbox.put(reply(request.id, subscription.id))
            self._hub.join(feed, subscription)
            if self._hub.access_changes != changes_before:
                # Access changed while this was waiting; it was in no list to be rechecked.
                self._hub.doubt([subscription])

    async def _unsubscribe(self, request: RpcRequest) -> None:
        """Reply whether there was such a subscription; one of an earlier connection is not an error."""
        number = arguments(request.params, "subscription")["subscription"]
        if isinstance(number, bool) or not isinstance(number, int | str):
            raise RpcError(
                ErrorCode.INVALID_PARAMS, "The subscription must be the number that subscribing returned."
            )
        subscription = self._subscriptions.get(number) if isinstance(number, int) else None
        if subscription is not None:
            self._leave(subscription)
        self.outbox.put(reply(request.id, subscription is not None))

    async def _authenticate(self, request: RpcRequest) -> None:
        """Assign the connection to the owner of this access token or API key."""
        token = _text(arguments(request.params, "token"), "token")
        principal = await self._doorkeeper.principal_of(token)
        try:
            self._doorkeeper.admit(principal)
        except TooManyConnections as error:
            raise RpcError(ErrorCode.TOO_MANY_REQUESTS, str(error)) from error
        self.principal = principal
        self._watch_expiry()
        # The new user may have less access than the previous one.
        self._hub.doubt(list(self._subscriptions.values()))
        self.outbox.put(reply(request.id, True))

    def _leave(self, subscription: FeedSubscription) -> None:
        self._subscriptions.pop(subscription.id, None)
        if subscription.feed is not None:
            self._hub.leave(subscription.feed, subscription)
        self.outbox.drop(subscription)

    def _watch_expiry(self) -> None:
        """Recheck access as soon as the token expires."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self.principal.expires_at is not None:
            seconds = (self.principal.expires_at - self._doorkeeper.clock()).total_seconds()
            self._expiry = asyncio.get_running_loop().call_later(max(0.0, seconds) + 0.01, self._expired)

    def _expired(self) -> None:
        self._hub.doubt(list(self._subscriptions.values()))

    async def _send(self) -> None:
        try:
            while True:
                await self._websocket.send({"type": "websocket.send", "text": await self.outbox.take()})
        except (WebSocketDisconnect, RuntimeError):
            self.outbox.close()  # the connection is closed, which the next receive will report


def _text(given: dict[str, Any], name: str) -> str:
    value = given[name]
    if not isinstance(value, str):
        raise RpcError(ErrorCode.INVALID_PARAMS, f"The parameter {name} must be a string.")
    return value
