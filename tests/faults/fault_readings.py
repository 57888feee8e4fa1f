"""What the kits of a fault run send: readings, aggregates, and two per cent of rubbish."""

from __future__ import annotations

import random
import re
import struct
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import capnp

SCHEMA = Path(__file__).parents[2] / "src/hortus/protocol/wire/schema.capnp"
RUBBISH_SHARE = 0.02
AGGREGATE_SHARE = 0.25

_NO_SUCH_ID = 2_147_483_647


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A kit as it is set up: how it logs in, and one peripheral and quantity that it measures.

    `foreign_peripheral` belongs to another kit.
    """

    kit_id: int
    serial: str
    password: str = field(repr=False)
    peripheral: int
    quantity_type: int
    foreign_peripheral: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a kit. `reading` is the id of a good one; rubbish has the reason it must end with.

    `made_at` is a time of the monotonic clock, in seconds.
    """

    number: int
    kit_id: int
    stream: str
    qos: int
    topic: str
    payload: bytes = field(repr=False)
    made_at: float
    datetime_ms: int
    value: float
    reading: uuid.UUID | None
    reason: str | None

    @property
    def content(self) -> tuple[int, str, int, float]:
        """What must be found in the database: kit, stream, device time and value."""
        return (self.kit_id, self.stream, self.datetime_ms, self.value)


class MessageMaker:
    """Makes the messages of all kits, from one source of chance and under one count."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._made = 0

    def next(self, account: Account) -> Message:
        """Return the next message of a kit: mostly a raw reading at QoS 1 or an aggregate at QoS 2."""
        self._made += 1
        is_aggregate = self._dice.random() < AGGREGATE_SHARE
        stream, make = ("aggregate", _aggregate) if is_aggregate else ("raw", _raw)
        fields = _Fields(
            id=uuid.UUID(int=self._dice.getrandbits(128), version=4),
            datetime_ms=time.time_ns() // 1_000_000,
            peripheral=account.peripheral,
            quantity_type=account.quantity_type,
            value=round(self._dice.uniform(-40, 90), 3),
        )
        reason = None
        if self._dice.random() < RUBBISH_SHARE:
            kinds = _AGGREGATE_RUBBISH if is_aggregate else _RAW_RUBBISH
            reason, spoil = self._dice.choice(kinds)
            payload = spoil(fields, account)
        else:
            payload = make(fields)
        return Message(
            number=self._made,
            kit_id=account.kit_id,
            stream=stream,
            qos=2 if is_aggregate else 1,
            topic=f"kit/{account.serial}/measurement/{stream}",
            payload=payload,
            made_at=time.monotonic(),
            datetime_ms=fields.datetime_ms,
            value=fields.value,
            reading=None if reason else fields.id,
            reason=reason,
        )


@dataclass(slots=True, kw_only=True)
class _Fields:
    id: uuid.UUID
    datetime_ms: int
    peripheral: int
    quantity_type: int
    value: float


@cache
def _schema() -> Any:
    """Return the kits' schema under a file id of its own.

    Cap'n Proto ends the process when one id comes from two files, as when Hortus is installed elsewhere. The id
    is not on the wire.
    """
    capnp.remove_import_hook()
    text, replaced = re.subn("^@0x[0-9a-f]+;", "@0xe1b6c2f04d7a9385;", SCHEMA.read_text(), flags=re.MULTILINE)
    assert replaced == 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fault_schema.capnp"
        path.write_text(text)
        return capnp.load(str(path))


def _raw(fields: _Fields, **instead: Any) -> bytes:
    message = _schema().RawMeasurement.new_message(
        **{
            "id": fields.id.bytes,
            "kitSerial": "",
            "datetime": fields.datetime_ms,
            "peripheral": fields.peripheral,
            "quantityType": fields.quantity_type,
            "value": fields.value,
            **instead,
        }
    )
    return bytes(message.to_bytes_packed())


def _aggregate(fields: _Fields, *, start_ms: int | None = None, empty: bool = False) -> bytes:
    message = _schema().AggregateMeasurement.new_message(
        id=fields.id.bytes,
        kitSerial="",
        datetimeStart=fields.datetime_ms if start_ms is None else start_ms,
        datetimeEnd=fields.datetime_ms,
        peripheral=fields.peripheral,
        quantityType=fields.quantity_type,
    )
    values = () if empty else (("count", 1.0), ("average", fields.value))
    entries = message.init("values", len(values))
    for entry, (name, value) in zip(entries, values, strict=True):
        entry.type, entry.value = name, value
    return bytes(message.to_bytes_packed())


Spoiler = Callable[[_Fields, Account], bytes]

# Each with the reason that the quarantine must give. All but the empty one are unique, by id and time.
_RAW_RUBBISH: tuple[tuple[str, Spoiler], ...] = (
    ("empty-payload", lambda fields, account: b""),
    ("undecodable", lambda fields, account: b"rubbish " + fields.id.hex.encode()),
    ("undecodable", lambda fields, account: _raw(fields)[:-3]),
    ("value-not-finite", lambda fields, account: _raw(fields, value=float("nan"))),
    ("bad-id", lambda fields, account: _raw(fields, id=fields.id.bytes[:15])),
    ("unknown-peripheral", lambda fields, account: _raw(fields, peripheral=_NO_SUCH_ID)),
    ("foreign-peripheral", lambda fields, account: _raw(fields, peripheral=account.foreign_peripheral)),
    ("unknown-quantity-type", lambda fields, account: _raw(fields, quantityType=_NO_SUCH_ID)),
    ("time-in-future", lambda fields, account: _raw(fields, datetime=fields.datetime_ms + 86_400_000)),
    ("time-too-old", lambda fields, account: _raw(fields, datetime=fields.datetime_ms % 86_400_000)),
)
_AGGREGATE_RUBBISH: tuple[tuple[str, Spoiler], ...] = (
    ("aggregate-without-values", lambda fields, account: _aggregate(fields, empty=True)),
    (
        "aggregate-end-before-start",
        lambda fields, account: _aggregate(fields, start_ms=fields.datetime_ms + 1),
    ),
    ("undecodable", lambda fields, account: struct.pack(">Q", 0x10) + fields.id.bytes),
)
