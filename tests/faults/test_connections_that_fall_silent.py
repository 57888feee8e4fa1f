"""A connection that only listens, and on which nothing arrives any more, is noticed and replaced (P10)."""

from __future__ import annotations

import asyncpg
from fault_proxy import DatabaseProxy

from garden import Garden, open_garden
from hortus.app.assembly import live_hub
from hortus.app.jobs import JobParts, start_jobs
from hortus.app.supervision import (
    process_supervisor,
    start_answering_requests,
    start_following_kits,
    start_listening_record,
)
from hortus.base.database.engine import connector, open_engine
from hortus.base.database.url import DatabaseUrl, Host
from hortus.base.settings import Settings
from hortus.base.supervision import Supervisor
from hortus.domain.alerts.judge import AlertJudge, JudgeLimits
from hortus.flow.commands.watch import CommandWatch
from waiting import until

# Those within a statement are bounded by its own time limit, which may be long.
_BACKENDS = """
SELECT pid, application_name FROM pg_stat_activity
WHERE datname = current_database() AND application_name = ANY($1)
AND state = 'idle' AND state_change < now() - interval '300 milliseconds'
"""

_LISTENERS = [
    "hortus rollups",
    *("hortus alerts", "hortus announcements", "hortus commands", "hortus listening", "hortus live"),
]

# The lost session of the judge holds its lock until the server ends it.
_QUICK = JudgeLimits(ping_seconds=1, answer_seconds=2, silence_seconds=4, standby_seconds=0.5)


async def test_what_listened_on_lost_connections_listens_again_and_hears(migrated_database_url: str) -> None:
    proxy = DatabaseProxy(lambda: DatabaseUrl.parse(migrated_database_url).hosts[0].port)
    await proxy.start()
    heard: list[str] = []
    try:
        async with open_garden(migrated_database_url) as garden, process_supervisor() as supervisor:
            url = _through(proxy, migrated_database_url)
            async with open_engine(url, statement_seconds=1) as engine:
                start_following_kits(supervisor, url, [lambda what, _serial: heard.append(what)])
                start_listening_record(supervisor, url)
                start_answering_requests(supervisor, url, live_hub(Settings(), url, engine), CommandWatch())
                parts = JobParts(settings=Settings(), url=url, engine=engine)
                start_jobs(parts, supervisor)
                connect = connector(url, "hortus alerts", statement_seconds=2)
                judge = AlertJudge(connect, engine, garden.access, limits=_QUICK)
                supervisor.start("alerts", judge.run, every_seconds=_QUICK.ping_seconds)
                await _lose(proxy, garden, supervisor)
                heard.clear()
                await garden.run("UPDATE kits SET password_hash = 'none'")
                await until(lambda: "kit-password" in heard)
                await garden.measure(10)
                await until(garden.alerts, "an alert")
    finally:
        await proxy.stop()


async def _lose(proxy: DatabaseProxy, garden: Garden, supervisor: Supervisor) -> None:
    """Lose all connections; return when each listener has another one and is healthy."""
    before = await until(lambda: _all_listening(garden.connection, without=set()), "all listen")
    proxy.lose_all()
    await until(lambda: _all_listening(garden.connection, without=before), "all listen on new connections")
    await until(lambda: all(task.is_healthy for task in supervisor.look()))


async def _all_listening(database: asyncpg.Connection, *, without: set[int]) -> set[int]:
    """Return the connections of the listeners, once each has one that is not among these."""
    rows = [row for row in await database.fetch(_BACKENDS, _LISTENERS) if row["pid"] not in without]
    return (
        {row["pid"] for row in rows} if {row["application_name"] for row in rows} == set(_LISTENERS) else set()
    )


def _through(proxy: DatabaseProxy, database_url: str) -> DatabaseUrl:
    url = DatabaseUrl.parse(database_url)
    hosts = (Host(name="127.0.0.1", port=proxy.port),)
    return DatabaseUrl(hosts=hosts, database=url.database, user=url.user, password=url.password)
