"""Writes record batches byte by byte, with what our own library would not write but others do.

https://kafka.apache.org/documentation/#recordbatch and #The_Messages_Produce (version 3).
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from kafka_one_broker import header, response_of, string

from waiting import wait_until

_PRODUCE, _VERSION = 0, 3
_GZIP = 1
_TOPIC_IS_NEW = {3, 6}  # an unknown topic, or not the leader


@dataclass(frozen=True)
class RawRecord:
    """A record as bytes. Kafka stores any names of headers; times are milliseconds since 1970, -1 for none."""

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    timestamp_ms: int = -1


def write_raw(
    port: int, topic: str, partition: int, records: Sequence[RawRecord], *, packed: bool = False
) -> int:
    """Write these records as one batch to the leader at this port. Return the offset of the first."""
    batch = _batch(records, packed)
    partitions = struct.pack(">iii", 1, partition, len(batch)) + batch
    body = struct.pack(">hhii", -1, -1, 10_000, 1) + string(topic) + partitions
    request = header(_PRODUCE, _VERSION) + body

    def answer() -> tuple[int, int] | None:
        error, offset = _answer(port, topic, request)
        return None if error in _TOPIC_IS_NEW else (error, offset)

    error, offset = wait_until(answer, "the topic can be written to")
    assert error == 0, f"Kafka answers with error {error}"
    return int(offset)


def _answer(port: int, topic: str, request: bytes) -> tuple[int, int]:
    """Send the request; return the code of the error, 0 for none, and the first offset."""
    response = response_of(port, request)
    # Correlation id, one topic with its name, one partition: number, error, offset.
    at = 8 + 2 + len(topic.encode()) + 4
    _, error, offset = struct.unpack_from(">ihq", response, at)
    return error, offset


def _batch(records: Sequence[RawRecord], packed: bool) -> bytes:
    times = [record.timestamp_ms for record in records]
    content = b"".join(_record(record, number, times[0]) for number, record in enumerate(records))
    if packed:
        content = gzip.compress(content)
    counted = struct.pack(
        ">hiqqqhii", _GZIP if packed else 0, len(records) - 1, times[0], max(times), -1, -1, -1, len(records)
    )
    checked = counted + content
    tail = struct.pack(">ibI", -1, 2, _crc32c(checked)) + checked
    return struct.pack(">qi", 0, len(tail)) + tail


def _record(record: RawRecord, number: int, first_ms: int) -> bytes:
    parts = [b"\x00", _varint(record.timestamp_ms - first_ms), _varint(number), _sized(record.key)]
    parts += [_sized(record.value), _varint(len(record.headers))]
    for name, value in record.headers:
        parts += [_sized(name), _sized(value)]
    content = b"".join(parts)
    return _varint(len(content)) + content


def _sized(data: bytes | None) -> bytes:
    return _varint(-1) if data is None else _varint(len(data)) + data


def _varint(number: int) -> bytes:
    rest = (number << 1) ^ (number >> 63)
    digits = bytearray()
    while rest > 0x7F:
        digits.append(rest & 0x7F | 0x80)
        rest >>= 7
    digits.append(rest)
    return bytes(digits)


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _crc_row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC = [_crc_row(byte) for byte in range(256)]
