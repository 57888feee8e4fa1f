"""`hortus up`: everything on one box, in one process beside its PostgreSQL.

    kit   -> built-in endpoint -> pipeline -> PostgreSQL -> status page
    board -> gateway (spool)   ->

Started from the bottom up and stopped from the top down: no client is accepted before readings can be stored,
and messages already received are stored before the database stops.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from fastapi import FastAPI
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus import __version__
from hortus.app.assembly import live_hub, make_pipeline, plantkeeper_api
from hortus.app.command_line.terminal import configure_logging, messages, run, stop_requested
from hortus.app.demo import DEMO_USER, DEMO_USER_SECRET, prepare_demo
from hortus.app.jobs import JobParts, start_jobs
from hortus.app.kit_endpoint import (
    MQTT_SERVER_SECRET,
    ChangedAccounts,
    endpoint_authenticator,
    kit_endpoint,
)
from hortus.app.kit_rpc import ANSWER_TOPICS, REQUEST_TOPICS, EndpointTransport, KitRpc
from hortus.app.resources import allow_many_connections, settle_memory
from hortus.app.setting_up import set_up_link
from hortus.app.signing_keys import SigningKeys, keys_of_holder
from hortus.app.supervision import (
    process_supervisor,
    start_answering_requests,
    start_following_kits,
    start_listening_record,
    task_connector,
)
from hortus.app.virtual_kit_runner import LOOK_SECONDS, VirtualKitRunner
from hortus.base.database.engine import TASK_STATEMENT_SECONDS, connector, open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres
from hortus.base.errors import HortusError, describe_error
from hortus.base.installation.access import embedded_postgres
from hortus.base.installation.data_directory import DataDirectory
from hortus.base.installation.run_info import RunInfo
from hortus.base.origins import parse_origins
from hortus.base.settings import Settings
from hortus.base.supervision import Supervisor, note_failure, note_success
from hortus.domain.definitions.store import load_definitions
from hortus.domain.kits.registry import KitRegistry
from hortus.domain.media.objects import MediaObjects
from hortus.domain.media.place import open_media_objects
from hortus.domain.messages.access import MessageAccess, message_access
from hortus.domain.messages.reset_mail import QueuedResetMailer
from hortus.domain.mqtt_accounts.log_in_keeper import LogInKeeper
from hortus.domain.mqtt_accounts.store import SERVER_ACCOUNT
from hortus.domain.plants.built_in_species import load_species
from hortus.domain.presence.keeper import PresenceKeeper
from hortus.flow.commands.watch import CommandWatch
from hortus.flow.gateway.metrics import GatewayFigures
from hortus.flow.gateway.service import GatewayLimits, running_gateway, to_local_installation
from hortus.flow.gateway.settings import GatewaySettings, read_gateway_settings
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.flow.migrations.migrate import upgrade
from hortus.http.access.doors import Door, Doors
from hortus.http.access.services import ApiParts, open_reading_engine
from hortus.http.access.sessions import Sessions
from hortus.http.api.app import create_api
from hortus.http.app import WebDependencies, create_app
from hortus.http.live.hub import LiveHub
from hortus.http.server.server import bind, serve
from hortus.protocol.mqtt.endpoint import Listener, MqttEndpoint
from hortus.simulator.fleet import Fleet
from hortus.simulator.options import KitCredentials, SimulatorOptions

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 0.5
_POSTGRES_STOP_SECONDS = 2.0
_RESTART_PAUSE_SECONDS = 1.0


def up(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir", help="Where everything is kept. [default: ./hortus-data]", show_default=False
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    http_port: Annotated[
        int, typer.Option("--http-port", min=0, max=65535, help="Port of the web pages.")
    ] = 8080,
    mqtt_port: Annotated[int, typer.Option("--mqtt-port", min=0, max=65535, help="Port for kits.")] = 1883,
    gateway_port: Annotated[
        int,
        typer.Option(
            "--gateway-port",
            min=0,
            max=65535,
            envvar="HORTUS_GATEWAY_PORT",
            help="Port for boards that can only do plain HTTP.",
        ),
    ] = 8090,
    demo: Annotated[
        bool, typer.Option("--demo", help="Make a user and virtual kits with a season of history.")
    ] = False,
    demo_kits: Annotated[
        int, typer.Argument(min=1, max=100, metavar="[KITS]", help="How many virtual kits, with --demo.")
    ] = 3,
) -> None:
    """Run everything on this machine: database, MQTT for kits, and web pages."""
    settings = read_gateway_settings()
    configure_logging(settings.log_level)
    options = UpOptions(
        data_dir=data_dir or settings.data_dir,
        host=host,
        http_port=http_port,
        mqtt_port=mqtt_port,
        gateway_port=gateway_port,
        demo_kits=demo_kits if demo else 0,
    )
    run(run_up(settings, options, messages))


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """The arguments of `hortus up`. `demo_kits` 0 means no demonstration."""

    data_dir: Path
    host: str
    http_port: int
    mqtt_port: int
    gateway_port: int
    demo_kits: int


async def run_up(settings: GatewaySettings, options: UpOptions, console: Console) -> None:
    """Run everything until SIGINT or SIGTERM. Raises HortusError with a sentence if it cannot start."""
    stop = stop_requested()
    allow_many_connections()
    with (
        DataDirectory.open(options.data_dir) as directory,
        bind(options.host, options.http_port) as listener,
        bind(options.host, options.gateway_port, option="--gateway-port") as board_listener,
    ):
        postgres = embedded_postgres(directory)
        try:
            url = await postgres.start(partial(console.print, style="dim"))
            async with open_engine(url) as engine:
                await upgrade(engine)
                async with engine.begin() as connection:
                    await load_definitions(connection)
                    await load_species(connection)
                virtual_kits = await _demo(options, directory, engine, url, console)
                async with (
                    process_supervisor() as supervisor,
                    _running(
                        *(settings, options, directory, engine, url, postgres),
                        *(listener, board_listener, supervisor),
                    ) as addresses,
                    _virtual_kits(virtual_kits, addresses, supervisor),
                ):
                    directory.announce(
                        RunInfo.of_this_process(url, http_address=addresses.http, mqtt_address=addresses.mqtt)
                    )
                    _tell_ready(console, directory, addresses, demo=bool(virtual_kits))
                    await stop.wait()
                    console.print("Stopping: storing the received messages.")
                    directory.withdraw()
        finally:
            await postgres.stop(patience_seconds=_POSTGRES_STOP_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Addresses:
    http: str
    mqtt: str
    gateway: str
    set_up: str | None
    """The link that makes the first account, as long as there is none."""


async def _demo(
    options: UpOptions, directory: DataDirectory, engine: AsyncEngine, url: DatabaseUrl, console: Console
) -> list[KitCredentials]:
    if not options.demo_kits:
        return []
    writing = await connector(url, "hortus demo")()
    try:
        return await prepare_demo(engine, writing, directory.secrets, options.demo_kits, console)
    finally:
        await writing.close()


@asynccontextmanager
async def _running(
    settings: GatewaySettings,
    options: UpOptions,
    directory: DataDirectory,
    engine: AsyncEngine,
    url: DatabaseUrl,
    postgres: EmbeddedPostgres,
    listener: socket.socket,
    board_listener: socket.socket,
    supervisor: Supervisor,
) -> AsyncIterator[_Addresses]:
    """Run endpoint, pipeline, responder, web pages and background work for as long as the context lasts."""
    async with (
        open_engine(url, statement_seconds=TASK_STATEMENT_SECONDS) as task_engine,
        open_reading_engine(url) as reading_engine,
    ):
        keys = keys_of_holder(settings, directory)
        access = message_access(settings, keys.tokens)
        registry = KitRegistry()
        objects = open_media_objects(settings, directory.media)
        pipeline = make_pipeline(settings, url, registry, objects, "hortus ingest")
        presence = PresenceKeeper(task_engine)
        log_ins = LogInKeeper(task_engine)
        mqtt_listener = Listener(host=options.host, port=options.mqtt_port)
        authenticator = endpoint_authenticator(directory, task_engine)
        endpoint = kit_endpoint(
            mqtt_listener,
            authenticator,
            pipeline,
            on_presence=presence.connection_changed,
            on_own_word=presence.said,
            on_shared=presence.account_shared,
            log_ins=log_ins,
        )
        transport = EndpointTransport(endpoint)
        rpc = KitRpc(
            task_engine,
            task_connector(url, "hortus rpc"),
            transport,
            transport.publish,
            presence,
            kit_seconds=settings.kit_answer_seconds,
        )
        command_watch = CommandWatch()
        hub = live_hub(settings, url, engine)
        gateway = GatewayFigures()
        api = _api(
            *(settings, keys, engine, reading_engine, url, access, command_watch, objects, hub, pipeline),
            lambda: _doors(endpoint, board_listener),
            directory.postgres,
        )
        app = create_app(
            WebDependencies(
                services=api.state.services,
                secret_key=keys.sessions,
                pipeline=pipeline,
                endpoint_counters=endpoint.counters,
                metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else None,
                gateway=gateway,
                api=api,
                live=hub,
                plantkeeper=plantkeeper_api(settings, api, pipeline),
                supervisor=supervisor,
                language=settings.language,
                public_path=settings.public_path,
                map_tiles=settings.map_tiles,
            )
        )
        settle_memory()
        endpoint.subscribe_local(REQUEST_TOPICS, rpc.responder.request_arrived)
        endpoint.subscribe_local(ANSWER_TOPICS, rpc.answers.answer_arrived)
        supervisor.start("postgresql", partial(_keep_alive, postgres))
        supervisor.start("storing", pipeline.run, may_end=True)
        rpc.start(supervisor)
        supervisor.start("log-in-record", log_ins.run)
        start_listening_record(supervisor, url)
        accounts = ChangedAccounts(endpoint, authenticator)
        supervisor.start("changed-accounts", accounts.run)
        virtual_kits = VirtualKitRunner(task_engine, lambda: endpoint.addresses[0])
        start_following_kits(supervisor, url, [registry.changed, accounts.changed, virtual_kits.changed])
        start_answering_requests(supervisor, url, hub, command_watch)
        start_jobs(
            JobParts(settings=settings, url=url, engine=task_engine, messages=access, media=objects), supervisor
        )
        try:
            await presence.begin()
            await endpoint.start(supervisor)
            simulated = supervisor.start("kits-of-pages", virtual_kits.run, every_seconds=LOOK_SECONDS)
            web = supervisor.start(
                "web-server",
                lambda: serve(
                    app,
                    listener.dup(),
                    forwarded_allow_ips=settings.http_forwarded_allow_ips,
                    most_websockets=settings.live_connections,
                ),
                serves_requests=True,
            )
            boards = running_gateway(
                supervisor,
                board_listener,
                directory.spool,
                to_local_installation(task_engine, pipeline),
                GatewayLimits(admission=settings.admission_rules(), spool=settings.spool_limits()),
            )
            try:
                async with boards as gateway.health:
                    http = _text(*listener.getsockname()[:2])
                    yield _Addresses(
                        http=http,
                        mqtt=_text(*endpoint.addresses[0]),
                        gateway=_text(*board_listener.getsockname()[:2]),
                        set_up=await set_up_link(engine, keys.tokens, access.public_url or f"http://{http}"),
                    )
            finally:
                presence.close()
                simulated.cancel()
                listener.close()
                web.cancel()  # lets requests in progress end, while the endpoint stops in parallel
                await endpoint.stop()
        finally:
            await pipeline.stop(_DRAIN_SECONDS)


def _api(
    settings: Settings,
    keys: SigningKeys,
    engine: AsyncEngine,
    reading_engine: AsyncEngine,
    url: DatabaseUrl,
    access: MessageAccess,
    command_watch: CommandWatch,
    objects: MediaObjects | None,
    hub: LiveHub,
    pipeline: IngestPipeline,
    doors: Callable[[], Doors],
    database_folder: Path,
) -> FastAPI:
    return create_api(
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
            reset_mailer=QueuedResetMailer(engine, access) if access.mail else None,
            message_access=access,
            command_watch=command_watch,
            intake=pipeline,
            doors=doors,
            database_folder=database_folder,
            media_objects=objects,
            page_sessions=Sessions(keys.sessions, engine),
            plant_freshness=timedelta(seconds=settings.plant_fresh_seconds),
        ),
        live=hub,
    )


def _doors(endpoint: MqttEndpoint, board_listener: socket.socket) -> Doors:
    """Return where kits and boards connect, as far as it is known yet."""
    kits = [Door(host=host, port=port) for host, port in endpoint.addresses[:1]]
    board_host, board_port = board_listener.getsockname()[:2]
    return Doors(
        kits=kits[0] if kits else None, boards=Door(host=board_host, port=board_port), is_built_in=True
    )


def _text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _keep_alive(postgres: EmbeddedPostgres) -> None:
    """Restart PostgreSQL whenever it dies; meanwhile readings wait and nothing is acknowledged."""
    while True:
        await postgres.died.wait()
        log.error("PostgreSQL ended unexpectedly; starting it again")
        try:
            await postgres.restart(log.warning)
        except HortusError as error:
            note_failure(error)
            log.error("PostgreSQL does not start: %s Retrying.", describe_error(error))
            postgres.died.set()
            await asyncio.sleep(_RESTART_PAUSE_SECONDS)
        else:
            note_success()
            log.warning("PostgreSQL is running again")


@asynccontextmanager
async def _virtual_kits(
    kits: list[KitCredentials], addresses: _Addresses, supervisor: Supervisor
) -> AsyncIterator[None]:
    """Run the demonstration's kits for as long as the context lasts."""
    if not kits:
        yield
        return
    host, _, port = addresses.mqtt.rpartition(":")
    options = SimulatorOptions(host=host.strip("[]"), port=int(port))
    running = supervisor.start("virtual-kits", lambda: Fleet(kits, options).run(), may_end=True)
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})


