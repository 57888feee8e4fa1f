"""Notices that a topic of a replay is no longer the one with which it began.

The library says nothing of it: it reads on in a topic that was made again, and waits for ever for partitions
that are no more.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, TopicDescription  # type: ignore[attr-defined]

from hortus.flow.kafka.connection import BrokerWatch, KafkaConnection
from hortus.flow.kafka.identity import TopicIdentity
from hortus.flow.kafka.watch import UNKNOWN_TOPIC

_LOOK_SECONDS = 2.0
_ANSWER_SECONDS = 10.0
_MARGIN_SECONDS = 1.0
_NO_TOPIC = "none"


class ReplayWatch:
    """Looks at the topics now and then. Used from one thread."""

    def __init__(self, connection: KafkaConnection, topics: Sequence[str], brokers: BrokerWatch) -> None:
        self._topics = TopicCollection(list(topics))
        self._client = AdminClient(connection.configuration("hortus-replay-watch", brokers.error))
        self._identities = {topic: TopicIdentity() for topic in topics}
        self._began_with: dict[str, str | None] = {}
        self._due = 0.0

    def begin(self) -> None:
        """Take note of which topics are about to be read."""
        self._look()
        self._began_with = {topic: identity.known for topic, identity in self._identities.items()}

    @property
    def is_due(self) -> bool:
        """Whether it is time for another look."""
        return time.monotonic() >= self._due

    def changed(self, *, in_doubt: bool = False) -> str | None:
        """Look again; return a topic that is another one now, or is no more.

        `in_doubt`: or may be, as a broker said so, and it is no time to wait for others to agree.
        """
        self._look()
        for topic, identity in self._identities.items():
            if self._began_with[topic] not in {None, identity.last if in_doubt else identity.known}:
                return topic
        return None

    def _look(self) -> None:
        try:
            asked = self._client.describe_topics(self._topics, request_timeout=_ANSWER_SECONDS)
            for topic, future in asked.items():
                if (topic_id := _id_in(future)) is not None:
                    self._identities[topic].hear(topic_id)
        except KafkaException:  # raised by the library before it asked anybody
            pass
        self._client.poll(0)
        self._due = time.monotonic() + _LOOK_SECONDS


def _id_in(answer: Future[TopicDescription]) -> str | None:
    """Return the topic's id, or that there is no topic; None if Kafka did not answer."""
    try:
        return str(answer.result(_ANSWER_SECONDS + _MARGIN_SECONDS).topic_id)
    except TimeoutError:
        return None
    except KafkaException as error:
        return _NO_TOPIC if error.args[0].code() in UNKNOWN_TOPIC else None
