"""`hortus web`: pages and API as a separate process. It is stateless, so any number may run at once."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.app.assembly import live_hub, make_pipeline, plantkeeper_api
from hortus.app.command_line.database_access import named_data_dir, open_url
from hortus.app.command_line.terminal import DataDirOption, configure_logging, run, stop_requested
from hortus.app.resources import allow_many_connections, settle_memory
from hortus.app.setting_up import set_up_link
from hortus.app.signing_keys import shared_keys
from hortus.app.supervision import process_supervisor, start_answering_requests, start_following_kits
from hortus.app.waiting import wait_for_current_database
from hortus.base.database.engine import connector, open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import UsageError
from hortus.base.origins import parse_origins
from hortus.base.settings import Settings, read_settings
from hortus.domain.kits.registry import KitRegistry
from hortus.domain.media.place import media_of_command
from hortus.domain.messages.access import message_access
from hortus.domain.messages.reset_mail import QueuedResetMailer
from hortus.flow.broker.account_changes import account_changes
from hortus.flow.commands.watch import CommandWatch
from hortus.http.access.doors import Door, Doors
from hortus.http.access.services import ApiParts, open_reading_engine
from hortus.http.access.sessions import Sessions
from hortus.http.api.app import create_api
from hortus.http.app import WebDependencies, create_app
from hortus.http.server.server import bind, serve

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 5.0


def web(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of pages and API; 0 takes a free one.")
    ] = 8080,
    data_dir: DataDirOption = None,
) -> None:
    """Serve web pages and the API on DATABASE_URL, alongside any number of other such processes.

    All need the same key, in the file that TOKEN_SIGNER_KEY names.
    """
    settings = read_settings()
    configure_logging(settings.log_level)
    run(run_web(settings, WebOptions(host=host, port=port, data_dir=named_data_dir(data_dir, settings))))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """The arguments of `hortus web`. `data_dir` names a one-box installation to serve alongside."""

    host: str
    port: int
    data_dir: Path | None


async def run_web(settings: Settings, options: WebOptions) -> None:
    """Serve until SIGINT or SIGTERM. Raises HortusError with a sentence if it cannot start.

    The database need not be reachable yet: until it is, requests are answered 503 and /readyz says why.
    """
    if options.data_dir is None and settings.database_url is None:
        raise UsageError(
            "Set DATABASE_URL to the PostgreSQL of this installation, or name the data directory of one box "
            "with --data-dir or HORTUS_DATA_DIR."
        )
    # Checked before anything is opened: without keys no log-in would last.
    shared_keys(settings, options.data_dir)
    async with open_url(options.data_dir, settings) as url:
        await _serve(settings, options, url)


async def _serve(settings: Settings, options: WebOptions, url: DatabaseUrl) -> None:
    stop = stop_requested()
    allow_many_connections()
    keys = shared_keys(settings, options.data_dir)
    objects = media_of_command(settings, options.data_dir)
    access = message_access(settings, keys.tokens)
    command_watch = CommandWatch()
    registry = KitRegistry()
    pipeline = make_pipeline(settings, url, registry, objects, "hortus web ingest")
    async with (
        open_engine(url) as engine,
        open_reading_engine(url) as reading_engine,
        process_supervisor() as supervisor,
    ):
        hub = live_hub(settings, url, engine)
        reset_mailer = QueuedResetMailer(engine, access) if access.mail else None
        api = create_api(
            ApiParts(
                engine=engine,
                connect=connector(url, "hortus api"),
                reading_engine=reading_engine,
                token_key=keys.tokens,
                clock_tolerance_ms=settings.clock_tolerance_seconds * 1000,
                late_months_per_hour=settings.late_months_per_hour,
                sign_up_open=settings.sign_up == "open",
                named_origins=parse_origins(settings.cors_origins),
                quotas=settings.quotas,
                account_changes=account_changes(settings),
                reset_mailer=reset_mailer,
                message_access=access,
                command_watch=command_watch,
                intake=pipeline,
                doors=lambda: _doors(settings),
                media_objects=objects,
                page_sessions=Sessions(keys.sessions, engine),
                plant_freshness=timedelta(seconds=settings.plant_fresh_seconds),
            ),
            live=hub,
        )
        app = create_app(
            WebDependencies(
                services=api.state.services,
                secret_key=keys.sessions,
                pipeline=pipeline,
                metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else None,
                api=api,
                live=hub,
                supervisor=supervisor,
                language=settings.language,
                public_path=settings.public_path,
                map_tiles=settings.map_tiles,
                plantkeeper=plantkeeper_api(settings, api, pipeline),
            )
        )
        settle_memory()
        with bind(options.host, options.port, option="--port") as listener:
            address = "http://{}:{}/".format(*listener.getsockname()[:2])
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(
                    _wait_for_database(engine, url, keys.tokens, access.public_url or address.rstrip("/"))
                )
                supervisor.start("storing", pipeline.run, may_end=True)
                start_following_kits(supervisor, url, [registry.changed])
                start_answering_requests(supervisor, url, hub, command_watch)
                serving = supervisor.start(
                    "web-server",
                    lambda: serve(
                        app,
                        listener.dup(),
                        forwarded_allow_ips=settings.http_forwarded_allow_ips,
                        most_websockets=settings.live_connections,
                    ),
                    serves_requests=True,
                )
                log.info("serving pages and API at %s from %s", address, url.redacted())
                await stop.wait()
                log.info("stopping: finishing requests in progress")
                listener.close()
                for task in (waiting, serving):
                    task.cancel()
                await asyncio.wait({serving})
                # Requests that delivered readings have ended, so no waiting reading has been acknowledged.
                await pipeline.stop(_DRAIN_SECONDS)


def _doors(settings: Settings) -> Doors:
    """Return where kits connect: the broker of the settings, if they name one. Gateways are elsewhere."""
    if not {"mqtt_host", "mqtt_port"} & settings.model_fields_set:
        return Doors()
    return Doors(kits=Door(host=settings.mqtt_host, port=settings.mqtt_port, tls=settings.mqtt_tls))


async def _wait_for_database(engine: AsyncEngine, url: DatabaseUrl, key: bytes, base_url: str) -> None:
    await wait_for_current_database(engine, url)
    link = await set_up_link(engine, key, base_url)
    if link is not None:
        log.info("nobody has an account yet; create the first one at %s", link)
