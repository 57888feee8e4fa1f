"""Runs only the alert judge on the database at DATABASE_URL, to measure it in isolation.

Readings stored within 50 ms are judged together. The measurement stores as much at a time as arrives in the
two seconds for which `hortus jobs` collects; the work is the same, without the waiting.
"""

from __future__ import annotations

import os

import uvloop

from hortus.base.database.engine import connector, open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.domain.alerts.judge import AlertJudge, JudgeLimits
from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.sealing import Seal


async def judge() -> None:
    url = DatabaseUrl.parse(os.environ["DATABASE_URL"])
    access = MessageAccess(seal=Seal(b"of the measurement"))
    async with open_engine(url) as engine:
        limits = JudgeLimits(gather_seconds=0.05)
        await AlertJudge(connector(url, "hortus alerts"), engine, access, limits=limits).run()


if __name__ == "__main__":
    uvloop.run(judge())
