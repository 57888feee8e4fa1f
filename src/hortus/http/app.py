"""The HTTP application and its routes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from hortus import __version__
from hortus.base.language.languages import DEFAULT as DEFAULT_LANGUAGE
from hortus.base.map_tiles import MapTiles
from hortus.base.supervision import Supervisor
from hortus.flow.gateway.metrics import GatewayFigures
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.http.access.services import Services
from hortus.http.access.sessions import Sessions
from hortus.http.api.gateway_readings import RECEIVE_PATH, GatewayReceiver
from hortus.http.conventions.problems import Problem
from hortus.http.monitoring.backlog import BacklogReader
from hortus.http.monitoring.health import FlowWatch, HealthEndpoints, LiveFeed
from hortus.http.monitoring.metrics import HortusCollector, MetricsEndpoint
from hortus.http.monitoring.monitor import Monitor
from hortus.http.pages.kits.opened import NoSuchKit
from hortus.http.pages.problems import Problems, UnexpectedErrors
from hortus.http.pages.rendering import Templates
from hortus.http.pages.requests import LogInNeeded
from hortus.http.pages.routes import page_routes
from hortus.http.pages.site import Site
from hortus.http.pages.zero_characters import NoZeroCharacters
from hortus.http.server.database_access import DatabaseNotAnswering
from hortus.http.server.headers import SecurityHeaders
from hortus.http.server.languages import RequestLanguage
from hortus.http.server.own_quantities import OwnQuantities
from hortus.http.server.public_path import PublicPath, require_distinct

PLANTKEEPER_PATH = "/api/v1"

_READ = ["GET", "HEAD"]
_STATIC_FILES = Path(__file__).parent / "pages" / "static"
_GZIP_FROM_BYTES = 1024
_GZIP_LEVEL = 4
_COMPRESSED_ALREADY = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/vnd.apache.parquet", "image/jpeg")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebDependencies:
    """The dependencies of the web application.

    Pages use the same `services` as the API, so that limits hold for both together. `secret_key` signs sessions
    and must be the same in all processes of an installation. `pipeline` and `endpoint_counters` (a dataclass of
    numbers) are None in a process without ingest or endpoint. Holders of `metrics_token` may read /metrics from
    other machines; the figures of a `gateway` in this process are included there. `api` is mounted at /api, and
    `plantkeeper` at /api/v1. The tasks of `supervisor` are part of the health. A proxy may offer everything
    below `public_path`, such as `/hortus`. Pages are in `language` for browsers that ask for none that there
    is.
    """

    services: Services
    secret_key: str
    pipeline: IngestPipeline | None = None
    endpoint_counters: object | None = None
    metrics_token: str | None = None
    gateway: GatewayFigures | None = None
    api: ASGIApp | None = None
    live: LiveFeed | None = None
    plantkeeper: ASGIApp | None = None
    supervisor: Supervisor | None = None
    public_path: str = ""
    map_tiles: MapTiles | None = None
    language: str = DEFAULT_LANGUAGE


def create_app(dependencies: WebDependencies) -> FastAPI:
    """Return the application. It opens no connection before the first request.

    Raises UsageError if `public_path` cannot be told from our own addresses.
    """
    sign_up_open = dependencies.services.parts.sign_up_open
    templates = Templates(dependencies.public_path, sign_up_open=sign_up_open)
    problems = Problems(templates)
    # No generated API pages: they load scripts from other hosts.
    app = FastAPI(title="Hortus", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    _add_routes(app, dependencies, templates)
    app.add_exception_handler(HTTPException, problems.for_http_exception)
    app.add_exception_handler(Problem, problems.for_problem)
    app.add_exception_handler(LogInNeeded, problems.for_stranger)
    app.add_exception_handler(NoSuchKit, problems.for_hidden_kit)
    app.add_exception_handler(DatabaseNotAnswering, problems.for_database_failure)
    # The last middleware added is the outermost.
    app.add_middleware(NoZeroCharacters, problems=problems)
    app.add_middleware(UnexpectedErrors, problems=problems)
    app.add_middleware(OwnQuantities, engine=dependencies.services.parts.engine)
    app.add_middleware(RequestLanguage, default=dependencies.language)
    app.add_middleware(
        _Compression,
        minimum_size=_GZIP_FROM_BYTES,
        compresslevel=_GZIP_LEVEL,
        exclude_content_types=_COMPRESSED_ALREADY,
    )
    app.add_middleware(SecurityHeaders)
    if dependencies.public_path:
        require_distinct(dependencies.public_path, app.routes)
        app.add_middleware(PublicPath, path=dependencies.public_path)
    return app


def _add_routes(app: FastAPI, dependencies: WebDependencies, templates: Templates) -> None:
    services, pipeline = dependencies.services, dependencies.pipeline
    engine = services.parts.engine
    sessions = Sessions(dependencies.secret_key, engine, usual_zone=services.messages.time_zone)
    watch = FlowWatch(pipeline, services.clock) if pipeline else None
    counters = dependencies.endpoint_counters
    backlog = BacklogReader(engine)

    monitor = Monitor(
        watch=watch,
        supervisor=dependencies.supervisor or Supervisor(),
        gateway=dependencies.gateway or GatewayFigures(),
        intake=pipeline,
    )
    site = Site(
        services=services,
        sessions=sessions,
        templates=templates,
        backlog=backlog,
        monitor=monitor,
        map_tiles=dependencies.map_tiles,
    )
    app.router.routes += page_routes(site)

    health = HealthEndpoints(
        engine, watch, counters, dependencies.live, backlog, dependencies.supervisor, dependencies.gateway
    )
    app.add_route("/healthz", health.healthz, methods=_READ)
    app.add_route("/readyz", health.readyz, methods=_READ)

    collector = HortusCollector(
        pipeline.metrics if pipeline else None,
        watch,
        counters,
        dependencies.live,
        pipeline.media if pipeline else None,
        dependencies.supervisor,
    )
    metrics = MetricsEndpoint(collector, sessions, dependencies.metrics_token, dependencies.gateway, backlog)
    app.add_route("/metrics", metrics.show, methods=_READ)

    if pipeline is not None:
        receiver = GatewayReceiver(engine, pipeline)
        app.add_route(RECEIVE_PATH, receiver.receive, methods=["POST"])

    if dependencies.plantkeeper is not None:
        app.router.routes += [
            Route(PLANTKEEPER_PATH, _WithSlash(dependencies.plantkeeper, PLANTKEEPER_PATH)),
            Mount(PLANTKEEPER_PATH, dependencies.plantkeeper),
        ]
    if dependencies.api is not None:
        app.mount("/api", dependencies.api)
    app.add_route("/static/hortus.css", templates.style_sheets.show, methods=_READ)
    app.add_route("/static/styles/{name}", templates.style_sheets.show_chapter, methods=_READ)
    app.mount("/static", _CachedStaticFiles(directory=_STATIC_FILES))


class _Compression(GZipMiddleware):
    """Compresses text. Content from kits is sent unchanged: its ranges have to fit together.

    So is everything to HTTP/1.0: a compressed file is sent in chunks, which such clients cannot read.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        unchanged = ("/content", "/thumbnail", "/preview")
        if scope["type"] == "http" and (
            scope.get("http_version") == "1.0" or scope["path"].endswith(unchanged)
        ):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class _WithSlash:
    """Answers the path of a mounted application without its trailing slash, which a mount does not match."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root_path = scope.get("root_path", "") + self._path
        await self._app({**scope, "path": f"{root_path}/", "root_path": root_path}, receive, send)


class _CachedStaticFiles(StaticFiles):
    """Static files. Addresses change with the content, so clients may cache those that name the build."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a file, and reject WebSocket requests, which would otherwise count as our error."""
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if scope["query_string"].startswith(b"v="):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
