"""Mosquitto starts afresh while kits try without pause: in every order of starts, and after every kill."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fault_journal import Journal
from fault_kits import Kit, KitPauses, Load
from fault_many_boxes import ManyBoxes
from fault_readings import Account, MessageMaker
from fault_run import Plan, Run
from kit_questions import Questioner

from waiting import until

pytestmark = pytest.mark.slow

BROKER, INGEST, RPC = "broker", "ingest", "rpc"

_TRIED = re.compile("connected to the broker|no connection to the broker")

# More than any real kit: what the broker acknowledges although nobody has subscribed is then sure to be met.
HASTY = KitPauses(first_reconnect_seconds=0.05, longest_reconnect_seconds=0.3)


class Site:
    """A broker with its gate, one ingester, one RPC process and a PostgreSQL, each started by itself."""

    def __init__(self, boxes: ManyBoxes) -> None:
        self.boxes = boxes
        self.broker = boxes.mosquitto
        self.processes = {INGEST: boxes.process("ingest-1", "ingest"), RPC: boxes.process("rpc-1", "rpc")}

    async def start(self, name: str) -> None:
        """Start it; return when it has connected, or has found that there is no broker."""
        if name == BROKER:
            self.broker.start()
            return
        process = self.processes[name]
        before = len(_TRIED.findall(process.output()))
        process.start()
        await until(lambda: len(_TRIED.findall(process.output())) > before, f"{name} to look for the broker")

    def kill(self, name: str) -> None:
        if name == BROKER:
            self.broker.stop(signal.SIGKILL)
        else:
            self.processes[name].kill()

    async def stop(self) -> None:
        for process in self.processes.values():
            await process.ask_to_end()
        self.broker.stop()

    def clean_up(self) -> None:
        for process in self.processes.values():
            process.clean_up()


@pytest.fixture
async def site(prepared_database: tuple[Path, list[Account]], tmp_path: Path) -> AsyncIterator[Site]:
    """Everything stopped but the database; the broker has never run."""
    directory, accounts = prepared_database
    boxes = ManyBoxes.on_copy_of(directory, tmp_path / "boxes", accounts, waits_for="readings media questions")
    try:
        await boxes.start_database()
        stage = Site(boxes)
        yield stage
        stage.clean_up()
    finally:
        await boxes.clean_up()


@contextlib.asynccontextmanager
async def trying(site: Site, plan: Plan, folder: Path) -> AsyncIterator[tuple[Run, Questioner]]:
    """Kits that publish, and a kit that asks for its configuration each time it is let in."""
    journal = Journal(folder / "journal")
    publishing, asking = site.boxes.accounts[:-1], site.boxes.accounts[-1]
    kits = [Kit(account, site.boxes.mqtt_port, journal, HASTY) for account in publishing]
    load = Load(kits, MessageMaker(random.Random(plan.seed)), 40.0)
    load.start()
    questioner = Questioner(asking, site.boxes.mqtt_port)
    asking_task = asyncio.create_task(questioner.run())
    try:
        yield Run(site.boxes, plan, journal, load), questioner
    finally:
        asking_task.cancel()
        await load.stop()
        journal.close()


async def work(run: Run, questioner: Questioner) -> None:
    """Return when more readings are acknowledged and another question is answered."""
    acknowledged, answered = len(run.journal.finished), questioner.answered
    await until(lambda: len(run.journal.finished) > acknowledged + 20, "readings to be acknowledged")
    await until(lambda: questioner.answered > answered, "a kit's question to be answered")


async def finish(run: Run, questioner: Questioner, scenario: str) -> None:
    await run.finish(scenario)
    assert questioner.answered > 0
    assert questioner.unanswered == 0


async def test_whatever_the_order_of_starts_nothing_is_lost_and_no_question_stays_unanswered(
    site: Site, plan: Plan, tmp_path: Path
) -> None:
    async with trying(site, plan, tmp_path) as (run, questioner):
        for order in itertools.permutations((BROKER, INGEST, RPC)):
            for name in order:
                await site.start(name)
                await questioner.tries(3)
            await work(run, questioner)
            await questioner.rest()
            await site.stop()
            questioner.resume()
        for name in (BROKER, INGEST, RPC):
            await site.start(name)
        await finish(run, questioner, "every order of starts")
        await site.stop()


async def test_after_everything_was_killed_at_once_nothing_is_lost(
    site: Site, plan: Plan, tmp_path: Path
) -> None:
    async with trying(site, plan, tmp_path) as (run, questioner):
        for order in itertools.permutations((BROKER, INGEST, RPC)):
            for name in order:
                await site.start(name)
            await work(run, questioner)
            for name in order:
                site.kill(name)
        for name in (BROKER, INGEST, RPC):
            await site.start(name)
        await finish(run, questioner, "everything killed at once")
        await site.stop()


async def test_a_question_asked_while_rpc_is_killed_and_back_is_answered(
    site: Site, plan: Plan, tmp_path: Path
) -> None:
    async with trying(site, plan, tmp_path) as (run, questioner):
        for name in (BROKER, INGEST, RPC):
            await site.start(name)
        await work(run, questioner)
        await questioner.rest()
        site.kill(RPC)
        questioner.resume()
        await until(lambda: questioner.is_waiting, "a question to be asked")
        await site.start(RPC)
        await work(run, questioner)
        await questioner.rest()
        await finish(run, questioner, "rpc killed")
        await site.stop()
