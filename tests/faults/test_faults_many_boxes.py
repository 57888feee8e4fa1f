"""Mosquitto, two ingesters and PostgreSQL: what the broker acknowledged is stored exactly once."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest
from fault_kits import KitPauses
from fault_many_boxes import INGESTERS, ManyBoxes
from fault_proxy import AtCommit
from fault_run import NO_REPETITION, Fault, Plan, Run, loaded

from waiting import PATIENCE_SECONDS, until

pytestmark = pytest.mark.slow

# An ingester gives up a silent connection after 8 s, so this is longer.
LONGER_THAN_PATIENCE_SECONDS = 9.0

REAL_KIT = KitPauses(
    retry_seconds=20.0, first_reconnect_seconds=1.0, longest_reconnect_seconds=128.0, keep_alive_seconds=60
)


class Faults:
    """What can happen to the boxes."""

    def __init__(self, boxes: ManyBoxes) -> None:
        self.boxes = boxes

    async def ingester_killed(self, run: Run) -> float:
        name = run.dice.choice(INGESTERS)
        self.boxes.ingesters[name].kill()
        ended_at = time.monotonic()
        await self.boxes.start_ingester(name)
        return ended_at

    async def ingester_paused(self, run: Run) -> float:
        ingester = self.boxes.ingesters[run.dice.choice(INGESTERS)]
        ingester.pause()
        await run.flow(run.dice.uniform(0.5, 3))
        ingester.resume()
        return time.monotonic()

    async def ingester_restarted(self, run: Run) -> float:
        name = run.dice.choice(INGESTERS)
        began = time.monotonic()
        await self.boxes.ingesters[name].ask_to_end()
        await self.boxes.start_ingester(name)
        return began

    async def postgres_killed(self, run: Run) -> float:
        self.boxes.postgres.kill()
        ended_at = time.monotonic()
        await self.boxes.server.restart()
        return ended_at

    async def postgres_worker_killed(self, run: Run) -> float:
        backends = await run.ingest_backends()
        self.boxes.postgres.kill_backend(run.dice.choice(backends))
        return time.monotonic()

    async def postgres_restarted(self, run: Run) -> float:
        began = time.monotonic()
        await self.boxes.server.restart()
        return began

    async def postgres_paused(self, run: Run) -> float:
        self.boxes.postgres.pause()
        await run.flow(run.dice.uniform(0.5, 3))
        self.boxes.postgres.resume()
        return time.monotonic()

    def network_hangs(self, seconds: float) -> Fault:
        async def hang(run: Run) -> float:
            self.boxes.proxy.hang()
            await run.flow(seconds)
            self.boxes.proxy.go_on()
            return time.monotonic()

        return hang

    async def sessions_end(self, run: Run) -> float:
        self.boxes.proxy.say_goodbye()
        return time.monotonic()

    async def network_cut(self, run: Run) -> float:
        self.boxes.proxy.cut()
        return time.monotonic()

    def at_commit(self, how: AtCommit) -> Fault:
        async def strike(run: Run) -> float:
            before = self.boxes.proxy.strikes
            self.boxes.proxy.strike_at_next_commit(how)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self.boxes.proxy.strikes == before:
                    await run.flow(0.01)
            return time.monotonic()

        return strike

    def broker_away(self, seconds: float) -> Fault:
        async def stop_and_start(run: Run) -> float:
            self.boxes.mosquitto.stop(signal.SIGTERM)
            await run.flow(seconds)
            ended_at = time.monotonic()
            await self._start_broker()
            return ended_at

        return stop_and_start

    async def broker_paused(self, run: Run) -> float:
        self.boxes.mosquitto.send_signal(signal.SIGSTOP)
        await run.flow(run.dice.uniform(0.5, 3))
        self.boxes.mosquitto.send_signal(signal.SIGCONT)
        return time.monotonic()

    async def broker_killed(self, run: Run) -> float:
        self.boxes.mosquitto.stop(signal.SIGKILL)
        ended_at = time.monotonic()
        await self._start_broker()
        return ended_at

    async def broker_killed_with_backlog(self, run: Run) -> float:
        # Killed and not paused: what has reached the socket of a paused ingester is stored when it goes on.
        for name in INGESTERS:
            self.boxes.ingesters[name].kill()
        await run.flow(3.0)
        self.boxes.mosquitto.stop(signal.SIGKILL)
        before = {name: self.boxes.subscriptions_of(name) for name in INGESTERS}
        for name in INGESTERS:
            self.boxes.ingesters[name].start()
        ended_at = time.monotonic()
        await self._start_broker()
        # Both: one that still starts up cannot be asked to end properly.
        for name in INGESTERS:
            await self.boxes.subscribed_again(name, before[name])
        return ended_at

    async def _start_broker(self) -> None:
        """Start Mosquitto; return when an ingester has subscribed.

        Nothing that it acknowledges from then on may be lost, nor anything before: it lets no kit in.
        """
        before = self.boxes.connections_to_broker()
        self.boxes.mosquitto.start()
        await until(lambda: self.boxes.connections_to_broker() > before, "an ingester at the broker")


async def test_an_ingester_that_is_killed_paused_or_restarted_loses_nothing(
    many_boxes: ManyBoxes, plan: Plan, tmp_path: Path
) -> None:
    faults = Faults(many_boxes)
    async with loaded(many_boxes, plan, tmp_path) as run:
        await run.inflict(
            {
                "ingester killed": faults.ingester_killed,
                "ingester paused": faults.ingester_paused,
                "ingester restarted": faults.ingester_restarted,
            }
        )
        await run.finish("many boxes, ingesters")


async def test_faults_of_postgres_lose_nothing_and_count_every_message_once(
    many_boxes: ManyBoxes, plan: Plan, tmp_path: Path
) -> None:
    faults = Faults(many_boxes)
    async with loaded(many_boxes, plan, tmp_path, NO_REPETITION) as run:
        await run.inflict(
            {
                "PostgreSQL killed": faults.postgres_killed,
                "a PostgreSQL worker killed": faults.postgres_worker_killed,
                "PostgreSQL paused": faults.postgres_paused,
                "PostgreSQL restarted": faults.postgres_restarted,
            }
        )
        await run.finish("many boxes, PostgreSQL", exactly_once_received=True)


async def test_faults_between_ingesters_and_postgres_lose_nothing_and_count_every_message_once(
    many_boxes: ManyBoxes, plan: Plan, tmp_path: Path
) -> None:
    faults = Faults(many_boxes)
    async with loaded(many_boxes, plan, tmp_path, NO_REPETITION) as run:
        await run.inflict(
            {
                "database connections hang for 1 s": faults.network_hangs(1.0),
                "database connections hang for 9 s": faults.network_hangs(LONGER_THAN_PATIENCE_SECONDS),
                "database connections break": faults.network_cut,
                "sessions end, connections stay": faults.sessions_end,
                **{f"at COMMIT, {how.value}": faults.at_commit(how) for how in AtCommit},
            }
        )
        await run.finish("many boxes, network to PostgreSQL", exactly_once_received=True)


async def test_a_broker_that_is_paused_loses_nothing(many_boxes: ManyBoxes, plan: Plan, tmp_path: Path) -> None:
    async with loaded(many_boxes, plan, tmp_path) as run:
        await run.inflict({"Mosquitto paused": Faults(many_boxes).broker_paused})
        await run.finish("many boxes, Mosquitto paused")


@pytest.mark.parametrize("pauses", [REAL_KIT, KitPauses()], ids=["real-kits", "hasty-kits"])
async def test_a_broker_that_is_restarted_loses_nothing(
    many_boxes: ManyBoxes, plan: Plan, tmp_path: Path, pauses: KitPauses
) -> None:
    async with loaded(many_boxes, plan, tmp_path, pauses) as run:
        faults = Faults(many_boxes)
        await run.inflict(
            {"Mosquitto restarted": faults.broker_away(0.0), "Mosquitto away for 5 s": faults.broker_away(5.0)}
        )
        kits = "real" if pauses is REAL_KIT else "hasty"
        await run.finish(f"many boxes, Mosquitto restarted, {kits} kits")


@pytest.mark.parametrize("backlog", [False, True], ids=["no-backlog", "backlog"])
async def test_a_broker_that_is_killed_loses_nothing(
    many_boxes: ManyBoxes, plan: Plan, tmp_path: Path, backlog: bool
) -> None:
    faults = Faults(many_boxes)
    async with loaded(many_boxes, plan, tmp_path, REAL_KIT) as run:
        if backlog:
            await run.inflict({"Mosquitto killed with a backlog of 3 s": faults.broker_killed_with_backlog})
        else:
            await run.inflict({"Mosquitto killed": faults.broker_killed})
        await run.finish(f"many boxes, Mosquitto killed, {'with' if backlog else 'without'} backlog")
