"""Requests per second for one kit, as sent by its page: with a token, over persistent connections."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx

from http_load import HttpOrder, HttpOutcome
from rig.bench import Bench
from rig.http import ask_over_http, bare_server
from rig.installation import installation
from rig.machine import MachineUse, Moment
from rig.one_box import OneBox, one_box
from rig.people import access_token
from rig.processes import BenchError, cpu_seconds, tree_cpu_seconds
from rig.result import Result

REACH_API_RATE = 1_500
REACH_API_P99_MS = 30

CONNECTIONS = 16
_WARM_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRate:
    """The responses, and CPU time in µs per request."""

    asked: HttpOutcome
    server_cpu: float
    database_cpu: float
    machine: MachineUse

    def describe(self) -> str:
        """Return a one-line summary."""
        load_cpu = self.asked.load_cpu_seconds / self.asked.requests * 1e6
        return (
            f"{self.asked.rate:,.0f}/s, p50 {self.asked.p50_ms:.1f} ms, p99 {self.asked.p99_ms:.1f} ms; "
            f"µs of CPU per request: server {self.server_cpu:.0f}, database {self.database_cpu:.0f}, "
            f"load {load_cpu:.0f}; {self.machine}"
        )


async def api_kit(bench: Bench) -> None:
    """`GET /api/kits/{serial}` of a private kit, with a token, from one process."""
    data_dir = bench.data_dir("api_kit")
    async with installation(data_dir):
        pass
    references, ours = [], []
    for _ in range(bench.size.rounds):
        references.append(await measure_bare_server(bench.folder, bench.size.api_seconds))
        print(f"  bare server: {references[-1].describe()}", flush=True)
        ours.append(await measure_api_kit(bench.folder, data_dir, bench.size.api_seconds))
        print(f"  hortus up: {ours[-1].describe()}", flush=True)
    rate, reference = median(each.asked.rate for each in ours), median(each.asked.rate for each in references)
    p99_ms = median(each.asked.p99_ms for each in ours)
    bench.found(
        Result(
            figure=f"a private kit over the API with a token, {CONNECTIONS} connections",
            value=f"{rate:,.0f}/s, p99 {p99_ms:.0f} ms, {rate / reference:.2f} of the reference",
            reach=f"≥ {REACH_API_RATE:,}/s, p99 ≤ {REACH_API_P99_MS} ms",
            reference=f"the server alone, answering a constant {reference:,.0f}/s",
            met=rate >= REACH_API_RATE and p99_ms <= REACH_API_P99_MS,
        )
    )


async def measure_bare_server(folder: Path, seconds: float) -> AskedRate:
    """Measure our HTTP server with an application that returns a constant."""
    async with bare_server(folder) as (port, process_id):
        order = _order(port, "/", {}, seconds)
        return await _measured(folder, order, process_id, None)


async def measure_api_kit(folder: Path, data_dir: Path, seconds: float) -> AskedRate:
    """Request a private kit from `hortus up` as its owner."""
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
    # CPU time includes the warm-up, so requests are counted for both.
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
    """Create an account with a private kit; return the kit's serial and an access token."""
    token = await access_token(box, data_dir, is_admin=False)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{box.http_port}/api") as client:
        made = await client.post(
            "/kits",
            json={"name": "Basil", "privacyPublicDashboard": False, "privacyShowOnMap": False},
            headers={"Authorization": f"Bearer {token}"},
        )
    return made.raise_for_status().json()["kitSerial"], token
