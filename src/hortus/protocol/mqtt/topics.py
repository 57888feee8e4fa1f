"""Topic permissions, and matching of topics and filters. Pure.

The topics of kits (kit-mqtt 2) are `kit/{serial}/{channel}`; names are matched exactly and case-sensitively. A
kit publishes and reads only on its own channels, and only in the direction defined by kit-mqtt 1.3 (P5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

MAX_SERIAL_LENGTH = 20


class TopicChannel(Enum):
    """The part after `kit/{serial}/` in a topic of a kit."""

    MEASUREMENT_RAW = "measurement/raw"
    MEASUREMENT_AGGREGATE = "measurement/aggregate"
    MEDIA = "media"
    SERVER_RPC_REQUEST = "server-rpc/request"
    SERVER_RPC_RESPONSE = "server-rpc/response"
    KIT_RPC_REQUEST = "kit-rpc/request"
    KIT_RPC_RESPONSE = "kit-rpc/response"


DATA_CHANNELS = frozenset(
    {TopicChannel.MEASUREMENT_RAW, TopicChannel.MEASUREMENT_AGGREGATE, TopicChannel.MEDIA}
)
KIT_WRITES = DATA_CHANNELS | {TopicChannel.SERVER_RPC_REQUEST, TopicChannel.KIT_RPC_RESPONSE}
KIT_READS = frozenset({TopicChannel.SERVER_RPC_RESPONSE, TopicChannel.KIT_RPC_REQUEST})

_CHANNELS = {channel.value: channel for channel in TopicChannel}


@dataclass(frozen=True, slots=True, kw_only=True)
class KitTopic:
    """A topic of a kit (kit-mqtt 2)."""

    serial: str
    channel: TopicChannel

    def __str__(self) -> str:
        return f"kit/{self.serial}/{self.channel.value}"


def parse_kit_topic(topic: str) -> KitTopic | None:
    """Return the parts of a kit's topic, or None if it is not a kit's topic."""
    prefix, _, rest = topic.partition("/")
    serial, _, suffix = rest.partition("/")
    channel = _CHANNELS.get(suffix)
    if prefix != "kit" or channel is None or not is_valid_serial(serial):
        return None
    return KitTopic(serial=serial, channel=channel)


def is_valid_serial(serial: str) -> bool:
    """Return whether a text can be a kit's serial: opaque, 1 to 20 characters, none of `/ + #` and U+0000."""
    return 0 < len(serial) <= MAX_SERIAL_LENGTH and not any(mark in serial for mark in "/+#\0")


def kit_may_publish(serial: str, topic: str) -> bool:
    """Return whether this kit may publish on this topic."""
    parsed = parse_kit_topic(topic)
    return parsed is not None and parsed.serial == serial and parsed.channel in KIT_WRITES


def is_extra_topic_of_kit(serial: str, topic: str) -> bool:
    """Return whether a topic is this kit's by its name, but not one of the kit protocol."""
    return topic.startswith(f"kit/{serial}/") and parse_kit_topic(topic) is None


def kit_may_subscribe(serial: str, topic_filter: str) -> bool:
    """Return whether this kit may subscribe with this filter.

    Only the exact names of its two readable topics are allowed. `kit/{serial}/#` is refused: MQTT cannot grant
    part of a filter, and the whole would include topics that a kit must not read.
    """
    parsed = parse_kit_topic(topic_filter)
    return parsed is not None and parsed.serial == serial and parsed.channel in KIT_READS


def reader_may_subscribe(read_filters: Iterable[str], topic_filter: str) -> bool:
    """Return whether a read-only account with these filters may subscribe with this valid one."""
    shared = parse_shared_filter(topic_filter)
    wanted = topic_filter if shared is None else shared.topic_filter
    return any(filter_covers(allowed, wanted) for allowed in read_filters)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFilter:
    """The parts of `$share/{group}/{topic_filter}` (MQTT 5, section 4.8.2)."""

    group: str
    topic_filter: str


def parse_shared_filter(topic_filter: str) -> SharedFilter | None:
    """Return the parts of a shared subscription, or None if the filter is an ordinary one."""
    prefix, _, rest = topic_filter.partition("/")
    if prefix != "$share":
        return None
    group, _, inner = rest.partition("/")
    return SharedFilter(group=group, topic_filter=inner)


def is_valid_topic(topic: str) -> bool:
    """Return whether a message can be published on this topic (section 4.7.3)."""
    return 0 < len(topic.encode()) <= 65_535 and not any(mark in topic for mark in "+#\0")


def is_valid_filter(topic_filter: str) -> bool:
    """Return whether a filter is well formed: `#` only alone in the last level, `+` only alone in a level."""
    shared = parse_shared_filter(topic_filter)
    if shared is not None:
        group_is_valid = bool(shared.group) and not any(mark in shared.group for mark in "+#")
        return group_is_valid and is_valid_filter_levels(shared.topic_filter)
    return is_valid_filter_levels(topic_filter)


def is_valid_filter_levels(topic_filter: str) -> bool:
    """Return whether a filter without a share prefix is well formed."""
    if not topic_filter or "\0" in topic_filter:
        return False
    *before, last = topic_filter.split("/")
    if any("#" in level or ("+" in level and level != "+") for level in before):
        return False
    return last in {"#", "+"} or not ("#" in last or "+" in last)


def filter_matches(topic_filter: str, topic: str) -> bool:
    """Return whether a topic matches a valid filter (section 4.7).

    A wildcard at the beginning does not match topics that begin with `$`. `a/#` matches `a` too. For a shared
    subscription pass the filter inside it.
    """
    if topic.startswith("$") and topic_filter[:1] in {"+", "#"}:
        return False
    filter_levels = topic_filter.split("/")
    topic_levels = topic.split("/")
    for index, level in enumerate(filter_levels):
        if level == "#":
            return True
        if index >= len(topic_levels) or level not in {"+", topic_levels[index]}:
            return False
    return len(filter_levels) == len(topic_levels)


def filter_covers(outer: str, inner: str) -> bool:
    """Return whether every topic that matches the filter `inner` matches the filter `outer` too.

    Both must be valid. For a shared subscription pass the filter inside it.
    """
    if inner.startswith("$") and outer[:1] in {"+", "#"}:
        return False
    return _levels_cover(_levels_of(outer), _levels_of(inner))


def _levels_of(topic_filter: str) -> list[str]:
    # `a/#` matches `a` too, but there is no empty topic: `#` means `+/#`, and `/#` means `/+/#`.
    return f"{topic_filter[:-1]}+/#".split("/") if topic_filter in {"#", "/#"} else topic_filter.split("/")


def _levels_cover(outer: list[str], inner: list[str]) -> bool:
    for index, level in enumerate(outer):
        if level == "#":
            return True
        if index >= len(inner) or inner[index] == "#" or level not in {"+", inner[index]}:
            return False
    return len(outer) == len(inner)
