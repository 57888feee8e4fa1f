"""Requests to one certain broker, byte by byte: our own library asks whichever it likes.

https://kafka.apache.org/documentation/#protocol_messages: Metadata (version 12), CreateTopics (2) and
DeleteTopics (1).
"""

from __future__ import annotations

import io
import socket
import struct
from collections.abc import Sequence

_METADATA, _CREATE_TOPICS, _DELETE_TOPICS = 3, 19, 20
_UNKNOWN_TOPIC = 3
_ANSWER_MS = 30_000


def topic_id_at(port: int, topic: str) -> str | None:
    """Return the id that the topic has for the broker at this port; None if it knows no such topic."""
    asked = b"\x02" + bytes(16) + _compact(topic) + b"\0"
    response = io.BytesIO(response_of(port, header(_METADATA, 12) + b"\0" + asked + bytes(3)))
    response.read(4 + 1 + 4)  # correlation id, tags, throttle time
    for _ in range(_compact_length(response)):  # brokers: number, host, port, rack, tags
        response.read(4)
        response.read(_compact_length(response))
        response.read(4)
        response.read(max(0, _compact_length(response)))
        response.read(1)
    response.read(max(0, _compact_length(response)))  # the cluster's id
    response.read(4)  # the controller
    assert _compact_length(response) == 1
    (error,) = struct.unpack(">h", response.read(2))
    assert error in {0, _UNKNOWN_TOPIC}, f"Kafka answers with error {error}"
    response.read(_compact_length(response))
    return None if error else response.read(16).hex()


def create_topic_at(port: int, topic: str, leaders: Sequence[int]) -> None:
    """Ask the broker at this port to make a topic, with a partition of one copy at each of these brokers."""
    partitions = b"".join(struct.pack(">iii", number, 1, leader) for number, leader in enumerate(leaders))
    wanted = string(topic) + struct.pack(">ihi", -1, -1, len(leaders)) + partitions + struct.pack(">i", 0)
    body = struct.pack(">i", 1) + wanted + struct.pack(">i?", _ANSWER_MS, False)
    # After the correlation id and the throttle time: one topic with its name and its error.
    _raise_for(response_of(port, header(_CREATE_TOPICS, 2) + body), 4 + 4 + 4 + len(string(topic)))


def delete_topic_at(port: int, topic: str) -> None:
    """Ask the broker at this port to delete a topic."""
    body = struct.pack(">i", 1) + string(topic) + struct.pack(">i", _ANSWER_MS)
    _raise_for(response_of(port, header(_DELETE_TOPICS, 1) + body), 4 + 4 + 4 + len(string(topic)))


def _raise_for(response: bytes, at: int) -> None:
    (error,) = struct.unpack_from(">h", response, at)
    assert error == 0, f"Kafka answers with error {error}"


def response_of(port: int, request: bytes) -> bytes:
    """Send the request to the broker at this port, and return its response from the correlation id on."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as responses:
            (length,) = struct.unpack(">i", responses.read(4))
            return responses.read(length)


def header(kind: int, version: int) -> bytes:
    """Return the header of a request, in which the correlation id is 1."""
    return struct.pack(">hhi", kind, version, 1) + string("another program")


def string(text: str) -> bytes:
    """Return a text as the protocol writes it."""
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def _compact(text: str) -> bytes:
    data = text.encode()
    assert len(data) < 127, "longer than any test needs"
    return bytes([len(data) + 1]) + data


def _compact_length(response: io.BytesIO) -> int:
    """Return the length in front of a compact string or array; -1 for null."""
    (length,) = response.read(1)
    assert length < 128, "longer than any test needs"
    return int(length) - 1
