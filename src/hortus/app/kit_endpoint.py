"""The built-in MQTT endpoint of one box: its accounts are in the database, its intake is the pipeline."""

from __future__ import annotations

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.installation.data_directory import DataDirectory
from hortus.base.intake import MessageSource
from hortus.base.supervision import note_success, piece_of_work
from hortus.domain.mqtt_accounts.authenticator import EndpointAuthenticator
from hortus.domain.mqtt_accounts.log_in_keeper import LogInKeeper
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.protocol.mqtt.endpoint import (
    EndpointLimits,
    Identity,
    IdentityKind,
    Listener,
    LogIn,
    MqttEndpoint,
    OnOwnWord,
    OnPresence,
    OnShared,
)
from hortus.protocol.reasons import Reason

MQTT_SERVER_SECRET = "mqtt-server"  # noqa: S105  (the name of a secret)

# Together less than the 5 s within which Ctrl-C must complete.
_ENDPOINT_LIMITS = EndpointLimits(stop_timeout_seconds=1.5, close_timeout_seconds=0.3)

_REASONS = {str(reason): reason for reason in Reason}


def endpoint_authenticator(directory: DataDirectory, engine: AsyncEngine) -> EndpointAuthenticator:
    """Return who may log in to the endpoint."""
    return EndpointAuthenticator(engine, server_password=directory.secrets.get_or_create(MQTT_SERVER_SECRET))


def kit_endpoint(
    listener: Listener,
    authenticator: EndpointAuthenticator,
    pipeline: IngestPipeline,
    on_presence: OnPresence,
    on_own_word: OnOwnWord,
    on_shared: OnShared,
    log_ins: LogInKeeper,
) -> MqttEndpoint:
    """Return the endpoint.

    `on_presence` is called when a kit connects and disconnects, `on_own_word` when it says something about
    itself, `on_shared` when two clients use its account. `log_ins` keeps who was let in and who was not.
    """

    def note_log_in(log_in: LogIn) -> None:
        if log_in.refusal is None:
            log_ins.logged_in(log_in.username, log_in.address)
        else:
            log_ins.refused(log_in.username, log_in.address, log_in.refusal)

    def note_topic(identity: Identity, topic: str) -> None:
        if identity.kind is IdentityKind.KIT:
            log_ins.topic_refused(identity.name, topic)

    def count_refused(identity: Identity, topic: str, reason: str) -> None:
        note_topic(identity, topic)
        pipeline.count_refused(topic, serial=_serial_of(identity), reason=_REASONS[reason])

    def set_aside(
        identity: Identity,
        topic: str,
        payload: bytes,
        payload_bytes: int,
        reason: str,
        source: MessageSource,
        handle: int,
    ) -> None:
        note_topic(identity, topic)
        pipeline.set_aside(
            source,
            handle,
            topic,
            payload,
            serial=_serial_of(identity),
            reason=_REASONS[reason],
            payload_bytes=payload_bytes,
        )

    return MqttEndpoint(
        authenticator=authenticator,
        intake=pipeline,
        set_aside=set_aside,
        listeners=[listener],
        limits=_ENDPOINT_LIMITS,
        on_presence=on_presence,
        on_refused=count_refused,
        on_own_word=on_own_word,
        on_shared=on_shared,
        on_log_in=note_log_in,
    )


def _serial_of(identity: Identity) -> str:
    return identity.name if identity.kind is IdentityKind.KIT else ""


class ChangedAccounts:
    """Disconnects kits and read-only accounts that were deleted or changed, also while nobody could be told."""

    def __init__(self, endpoint: MqttEndpoint, authenticator: EndpointAuthenticator) -> None:
        self._endpoint = endpoint
        self._authenticator = authenticator
        self._may_have_missed = asyncio.Event()

    def changed(self, what: str, name: str) -> None:
        """Handle an announcement of the database."""
        match what:
            case "kit-deleted" | "kit-password":
                self._endpoint.disconnect_kit(name)
            case "mqtt-account":
                self._endpoint.disconnect_reader(name)
            case "reconnected":
                self._may_have_missed.set()

    async def run(self) -> None:
        """Compare everyone who is connected with the database when announcements may have been missed."""
        while True:
            await self._may_have_missed.wait()
            self._may_have_missed.clear()
            try:
                with piece_of_work():
                    await self._compare()
            except BaseException:  # also when cancelled: the next run still has to compare; raised again
                self._may_have_missed.set()
                raise
            note_success()

    async def _compare(self) -> None:
        self._endpoint.close_log_ins()
        for identity in await self._authenticator.outdated(self._endpoint.identities()):
            if identity.kind is IdentityKind.KIT:
                self._endpoint.disconnect_kit(identity.name)
            else:
                self._endpoint.disconnect_reader(identity.name)
