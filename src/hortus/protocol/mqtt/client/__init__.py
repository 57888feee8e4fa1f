"""The MQTT 5 client that connects Hortus to a broker: for ingest, for RPC, for managing broker accounts."""

from __future__ import annotations

from hortus.protocol.mqtt.client.client import (
    BrokerAddress,
    BrokerRefusedError,
    BrokerUnreachableError,
    MqttClient,
)
from hortus.protocol.mqtt.client.connection import ConnectionLostError, PublishRefusedError
from hortus.protocol.mqtt.client.ingest import IngestClient
from hortus.protocol.mqtt.client.limits import ClientLimits

__all__ = [
    "BrokerAddress",
    "BrokerRefusedError",
    "BrokerUnreachableError",
    "ClientLimits",
    "ConnectionLostError",
    "IngestClient",
    "MqttClient",
    "PublishRefusedError",
]
