"""A batch on its way to the database: messages resolved to columns of rows, and the counts to add. Pure."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

from hortus.base.database.partitions import Month
from hortus.base.errors import describe_error
from hortus.base.times import format_time
from hortus.domain.kits.registry import ExistingPeripheral, KitRegistry, KnownKit
from hortus.flow.ingest.medium import ArrivedMedium
from hortus.flow.ingest.messages import (
    InboundMessage,
    QuarantineVerdict,
    Stream,
    read_message,
    serial_and_stream,
)
from hortus.protocol.reasons import Reason
from hortus.protocol.wire.messages import AggregateMeasurement, RawMeasurement

log = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_MS = 3_600_000

NO_KIT = 0
"""The kit id in ledger and quarantine for "no kit of ours"."""

LedgerKey = tuple[int, int, Stream]
"""Kit id, start of the hour of arrival in ms since the epoch, stream."""


@dataclass(slots=True)
class ReadMessage:
    """A decoded message: its kit's serial, its stream, and the reading or the verdict."""

    message: InboundMessage
    serial: str
    stream: Stream
    content: RawMeasurement | AggregateMeasurement | ArrivedMedium | QuarantineVerdict


@dataclass(slots=True)
class RawColumns:
    """Readings as columns of wire values: the store passes them on without creating an object for each.

    Times are milliseconds since the epoch; ids are 16 bytes.
    """

    device_time_ms: list[int] = field(default_factory=list)
    received_at_ms: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    id: list[bytes] = field(default_factory=list)
    kit_id: list[int] = field(default_factory=list)
    peripheral_id: list[int] = field(default_factory=list)
    kit_configuration_id: list[int] = field(default_factory=list)
    quantity_type_id: list[int] = field(default_factory=list)


