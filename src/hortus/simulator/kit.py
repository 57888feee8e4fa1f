"""A virtual kit: towards the server it behaves like kit 1.0.0b8; behind it is a simulated growing chamber.

Source of the behaviour: kit-mqtt 1, 2 and 4. Where the real kit would crash or hang (no active configuration,
`peripheralCommandLock`, an unknown method), the virtual one carries on.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import datetime

from hortus.base.errors import describe_error
from hortus.protocol.mqtt.topics import KitTopic, TopicChannel
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.messages import (
    ActiveConfigurationCall,
    ActiveConfigurationResult,
    QuantityTypesCall,
    QuantityTypesResult,
)
from hortus.simulator.answering import Answering
from hortus.simulator.answers import CommandDesk
from hortus.simulator.camera import Cameras
from hortus.simulator.chamber import ChamberState
from hortus.simulator.configuration import FittedPeripheral, UnusableConfigurationError, fit_peripherals
from hortus.simulator.devices import fittings_of
from hortus.simulator.faults import FaultDice
from hortus.simulator.kit_clock import KitClock, wall_clock
from hortus.simulator.kit_connection import KitConnection
from hortus.simulator.live_chamber import LiveChamber, made_up_climate
from hortus.simulator.options import KitCredentials, SimulatorOptions
from hortus.simulator.questions import Questions
from hortus.simulator.report import KitCounts, SentReading
from hortus.simulator.rpc_faults import RpcFaultDice
from hortus.simulator.sending import ReadingSender
from hortus.simulator.sensing import WorkingSensor

logger = logging.getLogger(__name__)

_RPC_QOS = 1


class VirtualKit:
    """One kit with its own MQTT connection. Create it and `run` it in an event loop; cancel to end it.

    `clock` is the wall clock that timestamps its readings.
    """

    def __init__(
        self,
        credentials: KitCredentials,
        options: SimulatorOptions,
        *,
        clock: Callable[[], datetime] = wall_clock,
    ) -> None:
        self.serial = credentials.serial
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._clock = KitClock(clock)
        self._counts = KitCounts()
        self._dice = FaultDice(options.faults, f"{options.seed} {self.serial} faults")
        self._randomness = random.Random(f"{options.seed} {self.serial} noise")  # noqa: S311 - no secret
        self._desk = CommandDesk()
        self._chamber = self._new_chamber(credentials)
        self._link = KitConnection(
            host=options.host,
            port=options.port,
            username=credentials.serial,
            password=credentials.password,
            topics=(self._topic(TopicChannel.SERVER_RPC_RESPONSE), self._topic(TopicChannel.KIT_RPC_REQUEST)),
            settings=options.link,
            on_message=self._receive,
            on_taken_over=self._taken_over,
        )
        self._sender = ReadingSender(
            self.serial,
            self._link,
            clock=self._clock,
            dice=self._dice,
            counts=self._counts,
            recorder=options.recorder,
            raw_qos=options.raw_qos,
            speed=options.speed,
        )
        self._cameras = Cameras(
            self.serial,
            self._link,
            clock=self._clock,
            counts=self._counts,
            chamber_state=self.chamber_state,
            seconds=options.camera_seconds / options.speed,
        )
        self._answering = Answering(
            self.serial,
            self._link,
            desk=self._desk,
            cameras=self._cameras,
            dice=RpcFaultDice(options.rpc_faults, f"{options.seed} {self.serial} answers"),
            counts=self._counts,
            settle_chamber=self.chamber_state,
            uptime_seconds=lambda: self._loop.time() - self._started_seconds,
            speed=options.speed,
        )
        self._questions = Questions(
            ask=lambda payload: self._link.publish(
                self._topic(TopicChannel.SERVER_RPC_REQUEST), payload, qos=_RPC_QOS
            ),
            timeout_seconds=options.boot.answer_timeout_seconds,
        )
        self._configuration_json: str | None = None
        self._quantity_types_json: str | None = None
        self._sensors: list[WorkingSensor] = []
        self._started_seconds = self._loop.time()
        self._may_measure = True
        self._reboot = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether the server has accepted the kit's current connection."""
        return self._link.connected

    @property
    def measuring(self) -> bool:
        """Whether the kit has its configuration and its sensors are running."""
        return bool(self._sensors)

    @property
    def unfinished_messages(self) -> int:
        """The number of QoS 1 and 2 messages that the server has not completed yet."""
        return self._link.outbox.unfinished

    @property
    def counts(self) -> KitCounts:
        """The kit's counters so far."""
        self._counts.connections = self._link.connections
        self._counts.retransmissions = self._link.outbox.retransmissions
        return self._counts

    def chamber_state(self) -> ChamberState:
        """Return the current state of the kit's chamber."""
        return self._chamber.state_now(self._loop.time(), self._desk.commanded)

    async def run(self) -> None:
        """Connect, boot and measure until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._link.run())
                tasks.create_task(self._live())
                tasks.create_task(self._answering.run())
        finally:
            self._stop_sensors()
            self._sender.close()

    def stop_measuring(self) -> None:
        """Stop the sensors for good and send readings that were held back; the connection stays."""
        self._may_measure = False
        self._stop_sensors()
        self._sender.release_held_back()

    def reboot(self) -> None:
        """Restart the kit's program: it asks for its configuration again."""
        self._reboot.set()

    def cut_connection(self) -> None:
        """Break the connection without a DISCONNECT; the kit reconnects by itself."""
        self._link.cut()

    async def _live(self) -> None:
        await self._link.first_connected.wait()
        while True:
            self._started_seconds = self._loop.time()
            self._questions.begin_anew()
            self._begin(await self._boot())
            await self._reboot.wait()
            self._reboot.clear()
            self._stop_sensors()

    async def _boot(self) -> list[FittedPeripheral]:
        """Ask until there is a configuration to run."""
        while True:
            if await self._has_configuration() and await self._has_quantity_types():
                assert self._configuration_json is not None
                assert self._quantity_types_json is not None
                try:
                    return fit_peripherals(self._configuration_json, self._quantity_types_json)
                except UnusableConfigurationError as error:
                    logger.warning("kit %s: %s", self.serial, describe_error(error))
            await asyncio.sleep(self._options.boot.ask_again_seconds)

    async def _has_configuration(self) -> bool:
        answer = await self._questions.ask(ActiveConfigurationCall())
        if isinstance(answer, ActiveConfigurationResult):
            self._configuration_json = answer.json_text
            if answer.json_text is None:
                # The real kit ends here and its supervisor starts it again.
                logger.warning("kit %s has no active configuration; asking again later", self.serial)
                return False
        return self._remembered("configuration", self._configuration_json)

    async def _has_quantity_types(self) -> bool:
        answer = await self._questions.ask(QuantityTypesCall())
        if isinstance(answer, QuantityTypesResult):
            self._quantity_types_json = answer.json_text
        return self._remembered("list of quantity types", self._quantity_types_json)

    def _remembered(self, what: str, document: str | None) -> bool:
        if document is None:
            logger.warning("kit %s got no %s from the server; asking again later", self.serial, what)
        return document is not None

    def _begin(self, peripherals: list[FittedPeripheral]) -> None:
        logger.info("kit %s runs %d peripherals", self.serial, len(peripherals))
        self._desk.fit(peripherals)
        self._chamber.fit(fittings_of([peripheral.device for peripheral in peripherals]))
        if not self._may_measure:
            return
        self._sensors = [self._sensor(peripheral) for peripheral in peripherals if peripheral.measured]
        for sensor in self._sensors:
            sensor.start()
        self._cameras.start(peripherals)

    def _sensor(self, peripheral: FittedPeripheral) -> WorkingSensor:
        return WorkingSensor(
            peripheral,
            speed=self._options.speed,
            chamber_state=self.chamber_state,
            clock=self._clock,
            sender=self._sender,
            dice=self._dice,
            counts=self._counts,
            randomness=self._randomness,
        )

    def _stop_sensors(self) -> None:
        for sensor in self._sensors:
            sensor.stop()
        self._sensors = []
        self._cameras.stop()

    def _receive(self, topic: str, payload: bytes) -> None:
        try:
            if topic == self._topic(TopicChannel.SERVER_RPC_RESPONSE):
                self._questions.take_answer(payload)
            elif topic == self._topic(TopicChannel.KIT_RPC_REQUEST):
                self._answering.take(payload)
        except WireError as error:
            logger.warning("kit %s: dropped a message on %s: %s", self.serial, topic, describe_error(error))

    def _taken_over(self, reading: SentReading) -> None:
        self._sender.taken_over(reading)

    def _topic(self, channel: TopicChannel) -> str:
        return str(KitTopic(serial=self.serial, channel=channel))

    def _new_chamber(self, credentials: KitCredentials) -> LiveChamber:
        climate = credentials.climate
        return LiveChamber(
            climate or made_up_climate(self.serial, self._options.seed),
            has_past=climate is not None,
            begin_seconds=self._clock.true_seconds(),
            monotonic_seconds=self._loop.time(),
            speed=self._options.speed,
        )