def _tell_ready(console: Console, directory: DataDirectory, addresses: _Addresses, *, demo: bool) -> None:
    secrets = directory.path / "secrets"
    lines = [
        ("Pages", f"http://{addresses.http}/"),
        ("API", f"http://{addresses.http}/api   (described at /api/docs)"),
        ("MQTT for kits", f"{addresses.mqtt}   (user name: the kit's serial)"),
        ("Boards", f"http://{addresses.gateway}/sensor-data   (plain HTTP; see `hortus board`)"),
        ("MQTT for you", f"user {SERVER_ACCOUNT}, password in {secrets / MQTT_SERVER_SECRET}"),
        ("Data", f"{directory.path}"),
    ]
    if demo:
        lines.append(("Log in", f"user {DEMO_USER}, password in {secrets / DEMO_USER_SECRET}"))
    else:
        lines.append(("Log in", f"http://{addresses.http}/login"))
    if addresses.set_up is not None:
        lines.insert(0, ("Start here", f"{addresses.set_up}   (creates the first account)"))
    if os.geteuid() == 0:
        lines.append(
            ("Rights", "all but PostgreSQL runs as root, as HORTUS_ALLOW_ROOT says (docs/operations.md)")
        )
    console.print(f"Hortus {__version__} is ready. Ctrl-C stops it.", style="bold green")
    for label, text in lines:
        console.print(f"  {label:<14} {text}", markup=False, soft_wrap=True)
