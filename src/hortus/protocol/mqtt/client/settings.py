"""Connection settings of the external broker, read from the settings."""

from __future__ import annotations

import socket
import ssl

from hortus.base.errors import UsageError, describe_error
from hortus.base.settings import Settings
from hortus.protocol.mqtt.client.client import BrokerAddress


def broker_address(settings: Settings) -> BrokerAddress:
    """Return the broker's address and credentials. Raises UsageError for unusable certificates."""
    return BrokerAddress(
        host=settings.mqtt_host,
        port=settings.mqtt_port,
        username=settings.mqtt_username,
        password=settings.mqtt_password.get_secret_value() if settings.mqtt_password else None,
        tls=tls_context(settings),
    )


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS context for the broker, or None for an unencrypted connection."""
    if not settings.mqtt_tls:
        return None
    try:
        return ssl.create_default_context(cafile=settings.mqtt_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"HORTUS_MQTT_CA_FILE names {settings.mqtt_ca_file}, which holds no certificates: "
            f"{describe_error(error)}."
        ) from error


def client_id(settings: Settings, role: str) -> str:
    """Return the permanent name of this process's session at the broker.

    It must be the same after a restart, because the broker queues messages for it; so it is derived from the
    host name. Several processes of one role on one host need HORTUS_MQTT_CLIENT_ID.
    """
    return settings.mqtt_client_id or f"hortus-{role}-{socket.gethostname()}"
