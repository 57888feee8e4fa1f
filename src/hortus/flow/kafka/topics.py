"""The Kafka topics that Hortus uses: their names, and the settings they need so that no record is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hortus.base.errors import UsageError
from hortus.base.settings import Settings
from hortus.flow.ingest.messages import Stream
from hortus.protocol.wire.limits import MEBIBYTE

LARGEST_RECORD_BYTES = 65 * MEBIBYTE
"""A media message of 64 MiB (kit-mqtt 8), with its key, headers and framing."""

_DAY_MS = 86_400_000


class StreamChoice(StrEnum):
    """The choice of topics that a sink reads."""

    RAW = "raw"
    AGGREGATE = "aggregate"
    MEDIA = "media"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicNames:
    """The names of the four topics. By default `raw` and `aggregate` are those of kit-mqtt 7."""

    raw: str = "raw"
    aggregate: str = "aggregate"
    media: str = "media"
    dead_letter: str = "hortus-dead-letter"

    def __post_init__(self) -> None:
        """Refuse two streams in one topic: their records could not be told apart. Raises UsageError."""
        for name in self.all:
            if self.all.count(name) > 1:
                raise UsageError(
                    f"Two Kafka topics have the same name, {name}. Set HORTUS_KAFKA_TOPIC_RAW, …_AGGREGATE, "
                    "…_MEDIA and …_DEAD_LETTER to four different names."
                )

    @classmethod
    def of(cls, settings: Settings) -> TopicNames:
        """Return the topic names from the settings. Raises UsageError if two are the same."""
        return cls(
            raw=settings.kafka_topic_raw,
            aggregate=settings.kafka_topic_aggregate,
            media=settings.kafka_topic_media,
            dead_letter=settings.kafka_topic_dead_letter,
        )

    @property
    def all(self) -> tuple[str, ...]:
        """All topic names."""
        return (self.raw, self.aggregate, self.media, self.dead_letter)

    def stream_of(self, topic: str) -> Stream:
        """Return the stream of a topic's records; OTHER for dead letters, which name it themselves."""
        streams = {self.raw: Stream.RAW, self.aggregate: Stream.AGGREGATE, self.media: Stream.MEDIA}
        return streams.get(topic, Stream.OTHER)

    def chosen(self, choice: StreamChoice) -> tuple[str, ...]:
        """Return the topics of a sink, always with the dead letters: they are few, and easily forgotten."""
        if choice is StreamChoice.ALL:
            return self.all
        return (getattr(self, choice.value), self.dead_letter)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """The required settings of a topic. A limit of None leaves Kafka's default."""

    name: str
    partitions: int
    replication: int
    in_sync_replicas: int
    retention_ms: int
    largest_record_bytes: int | None = None

    def settings(self) -> dict[str, str]:
        """Return the settings under their Kafka names."""
        settings = {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention_ms),
            "min.insync.replicas": str(self.in_sync_replicas),
            # The arrival time, which `hortus sink --from` searches by.
            "message.timestamp.type": "CreateTime",
        }
        if self.largest_record_bytes is not None:
            settings["max.message.bytes"] = str(self.largest_record_bytes)
        return settings


def plan_topics(
    names: TopicNames, *, partitions: int, replication: int, retention_days: int
) -> Iterable[TopicPlan]:
    """Return the required settings of the four topics.

    Two of three replicas must have a record before it counts as written, so that any one broker may fail
    without interruption. Dead letters are few and need few partitions; they are kept four times as long,
    because a person has to look into them.
    """
    in_sync_replicas = 2 if replication >= 3 else 1
    for name in names.all:
        is_dead_letter = name == names.dead_letter
        yield TopicPlan(
            name=name,
            partitions=min(partitions, 3) if is_dead_letter else partitions,
            replication=replication,
            in_sync_replicas=in_sync_replicas,
            retention_ms=retention_days * _DAY_MS * (4 if is_dead_letter else 1),
            largest_record_bytes=LARGEST_RECORD_BYTES if name in {names.media, names.dead_letter} else None,
        )
