"""Topics: which ones belong to kits (kit-mqtt 2), who may use them, and which filters match."""

from __future__ import annotations

from itertools import product

import pytest

from hortus.protocol.mqtt.topics import (
    KitTopic,
    SharedFilter,
    TopicChannel,
    filter_covers,
    filter_matches,
    is_valid_filter,
    is_valid_topic,
    kit_may_publish,
    kit_may_subscribe,
    parse_kit_topic,
    parse_shared_filter,
    reader_may_subscribe,
)

SERIAL = "k-3b4c-6d7f-8g9h"


@pytest.mark.parametrize("channel", TopicChannel)
def test_every_topic_of_the_contract_is_recognised(channel: TopicChannel) -> None:
    topic = KitTopic(serial=SERIAL, channel=channel)
    assert parse_kit_topic(str(topic)) == topic


@pytest.mark.parametrize(
    "topic",
    [
        "kit/k-1/measurements/raw",
        "kit/k-1/measurement/Raw",
        "Kit/k-1/measurement/raw",
        "kit/k-1/measurement/raw/",
        "kit//measurement/raw",
        "/kit/k-1/measurement/raw",
        "kit/k-1",
        "kit",
        "",
        "kit/123456789012345678901/media",
        "kit/+/media",
        "kit/#",
    ],
)
def test_other_topics_are_not_of_the_contract(topic: str) -> None:
    assert parse_kit_topic(topic) is None


def test_a_kit_publishes_on_its_own_topics_in_its_own_direction_only() -> None:
    allowed = {
        channel.value for channel in TopicChannel if kit_may_publish(SERIAL, f"kit/{SERIAL}/{channel.value}")
    }
    assert allowed == {
        "measurement/raw",
        "measurement/aggregate",
        "media",
        "server-rpc/request",
        "kit-rpc/response",
    }
    assert not kit_may_publish(SERIAL, "kit/k-other/measurement/raw")
    assert not kit_may_publish(SERIAL, f"kit/{SERIAL}/anything")


def test_a_kit_subscribes_to_exactly_its_two_readable_topics() -> None:
    allowed = {
        channel.value for channel in TopicChannel if kit_may_subscribe(SERIAL, f"kit/{SERIAL}/{channel.value}")
    }
    assert allowed == {"server-rpc/response", "kit-rpc/request"}
    for refused in (
        f"kit/{SERIAL}/#",
        f"kit/{SERIAL}/+/response",
        "kit/+/server-rpc/response",
        "kit/k-other/server-rpc/response",
        f"$share/group/kit/{SERIAL}/kit-rpc/request",
        "#",
        "$SYS/#",
    ):
        assert not kit_may_subscribe(SERIAL, refused)


@pytest.mark.parametrize(
    ("topic_filter", "valid"),
    [
        ("a/b", True),
        ("#", True),
        ("+", True),
        ("a/#", True),
        ("+/b/+", True),
        ("/", True),
        ("a/#/b", False),
        ("a#", False),
        ("a+/b", False),
        ("a/b+", False),
        ("", False),
        ("a\0", False),
        ("$share/g/a/+", True),
        ("$share/g/", False),
        ("$share/g", False),
        ("$share//a", False),
        ("$share/+/a", False),
    ],
)
def test_filters_are_valid_or_not(topic_filter: str, valid: bool) -> None:
    assert is_valid_filter(topic_filter) is valid


@pytest.mark.parametrize(
    ("topic_filter", "topic", "matches"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/B", False),
        ("a/+", "a/b", True),
        ("a/+", "a/", True),
        ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("+/+", "/a", True),
        ("+", "/a", False),
        ("#", "$SYS/uptime", False),
        ("+/uptime", "$SYS/uptime", False),
        ("$SYS/#", "$SYS/uptime", True),
        ("a/b", "a", False),
        ("a", "a/b", False),
    ],
)
def test_filters_match_as_the_specification_says(topic_filter: str, topic: str, matches: bool) -> None:
    assert filter_matches(topic_filter, topic) is matches


@pytest.mark.parametrize(
    ("outer", "inner", "covers"),
    [
        ("kit/+/measurement/#", "kit/+/measurement/raw", True),
        ("kit/+/measurement/#", "kit/k-1/measurement", True),
        ("kit/+/measurement/#", "kit/#", False),
        ("kit/+/measurement/#", "kit/+/+/raw", False),
        ("kit/+/measurement/#", "kit/+/kit-rpc/request", False),
        ("a/+/#", "a/#", False),
        ("a/#", "a/+/#", True),
        ("a/#", "a", True),
        ("a", "a/#", False),
        ("#", "+/b", True),
        ("+/#", "#", True),
        ("/+/#", "/#", True),
        ("+", "#", False),
        ("#", "$SYS/#", False),
        ("+/uptime", "$SYS/uptime", False),
        ("$SYS/#", "$SYS/uptime", True),
        ("$SYS/#", "#", False),
        ("a/b", "a/+", False),
        ("+/+", "/a", True),
    ],
)
def test_one_filter_covers_another_or_not(outer: str, inner: str, covers: bool) -> None:
    assert filter_covers(outer, inner) is covers


# A level that no filter names stands for all others, and one level more than filters have for deeper topics.
_LEVELS = ("", "a", "$s", "+")
_FILTERS = [
    each
    for depth in range(3)
    for levels in product(_LEVELS, repeat=depth)
    for end in (*_LEVELS, "#")
    if is_valid_filter(each := "/".join((*levels, end)))
]
_TOPICS = [
    topic
    for depth in range(1, 5)
    for levels in product(("", "a", "other", "$s"), repeat=depth)
    if is_valid_topic(topic := "/".join(levels))
]


def test_a_filter_covers_another_if_it_matches_all_its_topics() -> None:
    matched = {each: {topic for topic in _TOPICS if filter_matches(each, topic)} for each in _FILTERS}
    assert len(_FILTERS) == 104
    for outer, inner in product(_FILTERS, repeat=2):
        assert filter_covers(outer, inner) is (matched[inner] <= matched[outer]), (outer, inner)


def test_a_reader_subscribes_to_what_one_of_its_filters_covers_also_in_a_group() -> None:
    allowed = ("kit/+/media", "$SYS/#")
    wanted = ["kit/k-1/media", "$share/group/kit/+/media", "$SYS/uptime", "kit/+/+", "$share/group/#", "#"]
    assert [reader_may_subscribe(allowed, each) for each in wanted] == [True] * 3 + [False] * 3
    assert not reader_may_subscribe((), "kit/k-1/media")


def test_shared_filters_have_a_group_and_a_filter() -> None:
    assert parse_shared_filter("$share/hortus/kit/+/media") == SharedFilter(
        group="hortus", topic_filter="kit/+/media"
    )
    assert parse_shared_filter("kit/+/media") is None


def test_topics_to_publish_on_have_no_wildcards() -> None:
    assert is_valid_topic("a/b")
    assert not any(is_valid_topic(topic) for topic in ("", "a/+", "#", "a\0", "x" * 65_536))
