"""Creates the Kafka topics and checks the settings of existing ones, which are never changed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented there, not listed in its __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from hortus.base.errors import UsageError
from hortus.flow.kafka.connection import BrokerWatch, KafkaConnection, KafkaUnreachable, reason_of
from hortus.flow.kafka.topics import TopicNames, TopicPlan
from hortus.protocol.wire.limits import MEBIBYTE

ANSWER_SECONDS = 10.0
_LOOK_SECONDS = 0.05

# The library gives no reason for this.
_CLOSED = "the connection was closed, as when one side uses TLS and the other does not"

LARGEST_USUAL_RECORD_BYTES = MEBIBYTE
"""Kafka's default limit; all messages except media are far smaller."""


class TopicsMissing(UsageError):
    """Required topics do not exist."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(
            f"Kafka has no topic {', '.join(sorted(names))}. Make them with `hortus kafka topics create`."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicReport:
    """The state of a topic. `faults` would lose or delay messages; `remarks` are recommendations."""

    name: str
    exists: bool
    partitions: int = 0
    replication: int = 0
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class KafkaAdministration:
    """Inspects and sets up a cluster. Every method raises KafkaUnreachable if the cluster does not answer.

    Raises UsageError if the library rejects the settings of the connection.
    """

    def __init__(self, connection: KafkaConnection, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._connection = connection
        self._answer_seconds = answer_seconds
        self._watch = BrokerWatch()
        try:
            self._client = AdminClient(connection.configuration("hortus-admin", self._watch.error))
        except KafkaException as error:
            raise UsageError(f"Kafka cannot be used with these settings: {error.args[0].str()}.") from error

    def brokers(self) -> int:
        """Return the number of brokers in the cluster."""
        return len(self._metadata().brokers)

    def missing(self, names: Iterable[str]) -> set[str]:
        """Return which of these topics do not exist."""
        return set(names) - {name for name, topic in self._metadata().topics.items() if topic.error is None}

    def create(self, plans: Sequence[TopicPlan]) -> dict[str, bool]:
        """Create the topics; return for each whether it is new. Raises UsageError if Kafka rejects one."""
        wanted = [
            NewTopic(
                plan.name,
                num_partitions=plan.partitions,
                replication_factor=plan.replication,
                config=plan.settings(),
            )
            for plan in plans
        ]
        futures = self._client.create_topics(wanted, request_timeout=self._answer_seconds)
        outcome = {name: self._created(name, future) for name, future in futures.items()}
        self._wait_until_known(outcome)
        return outcome

    def check(self, names: TopicNames) -> list[TopicReport]:
        """Return a report on each topic."""
        metadata = self._metadata()
        existing = [
            name for name in names.all if name in metadata.topics and metadata.topics[name].error is None
        ]
        settings = self._settings_of(existing)
        reports = []
        for name in names.all:
            if name not in existing:
                reports.append(TopicReport(name=name, exists=False, faults=("It does not exist.",)))
                continue
            partitions = metadata.topics[name].partitions
            replication = min(len(partition.replicas) for partition in partitions.values())
            is_large = name in {names.media, names.dead_letter}
            faults, remarks = judge(settings[name], replication, len(metadata.brokers), holds_media=is_large)
            reports.append(
                TopicReport(
                    name=name,
                    exists=True,
                    partitions=len(partitions),
                    replication=replication,
                    faults=faults,
                    remarks=remarks,
                )
            )
        return reports

    def _wait_until_known(self, names: Iterable[str]) -> None:
        """Wait until the brokers know the topics: Kafka confirms a creation slightly earlier."""
        deadline = time.monotonic() + self._answer_seconds
        while self.missing(names) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)

    def _metadata(self) -> Any:
        try:
            return self._client.list_topics(timeout=self._answer_seconds)
        except KafkaException as error:
            raise self._unreachable(error) from error

    def _settings_of(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
        if not resources:
            return {}
        futures = self._client.describe_configs(resources, request_timeout=self._answer_seconds)
        found = {}
        for resource, future in futures.items():
            try:
                found[resource.name] = {name: entry.value for name, entry in future.result().items()}
            except KafkaException as error:
                raise self._unreachable(error) from error
        return found

    def _created(self, name: str, future: Future[None]) -> bool:
        try:
            future.result()
        except KafkaException as error:
            reason = error.args[0]
            if reason.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            if reason.code() in {KafkaError._TIMED_OUT, KafkaError._TRANSPORT}:  # noqa: SLF001
                raise self._unreachable(error) from error
            raise UsageError(f"Kafka does not make the topic {name}: {reason.str()}.") from error
        return True

    def _unreachable(self, error: KafkaException) -> KafkaUnreachable:
        self._client.poll(
            0
        )  # serves the callbacks: they know what exactly failed, the exception only that it did
        reason = self._watch.last_reason or (_CLOSED if self._watch.down else reason_of(error.args[0]))
        return KafkaUnreachable(
            f"Kafka at {self._connection.bootstrap} cannot be used: {reason.rstrip('.')}. Is it running, and "
            "are KAFKA_HOST, KAFKA_PORT, the log-in and the settings of TLS right?"
        )


def judge(
    settings: dict[str, str], replication: int, brokers: int, *, holds_media: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the faults of a topic and remarks on it, as sentences. Pure."""
    faults, remarks = [], []
    needed = 64 * MEBIBYTE if holds_media else LARGEST_USUAL_RECORD_BYTES
    largest = int(settings.get("max.message.bytes", needed))
    if largest < needed:
        faults.append(
            f"max.message.bytes is {largest}, so of larger messages only the beginning is kept; set it to "
            f"{needed + MEBIBYTE}."
        )
    if "compact" in settings.get("cleanup.policy", "delete"):
        faults.append("It is compacted, which keeps one record per kit only; set cleanup.policy to delete.")
    in_sync = int(settings.get("min.insync.replicas", 1))
    if in_sync > replication:
        faults.append(
            f"min.insync.replicas is {in_sync} with {replication} copies, so nothing can be written; lower it."
        )
    elif in_sync == replication > 1:
        remarks.append("min.insync.replicas equals the number of copies, so one broker down stops writing.")
    elif in_sync < 2 <= replication:
        remarks.append("min.insync.replicas is 1, so a record counts as written when one broker has it.")
    if replication < min(3, brokers):
        remarks.append(f"It has {replication} of {min(3, brokers)} possible copies.")
    if settings.get("message.timestamp.type") == "LogAppendTime":
        remarks.append("Its records bear Kafka's time, so `hortus sink --from` goes by that.")
    return tuple(faults), tuple(remarks)