@dataclass(slots=True)
class AggregateColumns:
    """Aggregates as columns, in the order of the insert statement. `values` holds JSON objects."""

    datetime_start: list[datetime] = field(default_factory=list)
    datetime_end: list[datetime] = field(default_factory=list)
    received_at: list[datetime] = field(default_factory=list)
    id: list[UUID] = field(default_factory=list)
    kit_id: list[int] = field(default_factory=list)
    peripheral_id: list[int] = field(default_factory=list)
    kit_configuration_id: list[int] = field(default_factory=list)
    quantity_type_id: list[int] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    def in_order(self) -> tuple[list[Any], ...]:
        """Return the columns as arguments of the insert statement."""
        return (
            self.datetime_start,
            self.datetime_end,
            self.received_at,
            self.id,
            self.kit_id,
            self.peripheral_id,
            self.kit_configuration_id,
            self.quantity_type_id,
            self.values,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumToStore:
    """A medium whose kit and peripheral are known, to be stored as an object and a row."""

    serial: str
    kit_id: int
    kit_configuration_id: int
    received_at_ms: int
    medium: ArrivedMedium


@dataclass(frozen=True, slots=True)
class ToQuarantine:
    """A message to be quarantined, with the data for its row and for the ledger."""

    message: InboundMessage
    kit_id: int
    stream: Stream
    verdict: QuarantineVerdict

    @property
    def ledger_key(self) -> LedgerKey:
        """The ledger row that counts this message."""
        received_at_ms = self.message.received_at_ms
        return (self.kit_id, received_at_ms - received_at_ms % HOUR_MS, self.stream)


@dataclass(slots=True)
class ResolvedBatch:
    """Rows to write and counts to add.

    `heard_ms` has when each kit was heard last, whatever became of its messages; `last_seen_ms` only kits with
    a valid measurement. `deleted_peripheral_ids` are those for which messages wait in quarantine.
    """

    raw: RawColumns = field(default_factory=RawColumns)
    aggregate: AggregateColumns = field(default_factory=AggregateColumns)
    media: list[MediumToStore] = field(default_factory=list)
    quarantined: list[ToQuarantine] = field(default_factory=list)
    received: Counter[LedgerKey] = field(default_factory=Counter)
    peripheral_ids: set[int] = field(default_factory=set)
    deleted_peripheral_ids: set[int] = field(default_factory=set)
    last_seen_ms: dict[int, int] = field(default_factory=dict)
    heard_ms: dict[int, int] = field(default_factory=dict)

    def months(self) -> set[Month]:
        """Return the months that the rows' device times fall in."""
        times_ms = self.raw.device_time_ms
        # A batch nearly always lies within one month, and checking its extremes is enough.
        ends = (
            {Month.of(from_milliseconds(end)) for end in (min(times_ms), max(times_ms))} if times_ms else set()
        )
        months = ends if len(ends) < 2 else {Month.of(from_milliseconds(moment)) for moment in set(times_ms)}
        return months | {Month.of(moment) for moment in self.aggregate.datetime_start}

    def kits_by_month(self, months: set[Month]) -> dict[Month, set[int]]:
        """Return the ids of the kits with readings in each of these months."""
        kits: dict[Month, set[int]] = {month: set() for month in months}
        moments = chain(map(from_milliseconds, self.raw.device_time_ms), self.aggregate.datetime_start)
        for moment, kit_id in zip(moments, chain(self.raw.kit_id, self.aggregate.kit_id), strict=True):
            if (month := Month.of(moment)) in months:
                kits[month].add(kit_id)
        return kits


@dataclass(slots=True)
class Knowledge:
    """What is known about the kits of one batch. A copy, so that cache invalidation cannot shrink it midway.

    `closed_months` have no partitions, and none can be created now.
    """

    kits: dict[str, KnownKit]
    quantity_types: frozenset[int]
    other_peripherals: dict[int, ExistingPeripheral] = field(default_factory=dict)
    closed_months: set[Month] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Missing:
    """What a batch refers to and the cache lacks; to be looked up before anything is judged unknown."""

    serials: set[str]
    peripheral_ids: set[int]
    quantity_types: bool

    def __bool__(self) -> bool:
        return bool(self.serials or self.quantity_types)


def read_messages(messages: Iterable[InboundMessage], clock_tolerance_ms: int) -> list[ReadMessage]:
    """Decode and check all messages. Each becomes a reading or a verdict; none affects another (P4)."""
    batch = []
    for message in messages:
        serial, stream = serial_and_stream(message.topic)
        if message.serial is not None:
            serial = message.serial
        try:
            content = read_message(stream, message, clock_tolerance_ms)
        except Exception as error:  # never the end of the process: the message would come again at once
            log.exception("a message on %s cannot be read", message.topic)
            content = QuarantineVerdict(
                Reason.UNDECODABLE, f"{Reason.UNDECODABLE.explanation} ({describe_error(error)})"
            )
        batch.append(ReadMessage(message, serial, stream, content))
    return batch


def knowledge_in_memory(batch: list[ReadMessage], registry: KitRegistry) -> tuple[Knowledge, Missing]:
    """Return what the registry's cache knows about the kits in this batch, and what it lacks."""
    kits: dict[str, KnownKit] = {}
    serials: set[str] = set()
    peripheral_ids: set[int] = set()
    unknown_quantity_type = False
    quantity_types = registry.quantity_types
    for read in batch:
        serial, content = read.serial, read.content
        kit = kits.get(serial)
        if kit is None:
            kit = registry.kit(serial)
            if kit is not None:
                kits[serial] = kit
            elif serial:
                serials.add(serial)
        if isinstance(content, QuarantineVerdict):
            continue
        if kit is None or content.peripheral not in kit.configuration_by_peripheral:
            serials.add(serial)
            peripheral_ids.add(content.peripheral)
        if not isinstance(content, ArrivedMedium) and content.quantity_type not in quantity_types:
            unknown_quantity_type = True
    return Knowledge(kits, quantity_types), Missing(serials, peripheral_ids, unknown_quantity_type)


def resolve(batch: list[ReadMessage], knowledge: Knowledge) -> ResolvedBatch:
    """Return the rows and counts of a batch. Anything missing from `knowledge` is treated as nonexistent."""
    resolved = ResolvedBatch()
    kits, quantity_types = knowledge.kits, knowledge.quantity_types
    for read in batch:
        message, content, stream = read.message, read.content, read.stream
        kit = kits.get(read.serial)
        kit_id = kit.kit_id if kit is not None else NO_KIT
        hour_ms = message.received_at_ms - message.received_at_ms % HOUR_MS
        resolved.received[(kit_id, hour_ms, stream)] += 1
        if kit is not None:
            resolved.heard_ms[kit_id] = max(message.received_at_ms, resolved.heard_ms.get(kit_id, 0))
        if isinstance(content, QuarantineVerdict):
            resolved.quarantined.append(ToQuarantine(message, kit_id, stream, content))
            continue
        configuration_id = kit.configuration_by_peripheral.get(content.peripheral) if kit is not None else None
        if (
            kit is None
            or configuration_id is None
            or (not isinstance(content, ArrivedMedium) and content.quantity_type not in quantity_types)
        ):
            verdict = _unresolved(read.serial, kit, content, knowledge.other_peripherals)
            if verdict.reason is Reason.DELETED_CONFIGURATION:
                resolved.deleted_peripheral_ids.add(content.peripheral)
            resolved.quarantined.append(ToQuarantine(message, kit_id, stream, verdict))
            continue
        if knowledge.closed_months and not isinstance(content, ArrivedMedium):
            month = Month.of(from_milliseconds(_device_time_ms(content)))
            if month in knowledge.closed_months:
                resolved.quarantined.append(ToQuarantine(message, kit_id, stream, _closed(month)))
                continue
        resolved.peripheral_ids.add(content.peripheral)
        if isinstance(content, ArrivedMedium):
            # Media do not update "last seen" (kit-mqtt 6).
            resolved.media.append(
                MediumToStore(
                    serial=read.serial,
                    kit_id=kit_id,
                    kit_configuration_id=configuration_id,
                    received_at_ms=message.received_at_ms,
                    medium=content,
                )
            )
            continue
        resolved.last_seen_ms[kit_id] = message.received_at_ms
        if isinstance(content, RawMeasurement):
            _add_raw(resolved.raw, content, kit_id, configuration_id, message.received_at_ms)
        else:
            _add_aggregate(resolved.aggregate, content, kit_id, configuration_id, message.received_at_ms)
    return resolved


def from_milliseconds(milliseconds: int) -> datetime:
    """Return the aware datetime for milliseconds since the epoch, without rounding."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _device_time_ms(content: RawMeasurement | AggregateMeasurement) -> int:
    return content.datetime_ms if isinstance(content, RawMeasurement) else content.datetime_start_ms


def _closed(month: Month) -> QuarantineVerdict:
    return QuarantineVerdict(
        Reason.TOO_MANY_MONTHS,
        f"This is of {month.year:04d}-{month.month:02d}, and late readings of this kit have opened as many "
        "months within an hour as they may (HORTUS_LATE_MONTHS_PER_HOUR). Check the kit's clock; if it is "
        "right, replay the message an hour later.",
    )


def _add_raw(
    columns: RawColumns, raw: RawMeasurement, kit_id: int, configuration_id: int, received_at_ms: int
) -> None:
    columns.device_time_ms.append(raw.datetime_ms)
    columns.received_at_ms.append(received_at_ms)
    columns.value.append(raw.value)
    columns.id.append(raw.id)
    columns.kit_id.append(kit_id)
    columns.peripheral_id.append(raw.peripheral)
    columns.kit_configuration_id.append(configuration_id)
    columns.quantity_type_id.append(raw.quantity_type)


def _add_aggregate(
    columns: AggregateColumns,
    aggregate: AggregateMeasurement,
    kit_id: int,
    configuration_id: int,
    received_at_ms: int,
) -> None:
    columns.datetime_start.append(from_milliseconds(aggregate.datetime_start_ms))
    columns.datetime_end.append(from_milliseconds(aggregate.datetime_end_ms))
    columns.received_at.append(from_milliseconds(received_at_ms))
    columns.id.append(UUID(bytes=aggregate.id))
    columns.kit_id.append(kit_id)
    columns.peripheral_id.append(aggregate.peripheral)
    columns.kit_configuration_id.append(configuration_id)
    columns.quantity_type_id.append(aggregate.quantity_type)
    # If a type occurs twice, its last value counts (kit-mqtt 6).
    columns.values.append(json.dumps(dict(aggregate.values), ensure_ascii=False))


def _unresolved(
    serial: str,
    kit: KnownKit | None,
    content: RawMeasurement | AggregateMeasurement | ArrivedMedium,
    other_peripherals: dict[int, ExistingPeripheral],
) -> QuarantineVerdict:
    if kit is None:
        return QuarantineVerdict(Reason.UNKNOWN_KIT, f"No kit here has the serial {serial}.")
    if content.peripheral not in kit.configuration_by_peripheral:
        return _unusable(kit, content.peripheral, other_peripherals.get(content.peripheral))
    assert not isinstance(content, ArrivedMedium)
    return QuarantineVerdict(
        Reason.UNKNOWN_QUANTITY_TYPE, f"There is no quantity type {content.quantity_type}."
    )


def _unusable(kit: KnownKit, peripheral_id: int, existing: ExistingPeripheral | None) -> QuarantineVerdict:
    if existing is not None and existing.kit_id != kit.kit_id:
        return QuarantineVerdict(
            Reason.FOREIGN_PERIPHERAL, f"Peripheral {peripheral_id} belongs to another kit."
        )
    if existing is None or existing.deleted_at is None or existing.restorable_until is None:
        return QuarantineVerdict(Reason.UNKNOWN_PERIPHERAL, f"There is no peripheral {peripheral_id}.")
    return QuarantineVerdict(
        Reason.DELETED_CONFIGURATION,
        f"Peripheral {peripheral_id} is of configuration #{existing.configuration_id}, which was deleted at "
        f"{format_time(existing.deleted_at)} and can be brought back until "
        f"{format_time(existing.restorable_until)}.",
    )
