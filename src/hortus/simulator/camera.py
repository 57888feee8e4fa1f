"""The cameras of a virtual kit: pictures on command, on schedule, and one soon after the start.

A real kit does not take the last one; it lets a demonstration begin with a picture.
"""

from __future__ import annotations

import asyncio
import uuid
import zlib
from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta

from hortus.protocol.mqtt.topics import KitTopic, TopicChannel
from hortus.protocol.wire.codec import encode_media
from hortus.protocol.wire.messages import Media
from hortus.simulator.chamber import ChamberState
from hortus.simulator.configuration import FittedPeripheral, ScheduledPicture
from hortus.simulator.kit_clock import KitClock
from hortus.simulator.kit_connection import KitConnection
from hortus.simulator.pictures import MEDIA_TYPE, Scene, draw
from hortus.simulator.report import KitCounts

_FIRST_PICTURE_SECONDS = 5.0
_QOS = 1


class Cameras:
    """Takes pictures for one kit and publishes them on `media`."""

    def __init__(
        self,
        serial: str,
        link: KitConnection,
        *,
        clock: KitClock,
        counts: KitCounts,
        chamber_state: Callable[[], ChamberState],
        seconds: float,
    ) -> None:
        self._topic = str(KitTopic(serial=serial, channel=TopicChannel.MEDIA))
        self._link = link
        self._clock = clock
        self._counts = counts
        self._chamber_state = chamber_state
        self._seconds = seconds
        self._plants = 0.4 + (zlib.crc32(serial.encode()) % 100) / 100
        self._timetables: list[asyncio.Task[None]] = []

    async def take(self, peripheral: FittedPeripheral, kind: str) -> bytes:
        """Take a picture, publish it, and return it. Takes as long as a real camera."""
        await asyncio.sleep(self._seconds)
        identifier = uuid.uuid4()
        scene = Scene(
            light_lux=self._chamber_state().light_lux,
            plants=self._plants,
            seed=identifier.int if kind in {"uniform", "art"} else int(100 * self._plants),
        )
        # Off the event loop: drawing and packing take some ten milliseconds.
        picture = await asyncio.to_thread(draw, kind, scene)
        media = Media(
            id=identifier.bytes,
            datetime_ms=self._clock.now_ms(),
            peripheral=peripheral.id,
            name=f"{kind}.png",
            type=MEDIA_TYPE,
            data=picture,
            metadata="null",
        )
        self._counts.pictures += self._link.publish(self._topic, encode_media(media), qos=_QOS)
        return picture

    def start(self, peripherals: Iterable[FittedPeripheral]) -> None:
        """Follow the schedules of these peripherals from now on."""
        self._timetables = [
            asyncio.create_task(self._follow(peripheral)) for peripheral in peripherals if peripheral.schedule
        ]

    def stop(self) -> None:
        """Stop taking scheduled pictures."""
        for timetable in self._timetables:
            timetable.cancel()
        self._timetables = []

    async def _follow(self, peripheral: FittedPeripheral) -> None:
        await asyncio.sleep(_FIRST_PICTURE_SECONDS)
        await self.take(peripheral, peripheral.schedule[0].command)
        while True:
            now = datetime.now().astimezone()
            moment, command = next_picture(peripheral.schedule, now)
            await asyncio.sleep((moment - now).total_seconds())
            await self.take(peripheral, command)


def next_picture(schedule: tuple[ScheduledPicture, ...], now: datetime) -> tuple[datetime, str]:
    """Return the time (local, as in kits) and the kind of the next picture due after `now`."""
    due = []
    for entry in schedule:
        moment = datetime.combine(now.date(), time.fromisoformat(entry.time_of_day), now.tzinfo)
        due.append((moment if moment > now else moment + timedelta(days=1), entry.command))
    return min(due)
