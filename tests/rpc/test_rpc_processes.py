"""Many boxes: two API processes and two workers around a real Mosquitto, and one of them is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from rpc_world import PERIPHERALS, TOKEN_KEY, make_person, running_kit
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.store import CreatedKit, KitStore, NewKit, add_configuration
from hortus.simulator.rpc_faults import parse_rpc_faults
from mosquitto_process import Mosquitto
from programs import environment
from waiting import until
from web_process import web_process


@dataclass(slots=True, kw_only=True)
class Worker:
    """A running `hortus rpc`."""

    process: asyncio.subprocess.Process
    log: Path

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)

    async def connected(self) -> None:
        def is_connected() -> bool:
            assert self.process.returncode is None, self.log.read_text()
            return "connected to the broker" in self.log.read_text()

        await until(is_connected, "the worker is connected")


@dataclass(slots=True, kw_only=True)
class ManyBoxes:
    """All running processes, and an administrator."""

    engine: AsyncEngine
    broker: Mosquitto
    folder: Path
    settings: dict[str, str]
    stack: AsyncExitStack
    kits: list[CreatedKit]
    headers: dict[str, str]

    async def worker(self, name: str) -> Worker:
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hortus", "rpc"),
                stdout=file,
                stderr=file,
                env=environment(**self.settings, HORTUS_MQTT_CLIENT_ID=name),
            )
        worker = Worker(process=process, log=log)
        self.stack.push_async_callback(_end, process)
        await worker.connected()

        async def says_so() -> bool:
            return bool(
                await self.scalar("SELECT sending_until > now() - interval '9 s' FROM kit_command_sending")
            )

        await until(says_so, "the worker says that it can send")
        return worker

    async def web(self, name: str) -> httpx.AsyncClient:
        web = await self.stack.enter_async_context(web_process(self.folder / f"{name}.log", **self.settings))
        client = httpx.AsyncClient(base_url=f"{web.base_url}/api", headers=self.headers, timeout=120)
        return await self.stack.enter_async_context(client)

    async def scalar(self, statement: str) -> Any:
        async with self.engine.connect() as connection:
            return await connection.scalar(text(statement))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


@asynccontextmanager
async def _many_boxes(url: str, folder: Path) -> AsyncIterator[ManyBoxes]:
    async with open_engine(DatabaseUrl.parse(url)) as engine, AsyncExitStack() as stack:
        kits = []
        for _ in range(2):
            async with engine.begin() as connection:
                kit = await KitStore().create(connection, NewKit(name="Basil"))
                await add_configuration(
                    connection, kit.id, description=None, peripherals=PERIPHERALS, active=True
                )
            kits.append(kit)
        broker = Mosquitto(folder)
        broker.seed([(kit.serial, kit.password) for kit in kits])
        stack.enter_context(broker.start())
        key = folder / "token-signer.key"
        key.write_bytes(TOKEN_KEY)
        _, headers = await make_person(engine, is_admin=True)
        yield ManyBoxes(
            engine=engine,
            broker=broker,
            folder=folder,
            settings={
                "DATABASE_URL": url,
                "TOKEN_SIGNER_KEY": os.fspath(key),
                "MQTT_HOST": "127.0.0.1",
                "MQTT_PORT": str(broker.port),
                "MQTT_USERNAME": "hortus",
                "MQTT_PASSWORD": "server-secret",
                "HORTUS_KIT_ANSWER_SECONDS": "10",
            },
            stack=stack,
            kits=kits,
            headers=headers,
        )


@pytest.fixture
async def boxes(migrated_database_url: str, tmp_path: Path) -> AsyncIterator[ManyBoxes]:
    async with _many_boxes(migrated_database_url, tmp_path) as running:
        yield running


async def test_two_api_processes_and_two_workers_ask_one_kit_at_once(boxes: ManyBoxes) -> None:
    first, second = await boxes.web("web-1"), await boxes.web("web-2")
    await boxes.worker("rpc-1")
    await boxes.worker("rpc-2")
    kit = boxes.kits[0]
    offline = await first.get(f"/kit-rpc/{boxes.kits[1].serial}/version")
    # The broker says at once that nobody has subscribed.
    assert (offline.status_code, offline.json()["kitRpcResponseError"]) == (502, "KitOffline")
    async with running_kit(kit, boxes.broker.port) as virtual:
        camera = {"peripheral": "Camera", "command": "art"}
        asked = [api.get(f"/kit-rpc/{kit.serial}/version") for api in (first, second) for _ in range(3)]
        asked += [api.post(f"/kit-rpc/{kit.serial}/peripheral-command", json=camera) for api in (first, second)]
        responses = await asyncio.gather(*asked)
        assert [response.status_code for response in responses] == [200] * 8
        assert [response.json() for response in responses[:6]] == ["1.0.0b8"] * 6
        # Each request reached the kit once, and never while another was unanswered.
        assert (virtual.counts.questions, virtual.counts.overlaps) == (8, 0)
        presence = await second.get(f"/kits/{kit.serial}/presence")
        assert presence.json()["state"] == "online"
        state = await second.get(f"/kits/{kit.serial}/configuration-state")
        assert state.json()["isCurrent"] is True


async def test_a_worker_that_is_killed_amid_a_command_leaves_nothing_behind(boxes: ManyBoxes) -> None:
    api = await boxes.web("web-1")
    doomed = await boxes.worker("rpc-doomed")
    kit = boxes.kits[0]
    faults = parse_rpc_faults("late:1")
    # 35 s of kit time in two seconds: long enough to kill the worker before the answer.
    async with running_kit(kit, boxes.broker.port, rpc_faults=faults, speed=17) as virtual:
        asking = asyncio.create_task(api.get(f"/kit-rpc/{kit.serial}/version"))
        await until(lambda: virtual.counts.questions, "the kit is asked")
        doomed.kill()
        await doomed.process.wait()
        await boxes.worker("rpc-heir")
        # Whether the heir was there in time for the answer or the command timed out: it has an end, the kit
        # was asked once, and the next command goes through.
        response = await asking
        assert response.status_code == 200 or response.json()["kitRpcResponseError"] == "TimedOut"
        assert virtual.counts.questions == 1

        async def is_free() -> bool:
            return not await boxes.scalar("SELECT count(*) FROM kit_commands WHERE occupies_kit")

        await until(is_free, "the kit is free")
        assert (await api.get(f"/kit-rpc/{kit.serial}/uptime")).status_code == 200
        assert (virtual.counts.questions, virtual.counts.overlaps) == (2, 0)


async def test_a_command_waits_while_the_broker_is_away_and_is_sent_once(boxes: ManyBoxes) -> None:
    api = await boxes.web("web-1")
    worker = await boxes.worker("rpc-1")
    kit = boxes.kits[0]
    async with running_kit(kit, boxes.broker.port) as virtual:
        boxes.broker.stop()
        await until(lambda: "broker hung up" in worker.log.read_text().lower(), "the worker has noticed")
        accepted = await api.post(
            f"/kits/{kit.serial}/commands", json={"method": "version", "waitSeconds": 600}
        )
        assert accepted.status_code == 202, accepted.text
        boxes.broker.start()
        ended: dict[str, Any] = {}

        async def has_ended() -> bool:
            ended.update((await api.get(accepted.headers["location"])).json())
            return ended["state"] not in {"waiting", "sent"}

        await until(has_ended, "the command has ended")
        # Either the kit was back before the worker, or it was not: then nobody had subscribed.
        assert (ended["state"], virtual.counts.questions) in {("succeeded", 1), ("failed", 0)}
