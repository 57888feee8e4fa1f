"""`hortus ledger`: what it claims, and what it cannot know."""

from __future__ import annotations

import asyncio

import pytest
from typer.testing import CliRunner

from hortus.app.command_line.main import app
from ingest_world import World


async def test_behind_a_broker_it_does_not_claim_to_know_what_the_broker_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.send(world.raw())
    monkeypatch.setenv("DATABASE_URL", world.url)
    told = await asyncio.to_thread(CliRunner().invoke, app, ["ledger"])
    text = " ".join(told.output.split())
    assert "All 1 messages received in the last 24 h are accounted for." in text
    assert "What a broker has acknowledged to kits and lost before Hortus received it" in text
