"""Permissions at Mosquitto, as roles of its dynamic-security plugin. Pure.

The plugin of Mosquitto 2.0.11 does not support patterns such as `%u` (observed: a rule with one matches
nothing), so each kit has a role of its own with its topics written out. The role's name also marks the
accounts that are managed here; others are never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hortus.protocol.mqtt.topics import KIT_READS, KIT_WRITES, KitTopic, TopicChannel

SERVER_ROLE = "hortus-server"
CONTROL_ROLE = "hortus-control"

CONTROL_TOPIC = "$CONTROL/dynamic-security/v1"
CONTROL_RESPONSE_TOPIC = CONTROL_TOPIC + "/response"

GATE_TOPIC = "$CONTROL/hortus-gate/v1"
GATE_RESPONSE_TOPIC = GATE_TOPIC + "/response"

# Messages queued at the broker and messages it has dropped: without these, a loss would go unnoticed (P3, P9).
BROKER_FIGURES = ("$SYS/broker/store/messages/count", "$SYS/broker/publish/messages/dropped")

_KIT_ROLE_PREFIX = "hortus-kit:"

# Whatever no role allows is denied. Receiving is denied as well: the plugin allows it by default, and a stored
# session with a wider subscription would keep receiving messages.
DEFAULT_ACCESS: Mapping[str, bool] = {
    "publishClientSend": False,
    "publishClientReceive": False,
    "subscribe": False,
    "unsubscribe": True,
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BrokerPermission:
    """One rule of a role. `kind` is the plugin's `acltype`. All rules here allow; none deny."""

    kind: str
    topic: str

    def as_command(self) -> dict[str, Any]:
        """Return the rule in the form that the control API and the document share."""
        return {"acltype": self.kind, "topic": self.topic, "priority": 0, "allow": True}


def kit_role_name(serial: str) -> str:
    return _KIT_ROLE_PREFIX + serial


def serial_of_role(role_name: str) -> str | None:
    """Return the kit that a role belongs to, or None if it is not the role of a kit."""
    return role_name.removeprefix(_KIT_ROLE_PREFIX) if role_name.startswith(_KIT_ROLE_PREFIX) else None


def kit_permissions(serial: str) -> frozenset[BrokerPermission]:
    """Return a kit's permissions: publish or receive on its own topics, one direction each (kit-mqtt 1.3)."""
    writes = {_permission("publishClientSend", serial, channel) for channel in KIT_WRITES}
    reads = {
        _permission(kind, serial, channel)
        for channel in KIT_READS
        for kind in ("publishClientReceive", "subscribeLiteral")
    }
    return frozenset(writes | reads)


def server_permissions() -> frozenset[BrokerPermission]:
    """Return the permissions of ingest and API.

    They receive what kits publish, with plain or shared subscriptions, publish answers and commands to kits,
    read the two broker statistics that show whether readings are queued or lost, and tell the broker's gate
    that they have subscribed.
    """
    sends = {_permission("publishClientSend", "+", channel) for channel in KIT_READS}
    receives = {_permission("publishClientReceive", "+", channel) for channel in KIT_WRITES}
    subscribes = {_permission("subscribePattern", "+", channel) for channel in KIT_WRITES}
    # The plugin compares a shared subscription with the rule literally, including `$share` and the group.
    shares = {
        BrokerPermission(kind="subscribePattern", topic=f"$share/+/{permission.topic}")
        for permission in subscribes
    }
    figures = {
        BrokerPermission(kind=kind, topic=topic)
        for topic in BROKER_FIGURES
        for kind in ("publishClientReceive", "subscribeLiteral")
    }
    gate = {
        BrokerPermission(kind="publishClientSend", topic=GATE_TOPIC),
        BrokerPermission(kind="publishClientReceive", topic=GATE_RESPONSE_TOPIC),
    }
    return frozenset(sends | receives | subscribes | shares | figures | gate)


def control_permissions() -> frozenset[BrokerPermission]:
    """Return the permissions of the account synchroniser: to talk to the plugin and nothing else."""
    return frozenset(
        {
            BrokerPermission(kind="publishClientSend", topic=CONTROL_TOPIC),
            BrokerPermission(kind="publishClientReceive", topic=CONTROL_RESPONSE_TOPIC),
            BrokerPermission(kind="subscribeLiteral", topic=CONTROL_RESPONSE_TOPIC),
        }
    )


def role_document(role_name: str, permissions: Iterable[BrokerPermission]) -> dict[str, Any]:
    """Return a role in the form that the control API and the document share."""
    return {"rolename": role_name, "acls": [permission.as_command() for permission in sorted(permissions)]}


def rules_equal(acls: Iterable[Mapping[str, Any]], permissions: frozenset[BrokerPermission]) -> bool:
    """Return whether the rules of a role, as listed by the broker, are exactly these permissions."""
    listed = [(acl.get("acltype"), acl.get("topic"), acl.get("allow")) for acl in acls]
    wanted = {(permission.kind, permission.topic, True) for permission in permissions}
    return len(listed) == len(wanted) and set(listed) == wanted


def _permission(kind: str, serial: str, channel: TopicChannel) -> BrokerPermission:
    return BrokerPermission(kind=kind, topic=str(KitTopic(serial=serial, channel=channel)))


SERVICE_ROLES: Mapping[str, frozenset[BrokerPermission]] = {
    SERVER_ROLE: server_permissions(),
    CONTROL_ROLE: control_permissions(),
}
