"""The built-in MQTT endpoint of one box: its accounts are in the database, its intake is the pipeline."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.installation.data_directory import DataDirectory
from hortus.base.intake import MessageSource
from hortus.domain.mqtt_accounts.authenticator import EndpointAuthenticator
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.protocol.mqtt.endpoint import (
    EndpointLimits,
    Identity,
    IdentityKind,
    Listener,
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


def kit_endpoint(
    listener: Listener,
    directory: DataDirectory,
    engine: AsyncEngine,
    pipeline: IngestPipeline,
    on_presence: OnPresence,
    on_own_word: OnOwnWord,
    on_shared: OnShared,
) -> MqttEndpoint:
    """Return the endpoint.

    `on_presence` is called when a kit connects and disconnects, `on_own_word` when it says something about
    itself, `on_shared` when two clients use its account.
    """
    authenticator = EndpointAuthenticator(
        engine, server_password=directory.secrets.get_or_create(MQTT_SERVER_SECRET)
    )

    def count_refused(identity: Identity, topic: str, reason: str) -> None:
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
    )


def _serial_of(identity: Identity) -> str:
    return identity.name if identity.kind is IdentityKind.KIT else ""


def disconnect_changed_account(endpoint: MqttEndpoint, what: str, name: str) -> None:
    """Close the connections of a kit or read-only account that was deleted or changed."""
    match what:
        case "kit-deleted" | "kit-password":
            endpoint.disconnect_kit(name)
        case "mqtt-account":
            endpoint.disconnect_reader(name)
        case "reconnected":
            endpoint.check_readers()
