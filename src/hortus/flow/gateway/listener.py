"""The gateway's HTTP server: `POST /sensor-data` for boards, `GET /healthz` and `/metrics` for operators."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import OrderedDict
from collections.abc import Callable

from hortus.flow.gateway.admission import BoardAdmission
from hortus.flow.gateway.errors import SpoolUnavailable
from hortus.flow.gateway.health import GatewayHealth
from hortus.flow.gateway.http import Answer, BoardConnection, BoardRequest
from hortus.flow.gateway.limits import ListenerLimits
from hortus.flow.gateway.metrics import metrics_text
from hortus.flow.gateway.readings import RefusedRequest, UnusableSensorId, read_sensor_data
from hortus.flow.gateway.spool import Spool
from hortus.flow.gateway.spool_file import Arrival
from hortus.flow.gateway.unnumbered import UnnumberedBoards

log = logging.getLogger(__name__)

_BACKLOG = 1024
_RECEIVED = Answer(status=200, document={"message": "Data successfully received"})


class GatewayListener:
    """Accepts requests on a listening socket, stores readings in the spool, and only then answers 200 (G1)."""

    def __init__(
        self,
        spool: Spool,
        admission: BoardAdmission,
        health: GatewayHealth,
        unnumbered: UnnumberedBoards,
        *,
        limits: ListenerLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.limits = limits or ListenerLimits()
        self._spool = spool
        self._admission = admission
        self._health = health
        self._unnumbered = unnumbered
        self._clock = clock
        self._receiving: OrderedDict[BoardConnection, None] = OrderedDict()
        self._open: set[BoardConnection] = set()
        self._answering: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: BoardConnection(self), sock=listener, backlog=_BACKLOG)

    async def stop(self) -> None:
        """Stop accepting connections, and finish the requests already received (G16)."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._receiving):
            connection.give_way()
        if self._answering:
            await asyncio.wait(self._answering, timeout=self.limits.answer_seconds)

    # Called by connections

    def opened(self, connection: BoardConnection) -> None:
        """Register a connection; if there are too many, close the one that has been idle longest."""
        self._open.add(connection)
        self._receiving[connection] = None
        if len(self._open) > self.limits.connections and self._receiving:
            next(iter(self._receiving)).give_way()

    def request_ended(self, connection: BoardConnection) -> None:
        """Exempt a connection whose request is complete from being closed to make room."""
        self._receiving.pop(connection, None)

    def closed(self, connection: BoardConnection) -> None:
        self._receiving.pop(connection, None)
        self._open.discard(connection)

    def keep(self, work: asyncio.Task[None]) -> None:
        self._answering.add(work)
        work.add_done_callback(self._answering.discard)

    def refused(self, reason: str) -> None:
        self._spool.count(f"rejected:{reason}")

    async def answer(self, request: BoardRequest) -> Answer:
        """Return the response to a request; expected failures become 4xx and 503."""
        try:
            self._admission.admit_address(request.address)
            return await self._route(request)
        except RefusedRequest as refusal:
            self.refused(refusal.reason)
            if isinstance(refusal, UnusableSensorId):
                self._unnumbered.heard(request.address, refusal.sensor_id, int(self._clock() * 1000))
            return Answer(status=refusal.status, document={"error": str(refusal)})
        except (SpoolUnavailable, TimeoutError):
            self._spool.count("rejected:cannot-store")
            return Answer(status=503, document={"error": "The reading cannot be stored now"})

    # Routes

    async def _route(self, request: BoardRequest) -> Answer:
        match request.path, request.method:
            case "/sensor-data", "POST":
                return await self._take(request)
            case "/healthz", "GET" | "HEAD":
                async with asyncio.timeout(self.limits.answer_seconds):
                    return await self._health.answer()
            case "/metrics", "GET" | "HEAD":
                async with asyncio.timeout(self.limits.answer_seconds):
                    return Answer(status=200, text=metrics_text(await self._health.report()))
            case "/sensor-data" | "/healthz" | "/metrics", _:
                raise RefusedRequest(405, "wrong-method", "This address does not know that method")
            case _:
                raise RefusedRequest(404, "wrong-path", "There is nothing at this address")

    async def _take(self, request: BoardRequest) -> Answer:
        received_at_ms = int(self._clock() * 1000)
        if not request.says_length:
            raise RefusedRequest(
                411, "no-length", "The request has no body: say how long it is, with Content-Length"
            )
        reading, unknown_keys = read_sensor_data(request.content_type, request.body)
        self._unnumbered.has_id(request.address)
        self._admission.admit_sensor(reading.sensor_id)
        if unknown_keys:
            self._spool.count("unknown-keys", unknown_keys)
        arrival = Arrival(
            reading=reading,
            received_at_ms=received_at_ms,
            address=request.address,
            set_aside=self._admission.why_set_aside(reading.sensor_id, request.address),
        )
        async with asyncio.timeout(self.limits.answer_seconds):
            await self._spool.append(arrival)
        return _RECEIVED
