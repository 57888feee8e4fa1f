"""What virtual kits sent, and with what result: counts, and optionally each reading by its id.

"Acknowledged" means that the server has accepted a message: PUBACK at QoS 1, PUBREC at QoS 2. From then on the
reading must be in the database, once. Readings at QoS 0 are never acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from io import TextIOBase
from pathlib import Path
from types import TracebackType
from typing import Protocol
from uuid import UUID

from hortus.base.errors import OperationalError


class ReadingKind(StrEnum):
    """The two kinds of readings, as in the topics."""

    RAW = "raw"
    AGGREGATE = "aggregate"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentReading:
    """A sent reading. `datetime_ms` is its time by the kit's clock; for an aggregate, the end of its window."""

    serial: str
    kind: ReadingKind
    id: bytes
    datetime_ms: int


class Recorder(Protocol):
    """Is notified of each reading that awaits an acknowledgement (QoS 1 or 2)."""

    def sent(self, reading: SentReading) -> None:
        """The reading was handed to the connection or is queued for one; called once per reading."""

    def acknowledged(self, reading: SentReading) -> None:
        """The server has accepted the reading; called once per message, so twice for a duplicate."""


class FileRecorder:
    """Appends a line per event to a file: `sent` or `acknowledged`, kind, serial, id, time in ms.

    Lines are flushed immediately, so that another process can follow. Use as a context manager.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIOBase | None = None

    def __enter__(self) -> FileRecorder:
        try:
            self._file = self._path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise OperationalError(
                f"Cannot write the record {self._path} ({error.strerror}); name a file that can be written."
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def sent(self, reading: SentReading) -> None:
        self._write("sent", reading)

    def acknowledged(self, reading: SentReading) -> None:
        self._write("acknowledged", reading)

    def _write(self, event: str, reading: SentReading) -> None:
        if self._file is not None:
            self._file.write(
                f"{event} {reading.kind} {reading.serial} {UUID(bytes=reading.id)} {reading.datetime_ms}\n"
            )


@dataclass(slots=True, kw_only=True)
class KitCounts:
    """What one kit did since it started.

    connections         times the server accepted the kit raw_sent            raw readings handed over for
    sending, copies not counted raw_lost            raw readings at QoS 0 that found no connection, or one that
    does not accept data raw_acknowledged    raw readings accepted by the server (only at QoS 1) aggregates_sent
    aggregates handed over for sending, copies not counted aggregates_acknowledged  aggregates accepted by the
    server discarded           readings dropped because the queue was full retransmissions     packets sent
    again: after 20 s without an answer, or after a reconnect duplicates          second copies published on
    purpose garbage             bad messages published on purpose dropouts            times a sensor fell silent
    on purpose late_batches        times readings were held back on purpose clock_faults        times the clock
    was set wrong, or corrected again, on purpose cuts                connections cut on purpose questions
    kit RPC requests received overlaps            of these, how many arrived while another was still unanswered
    answers             kit RPC answers published rpc_faults          answers made faulty on purpose pictures
    pictures published
    """

    connections: int = 0
    raw_sent: int = 0
    raw_lost: int = 0
    raw_acknowledged: int = 0
    aggregates_sent: int = 0
    aggregates_acknowledged: int = 0
    discarded: int = 0
    retransmissions: int = 0
    duplicates: int = 0
    garbage: int = 0
    dropouts: int = 0
    late_batches: int = 0
    clock_faults: int = 0
    cuts: int = 0
    questions: int = 0
    overlaps: int = 0
    answers: int = 0
    rpc_faults: int = 0
    pictures: int = 0

    def add(self, other: KitCounts) -> None:
        """Add another kit's counts to these."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
