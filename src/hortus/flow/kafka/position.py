"""A position in the log of a partition, as it is committed to the consumer group. Pure.

An offset alone says little: a topic that was deleted and made again starts at 0, and so may a copy that lacks
records and is elected leader. So the topic's id (in the metadata of the commit, which is free text) and the
epoch of the leader are committed as well. An offset of another topic id is no position in the present log.
"""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import TopicPartition

Place = tuple[str, int]
"""A topic and a partition number."""

_TOPIC_ID = "topic-id="


@dataclass(frozen=True, slots=True)
class Position:
    """All records before `offset` are done. What is None is unknown, as in a commit of another program."""

    offset: int
    topic_id: str | None = None
    leader_epoch: int | None = None


def to_commit(place: Place, position: Position) -> TopicPartition:
    """Return what to commit for this position."""
    topic, partition = place
    metadata = "" if position.topic_id is None else f"{_TOPIC_ID}{position.topic_id}"
    epoch = -1 if position.leader_epoch is None else position.leader_epoch
    return TopicPartition(topic, partition, position.offset, metadata, epoch)


def committed_position(committed: TopicPartition) -> Position | None:
    """Return the position in a commit, or None if nothing was committed."""
    if committed.offset < 0:
        return None
    _, mark, topic_id = (committed.metadata or "").partition(_TOPIC_ID)
    return Position(committed.offset, topic_id if mark else None, committed.leader_epoch)
