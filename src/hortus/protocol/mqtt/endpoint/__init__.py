"""The built-in MQTT endpoint.

Kits connect here with serial and password. A reading is offered to the intake and acknowledged when it is
settled; everything else is handled as by any broker.

    server   listens, logs in, starts and stops      connection         handles each packet
    inbox    messages the intake has not settled     socket_connection  bytes, pausing, collected writes
    broker   sessions, subscriptions, delivery       outbound           queue and window of one subscriber
    farewell sessions and wills of the disconnected  packet_ids         which messages of a client are open
"""

from __future__ import annotations

from hortus.protocol.mqtt.endpoint.counters import EndpointCounters
from hortus.protocol.mqtt.endpoint.identity import (
    Authenticator,
    Identity,
    IdentityKind,
    OnOwnWord,
    OnPresence,
    OnRefused,
    OnSetAside,
    OnShared,
)
from hortus.protocol.mqtt.endpoint.limits import EndpointLimits
from hortus.protocol.mqtt.endpoint.log_ins import LogIn, OnLogIn, Refusal
from hortus.protocol.mqtt.endpoint.routes import TOPIC_NOT_ALLOWED, TOPIC_OUTSIDE_CONTRACT
from hortus.protocol.mqtt.endpoint.server import Listener, MqttEndpoint

__all__ = [
    "TOPIC_NOT_ALLOWED",
    "TOPIC_OUTSIDE_CONTRACT",
    "Authenticator",
    "EndpointCounters",
    "EndpointLimits",
    "Identity",
    "IdentityKind",
    "Listener",
    "LogIn",
    "MqttEndpoint",
    "OnLogIn",
    "OnOwnWord",
    "OnPresence",
    "OnRefused",
    "OnSetAside",
    "OnShared",
    "Refusal",
]
