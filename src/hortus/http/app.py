"""The HTTP application and its routes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from hortus import __version__
from hortus.base.language.languages import DEFAULT as DEFAULT_LANGUAGE
from hortus.base.supervision import Supervisor
from hortus.domain.accounts.password_resets import ResetMailer
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.tokens import Tokens
from hortus.domain.media.objects import MediaObjects
from hortus.domain.plants.state import DEFAULT_FRESHNESS
from hortus.domain.series.catching_up import CatchingUp
from hortus.flow.gateway.metrics import GatewayFigures
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.http.access.sessions import Sessions
from hortus.http.api.gateway_readings import RECEIVE_PATH, GatewayReceiver
from hortus.http.monitoring.backlog import BacklogReader
from hortus.http.monitoring.health import FlowWatch, HealthEndpoints, LiveFeed
from hortus.http.monitoring.metrics import HortusCollector, MetricsEndpoint
from hortus.http.pages.charts.pages import ChartPages
from hortus.http.pages.charts.store import ChartReader
from hortus.http.pages.components_page import ComponentsPage
from hortus.http.pages.login import LoginPages
from hortus.http.pages.pages import StatusPages
from hortus.http.pages.password_reset import ForgottenPasswordPages, PasswordResetPages
from hortus.http.pages.pictures import PicturePages
from hortus.http.pages.plant_store import PlantReader
from hortus.http.pages.plants import PlantPages
from hortus.http.pages.problems import Problems, UnexpectedErrors
from hortus.http.pages.rendering import BUILD_FOLDER, Templates
from hortus.http.pages.search import SearchPages
from hortus.http.pages.search_store import SearchReader
from hortus.http.pages.setup import SetUpPages
from hortus.http.pages.status_store import StatusReader
from hortus.http.server.database_access import DatabaseNotAnswering
from hortus.http.server.headers import SecurityHeaders
from hortus.http.server.languages import RequestLanguage
from hortus.http.server.public_path import PublicPath, require_distinct

PLANTKEEPER_PATH = "/api/v1"

_OF_BUILD = re.compile(rf"{BUILD_FOLDER}[0-9a-f]{{12}}/")

_READ = ["GET", "HEAD"]
_STATIC_FILES = Path(__file__).parent / "pages" / "static"
_GZIP_FROM_BYTES = 1024
_GZIP_LEVEL = 4
_COMPRESSED_ALREADY = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/vnd.apache.parquet", "image/jpeg")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebDependencies:
    """The dependencies of the web application.

    `secret_key` signs sessions and must be the same in all processes of an installation. `token_key` verifies
    password reset tokens; without it there is no page for them. Without `reset_mailer`, only an operator can
    reset a password. `pipeline` and `endpoint_counters` (a dataclass of numbers) are None in a process without
    ingest or endpoint. Holders of `metrics_token` may read /metrics from other machines; the figures of a
    `gateway` in this process are included there. `api` is mounted at /api, and `plantkeeper` at /api/v1.
    `media_objects` stores pictures. The tasks of `supervisor` are part of the health. A reading older than
    `plant_freshness` does not count for a plant's condition. `rollups` sums up for charts what jobs have not
    yet; without it, a chart of a long backlog takes longer. A proxy may offer everything below `public_path`,
    such as `/hortus`. Pages are in `language` for browsers that ask for none that there is.
    """

    engine: AsyncEngine
    secret_key: str
    token_key: bytes | None = None
    reset_mailer: ResetMailer | None = None
    pipeline: IngestPipeline | None = None
    endpoint_counters: object | None = None
    metrics_token: str | None = None
    gateway: GatewayFigures | None = None
    api: ASGIApp | None = None
    live: LiveFeed | None = None
    plantkeeper: ASGIApp | None = None
    media_objects: MediaObjects | None = None
    supervisor: Supervisor | None = None
    rollups: CatchingUp | None = None
    plant_freshness: timedelta = DEFAULT_FRESHNESS
    public_path: str = ""
    language: str = DEFAULT_LANGUAGE
    clock: Callable[[], datetime] = _now


def create_app(dependencies: WebDependencies) -> FastAPI:
    """Return the application. It opens no connection before the first request.

    Raises UsageError if `public_path` cannot be told from our own addresses.
    """
    templates = Templates(dependencies.public_path)
    problems = Problems(templates)
    # No generated API pages: they load scripts from other hosts.
    app = FastAPI(title="Hortus", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    _add_routes(app, dependencies, templates)
    app.add_exception_handler(HTTPException, problems.for_http_exception)
    app.add_exception_handler(DatabaseNotAnswering, problems.for_database_failure)
    # The last middleware added is the outermost.
    app.add_middleware(UnexpectedErrors, problems=problems)
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
    engine, pipeline = dependencies.engine, dependencies.pipeline
    sessions = Sessions(dependencies.secret_key, engine)
    watch = FlowWatch(pipeline, dependencies.clock) if pipeline else None
    counters = dependencies.endpoint_counters

    plant_reader = PlantReader(engine, dependencies.clock, dependencies.plant_freshness)
    backlog = BacklogReader(engine)
    status = StatusPages(StatusReader(engine, dependencies.clock), plant_reader, backlog, sessions, templates)
    app.add_route("/", status.index, methods=_READ)
    app.add_route("/status", status.status, methods=_READ)

    search = SearchPages(SearchReader(engine), sessions, templates)
    app.add_route("/search", search.show, methods=_READ)
    app.add_route("/search/suggestions", search.suggestions, methods=_READ)
    app.add_route("/kits/{serial}", search.kit, methods=_READ)
    app.add_route("/help/components", ComponentsPage(sessions, templates).show, methods=_READ)

    pictures = PicturePages(engine, sessions, dependencies.media_objects)
    app.add_route("/pictures/{medium_id}/thumbnail", pictures.thumbnail, methods=_READ)
    app.add_route("/pictures/{medium_id}/content", pictures.content, methods=_READ)

    plants = PlantPages(engine, plant_reader, sessions, templates)
    app.add_route("/plants/{plant_id}", plants.show, methods=_READ)
    app.add_route("/plants/{plant_id}/status", plants.status, methods=_READ)
    app.add_route("/plants/{plant_id}/photo", plants.photo, methods=_READ)
    app.add_route("/plants/{plant_id}/alerts/{alert_id}/seen", plants.see_alert, methods=["POST"])

    charts = ChartPages(ChartReader(engine, dependencies.clock, dependencies.rollups), sessions, templates)
    app.add_route("/kits/{serial}/charts", charts.show, methods=_READ)
    app.add_route("/kits/{serial}/charts.csv", charts.file, methods=_READ)
    app.add_route("/kits/{serial}/points.json", charts.points, methods=_READ)

    tokens = Tokens(dependencies.token_key, dependencies.clock) if dependencies.token_key else None
    login = LoginPages(engine, Passwords(), sessions, tokens, templates)
    app.add_route("/login", login.show, methods=_READ)
    app.add_route("/login", login.log_in, methods=["POST"])
    app.add_route("/logout", login.log_out, methods=["POST"])

    forgotten = ForgottenPasswordPages(engine, tokens, dependencies.reset_mailer, templates)
    app.add_route("/forgotten-password", forgotten.show, methods=_READ)
    app.add_route("/forgotten-password", forgotten.ask, methods=["POST"])
    if tokens is not None:
        resets = PasswordResetPages(engine, Passwords(), tokens, templates)
        app.add_route("/password-reset", resets.show, methods=_READ)
        app.add_route("/password-reset", resets.choose, methods=["POST"])

    if dependencies.token_key is not None:
        setup = SetUpPages(engine, Passwords(), sessions, dependencies.token_key, templates)
        app.add_route("/setup", setup.show, methods=_READ)
        app.add_route("/setup", setup.create, methods=["POST"])

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
    app.add_route("/static/hortus.css", templates.style_sheet.show, methods=_READ)
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
    """Static files. Addresses change with the content, so clients may cache those that name the build.

    It is in the query, or for modules in the path, `build-1234/charts/main.js`.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a file, and reject WebSocket requests, which would otherwise count as our error."""
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        of_build = _OF_BUILD.match(path)
        response = await super().get_response(path[of_build.end() :] if of_build else path, scope)
        if of_build or scope["query_string"].startswith(b"v="):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
