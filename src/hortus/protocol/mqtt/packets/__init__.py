"""MQTT bytes to packets and back, for 3.1 (MQIsdp), 3.1.1 and 5. Pure: no sockets, no clocks.

Source of all rules: OASIS, MQTT Version 5.0 and MQTT Version 3.1.1; IBM and Eurotech, MQTT V3.1. Section
numbers in this package are those of version 5.0 unless a comment says otherwise.
"""

from __future__ import annotations

from hortus.protocol.mqtt.packets.encoding import (
    encode,
    encode_puback,
    encode_pubcomp,
    encode_pubrec,
    encode_pubrel,
)
from hortus.protocol.mqtt.packets.properties import NO_PROPERTIES, Properties
from hortus.protocol.mqtt.packets.reader import PacketReader
from hortus.protocol.mqtt.packets.reasons import (
    SUBSCRIPTION_FAILURE,
    ConnectReturnCode,
    MqttProtocolError,
    PacketTooLargeError,
    ProtocolVersionError,
    ReasonCode,
    connect_return_code,
    explain_reason,
)
from hortus.protocol.mqtt.packets.values import (
    MQTT_3_1,
    MQTT_3_1_1,
    MQTT_5,
    Connack,
    Connect,
    Disconnect,
    OversizedPublish,
    Packet,
    PacketType,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
)

__all__ = [
    "MQTT_3_1",
    "MQTT_3_1_1",
    "MQTT_5",
    "NO_PROPERTIES",
    "SUBSCRIPTION_FAILURE",
    "Connack",
    "Connect",
    "ConnectReturnCode",
    "Disconnect",
    "MqttProtocolError",
    "OversizedPublish",
    "Packet",
    "PacketReader",
    "PacketTooLargeError",
    "PacketType",
    "Pingreq",
    "Pingresp",
    "Properties",
    "ProtocolVersionError",
    "Puback",
    "Pubcomp",
    "Publish",
    "Pubrec",
    "Pubrel",
    "ReasonCode",
    "Suback",
    "Subscribe",
    "Subscription",
    "Unsuback",
    "Unsubscribe",
    "Will",
    "connect_return_code",
    "encode",
    "encode_puback",
    "encode_pubcomp",
    "encode_pubrec",
    "encode_pubrel",
    "explain_reason",
]
