"""Sending of a kit's readings over its connection, with simulated faults on the way."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from dataclasses import dataclass, replace

from hortus.protocol.mqtt.topics import KitTopic, TopicChannel
from hortus.protocol.wire.codec import encode_aggregate_measurement, encode_raw_measurement
from hortus.protocol.wire.messages import AggregateMeasurement, RawMeasurement
from hortus.simulator.aggregates import Aggregate
from hortus.simulator.faults import FaultDice, SimulatedFault
from hortus.simulator.kit_clock import KitClock
from hortus.simulator.kit_connection import KitConnection
from hortus.simulator.report import KitCounts, ReadingKind, Recorder, SentReading

AGGREGATE_QOS = 2

# Held-back readings are kept in memory; beyond this number they are sent early.
_MOST_HELD_BACK = 5_000
_UNKNOWN_PERIPHERAL = 2_147_483_647
# A value and a NaN whose eight bytes are all nonzero, so that packing leaves them literal and one can be
# replaced by the other. The encoder itself refuses NaN.
_STAND_IN_VALUE = 1.1
_STAND_IN_BYTES = bytes.fromhex("9a9999999999f13f")
_NOT_A_NUMBER_BYTES = bytes.fromhex("010101010101f87f")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outgoing:
    topic: str
    payload: bytes
    qos: int
    reading: SentReading


class ReadingSender:
    """Sends the readings of one kit. `speed` shortens how long late readings are held back."""

    def __init__(
        self,
        serial: str,
        link: KitConnection,
        *,
        clock: KitClock,
        dice: FaultDice,
        counts: KitCounts,
        recorder: Recorder | None,
        raw_qos: int,
        speed: float,
    ) -> None:
        self._serial = serial
        self._link = link
        self._clock = clock
        self._dice = dice
        self._counts = counts
        self._recorder = recorder
        self._raw_qos = raw_qos
        self._speed = speed
        self._raw_topic = str(KitTopic(serial=serial, channel=TopicChannel.MEASUREMENT_RAW))
        self._aggregate_topic = str(KitTopic(serial=serial, channel=TopicChannel.MEASUREMENT_AGGREGATE))
        self._held_back: deque[_Outgoing] = deque()
        self._release: asyncio.TimerHandle | None = None

    def send_raw(self, peripheral_id: int, quantity_type: int, value: float) -> None:
        """Send one reading, taken now."""
        message = RawMeasurement(
            id=uuid.uuid4().bytes,
            datetime_ms=self._clock.now_ms(),
            peripheral=peripheral_id,
            quantity_type=quantity_type,
            value=value,
        )
        reading = self._reading(ReadingKind.RAW, message.id, message.datetime_ms)
        payload = encode_raw_measurement(message)
        self._send(_Outgoing(topic=self._raw_topic, payload=payload, qos=self._raw_qos, reading=reading))
        if self._dice.strike(SimulatedFault.GARBAGE):
            self._send_garbage(message, payload)

    def send_aggregate(
        self, peripheral_id: int, quantity_type: int, start_ms: int, end_ms: int, aggregate: Aggregate
    ) -> None:
        """Send the aggregate of a window, which must not be empty."""
        message = AggregateMeasurement(
            id=uuid.uuid4().bytes,
            # A clock that was set back produces windows that end before they start, which cannot be encoded.
            datetime_start_ms=min(start_ms, end_ms),
            datetime_end_ms=end_ms,
            peripheral=peripheral_id,
            quantity_type=quantity_type,
            values=(
                ("count", float(aggregate.count)),
                ("average", aggregate.average),
                ("minimum", aggregate.minimum),
                ("maximum", aggregate.maximum),
            ),
        )
        reading = self._reading(ReadingKind.AGGREGATE, message.id, end_ms)
        payload = encode_aggregate_measurement(message)
        self._send(_Outgoing(topic=self._aggregate_topic, payload=payload, qos=AGGREGATE_QOS, reading=reading))

    def taken_over(self, reading: SentReading) -> None:
        """Count a reading that the server acknowledged."""
        if reading.kind is ReadingKind.RAW:
            self._counts.raw_acknowledged += 1
        else:
            self._counts.aggregates_acknowledged += 1
        if self._recorder is not None:
            self._recorder.acknowledged(reading)

    def release_held_back(self) -> None:
        """Send the readings that were held back, oldest first."""
        if self._release is not None:
            self._release.cancel()
            self._release = None
        while self._held_back:
            self._hand_over(self._held_back.popleft())

    def close(self) -> None:
        """Discard the readings that are held back."""
        if self._release is not None:
            self._release.cancel()
            self._release = None
        self._held_back.clear()

    def _reading(self, kind: ReadingKind, reading_id: bytes, datetime_ms: int) -> SentReading:
        return SentReading(serial=self._serial, kind=kind, id=reading_id, datetime_ms=datetime_ms)

    def _send(self, outgoing: _Outgoing) -> None:
        if self._dice.strike(SimulatedFault.DRIFT):
            self._clock.put_wrong(self._dice.clock_error())
            self._counts.clock_faults += 1
        if self._release is None and self._dice.strike(SimulatedFault.LATE):
            self._counts.late_batches += 1
            delay_seconds = self._dice.hold_back_seconds() / self._speed
            self._release = asyncio.get_running_loop().call_later(delay_seconds, self.release_held_back)
        if self._release is None:
            self._hand_over(outgoing)
            return
        self._held_back.append(outgoing)
        if len(self._held_back) >= _MOST_HELD_BACK:
            self.release_held_back()

    def _hand_over(self, outgoing: _Outgoing) -> None:
        self._count(outgoing, self._publish(outgoing, outgoing.reading))
        if self._dice.strike(SimulatedFault.DUPLICATES):
            self._counts.duplicates += self._publish(outgoing, outgoing.reading)
        if self._link.connected and self._dice.strike(SimulatedFault.RECONNECTS):
            self._counts.cuts += 1
            self._link.cut()

    def _publish(self, outgoing: _Outgoing, reading: SentReading | None) -> bool:
        return self._link.publish(outgoing.topic, outgoing.payload, qos=outgoing.qos, reading=reading)

    def _count(self, outgoing: _Outgoing, sent: bool) -> None:
        if not sent:
            if outgoing.qos == 0:
                self._counts.raw_lost += 1
            else:
                self._counts.discarded += 1
            return
        if outgoing.reading.kind is ReadingKind.RAW:
            self._counts.raw_sent += 1
        else:
            self._counts.aggregates_sent += 1
        if self._recorder is not None and outgoing.qos > 0:
            self._recorder.sent(outgoing.reading)

    def _send_garbage(self, message: RawMeasurement, good: bytes) -> None:
        stray = encode_raw_measurement(replace(message, id=uuid.uuid4().bytes, peripheral=_UNKNOWN_PERIPHERAL))
        stand_in = encode_raw_measurement(replace(message, id=uuid.uuid4().bytes, value=_STAND_IN_VALUE))
        payload = self._dice.garbage(good, stray, stand_in.replace(_STAND_IN_BYTES, _NOT_A_NUMBER_BYTES))
        self._counts.garbage += self._link.publish(self._raw_topic, payload, qos=self._raw_qos)
