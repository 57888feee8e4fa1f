"""Requests per second for one kit, as its page asks: with a token, over connections that stay open."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import httpx

from hortus.accounts.cli import create_user_from_command_line
from http_load import HttpOrder, HttpOutcome
from rig.http import ask_over_http, bare_server
from rig.machine import MachineUse, Moment
from rig.one_box import OneBox, one_box
from rig.processes import BenchError, cpu_seconds, tree_cpu_seconds

CONNECTIONS = 16
_WARM_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRate:
    """What was answered, and processor time in µs per request."""

    asked: HttpOutcome
    server_cpu: float
    database_cpu: float
    machine: MachineUse

    def describe(self) -> str:
        """Return one line for a person."""
        load_cpu = self.asked.load_cpu_seconds / self.asked.requests * 1e6
        return (
            f"{self.asked.rate:,.0f}/s, p50 {self.asked.p50_ms:.1f} ms, p99 {self.asked.p99_ms:.1f} ms; "
            f"µs of CPU per request: server {self.server_cpu:.0f}, database {self.database_cpu:.0f}, "
            f"load {load_cpu:.0f}; {self.machine}"
        )


async def measure_bare_server(folder: Path, seconds: float) -> AskedRate:
    """Ask our HTTP server with an application that answers a constant."""
    async with bare_server(folder) as (port, process_id):
        order = _order(port, "/", {}, seconds)
        return await _measured(folder, order, process_id, None)


async def measure_api_kit(folder: Path, data_dir: Path, seconds: float) -> AskedRate:
    """Ask `hortus up` for a private kit, as the person who made it."""
    async with one_box(folder, data_dir) as box:
        serial, token = await _owned_kit(box, data_dir)
        order = _order(box.http_port, f"/api/kits/{serial}", {"Authorization": f"Bearer {token}"}, seconds)
        found = await _measured(folder, order, box.process_id, box.postgres_process_id)
    if f'"serial":"{serial}"' not in found.asked.body:
        raise BenchError(f"The API answered something else: {found.asked.body[:200]}")
    return found


def _order(port: int, path: str, headers: dict[str, str], seconds: float) -> HttpOrder:
    return HttpOrder(
        port=port,
        path=path,
        headers=headers,
        connections=CONNECTIONS,
        warm_up_seconds=_WARM_UP_SECONDS,
        seconds=seconds,
    )


async def _measured(folder: Path, order: HttpOrder, server: int, database: int | None) -> AskedRate:
    start, server_before = Moment.now(), cpu_seconds(server)
    database_before = tree_cpu_seconds(database) if database else 0.0
    asked = await ask_over_http(folder, order)
    server_seconds = cpu_seconds(server) - server_before
    database_seconds = (tree_cpu_seconds(database) if database else 0.0) - database_before
    # The warm-up is asked as well, so the share of a request is taken over both.
    requests = asked.requests * (order.seconds + order.warm_up_seconds) / order.seconds
    return AskedRate(
        asked=asked,
        server_cpu=server_seconds / requests * 1e6,
        database_cpu=database_seconds / requests * 1e6,
        machine=MachineUse.between(
            start, Moment.now(), server_seconds + database_seconds + asked.load_cpu_seconds
        ),
    )


async def _owned_kit(box: OneBox, data_dir: Path) -> tuple[str, str]:
    """Make an account and a private kit of its own; return the kit's serial and an access token."""
    username, password = f"asker-{secrets.token_hex(4)}", secrets.token_urlsafe()
    await create_user_from_command_line(
        data_dir,
        None,
        username=username,
        email=f"{username}@example.org",
        password=password,
        is_admin=False,
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{box.http_port}/api") as client:
        logged_in = await client.post("/me/auth", json={"username": username, "password": password})
        token = logged_in.raise_for_status().json()["accessToken"]
        made = await client.post(
            "/kits",
            json={"name": "Basil", "privacyPublicDashboard": False, "privacyShowOnMap": False},
            headers={"Authorization": f"Bearer {token}"},
        )
    return made.raise_for_status().json()["kitSerial"], token
