"""Who may do what at Mosquitto, in the terms of its dynamic-security plugin. Pure.

The plugin of Mosquitto 2.0.11 does not know patterns such as `%u` (observed: a rule with one matches
nothing), so each kit has a role of its own with its topics written out. The role's name is also the mark by
which accounts managed here are told from others: they are never touched.
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

# How much waits at the broker and how much it has dropped: without these two, a loss would go unseen (P3, P9).
BROKER_FIGURES = ("$SYS/broker/store/messages/count", "$SYS/broker/publish/messages/dropped")

_KIT_ROLE_PREFIX = "hortus-kit:"

# Whatever no role allows is forbidden. To receive is denied too: it would be allowed by the plugin's default,
# and a session that was stored with a wider subscription would go on getting messages.
DEFAULT_ACCESS: Mapping[str, bool] = {
    "publishClientSend": False,
    "publishClientReceive": False,
    "subscribe": False,
    "unsubscribe": True,
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BrokerPermission:
    """One rule of a role. `kind` is the plugin's `acltype`; rules here only ever allow."""

    kind: str
    topic: str

    def as_command(self) -> dict[str, Any]:
        """Return the rule as the control API and the document have it."""
        return {"acltype": self.kind, "topic": self.topic, "priority": 0, "allow": True}


def kit_role_name(serial: str) -> str:
    """Return the name of the role of one kit."""
    return _KIT_ROLE_PREFIX + serial


def serial_of_role(role_name: str) -> str | None:
    """Return the kit that a role belongs to, or None if it is not the role of a kit."""
    return role_name.removeprefix(_KIT_ROLE_PREFIX) if role_name.startswith(_KIT_ROLE_PREFIX) else None


def kit_permissions(serial: str) -> frozenset[BrokerPermission]:
    """Return what a kit may do: write and read its own topics, each in its one direction (kit-mqtt 1.3)."""
    writes = {_permission("publishClientSend", serial, channel) for channel in KIT_WRITES}
    reads = {
        _permission(kind, serial, channel)
        for channel in KIT_READS
        for kind in ("publishClientReceive", "subscribeLiteral")
    }
    return frozenset(writes | reads)


def server_permissions() -> frozenset[BrokerPermission]:
    """Return what ingest and API may do: read what kits write, alone or shared, and answer and ask kits.

    And see the two figures of the broker that tell whether readings wait or are lost.
    """
    sends = {_permission("publishClientSend", "+", channel) for channel in KIT_READS}
    receives = {_permission("publishClientReceive", "+", channel) for channel in KIT_WRITES}
    subscribes = {_permission("subscribePattern", "+", channel) for channel in KIT_WRITES}
    # The plugin compares a shared subscription with the rule as it stands, with `$share` and group.
    shares = {
        BrokerPermission(kind="subscribePattern", topic=f"$share/+/{permission.topic}")
        for permission in subscribes
    }
    figures = {
        BrokerPermission(kind=kind, topic=topic)
        for topic in BROKER_FIGURES
        for kind in ("publishClientReceive", "subscribeLiteral")
    }
    return frozenset(sends | receives | subscribes | shares | figures)


def control_permissions() -> frozenset[BrokerPermission]:
    """Return what the synchroniser of accounts may do: speak to the plugin and nothing else."""
    return frozenset(
        {
            BrokerPermission(kind="publishClientSend", topic=CONTROL_TOPIC),
            BrokerPermission(kind="publishClientReceive", topic=CONTROL_RESPONSE_TOPIC),
            BrokerPermission(kind="subscribeLiteral", topic=CONTROL_RESPONSE_TOPIC),
        }
    )


def role_document(role_name: str, permissions: Iterable[BrokerPermission]) -> dict[str, Any]:
    """Return a role as the control API and the document have it."""
    return {"rolename": role_name, "acls": [permission.as_command() for permission in sorted(permissions)]}


def rules_equal(acls: Iterable[Mapping[str, Any]], permissions: frozenset[BrokerPermission]) -> bool:
    """Tell whether the rules of a role, as the broker lists them, are exactly these permissions."""
    listed = [(acl.get("acltype"), acl.get("topic"), acl.get("allow")) for acl in acls]
    wanted = {(permission.kind, permission.topic, True) for permission in permissions}
    return len(listed) == len(wanted) and set(listed) == wanted


def _permission(kind: str, serial: str, channel: TopicChannel) -> BrokerPermission:
    return BrokerPermission(kind=kind, topic=str(KitTopic(serial=serial, channel=channel)))


SERVICE_ROLES: Mapping[str, frozenset[BrokerPermission]] = {
    SERVER_ROLE: server_permissions(),
    CONTROL_ROLE: control_permissions(),
}
