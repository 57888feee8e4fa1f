"""Waiting for Kafka, as when all parts start at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from hortus.flow.kafka.administration import KafkaAdministration, TopicsMissing
from hortus.flow.kafka.connection import KafkaConnection, KafkaUnreachable

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 2.0
_PAUSE_SECONDS = 0.5


async def wait_for_topics(connection: KafkaConnection, topics: Iterable[str], stop: asyncio.Event) -> bool:
    """Return True when Kafka answers and has these topics, False if asked to stop before.

    Raises TopicsMissing: a person has to do something about that.
    """
    administration = KafkaAdministration(connection, answer_seconds=_ANSWER_SECONDS)
    told = False
    while not stop.is_set():
        try:
            missing = await asyncio.to_thread(administration.missing, topics)
        except KafkaUnreachable as error:
            if not told:
                log.warning("waiting for Kafka: %s", error)
                told = True
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        if missing:
            raise TopicsMissing(missing)
        return True
    return False
