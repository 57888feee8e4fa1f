"""`hortus kit configurations`: an operator lists deleted configurations and brings one back."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from deleting import delete_configuration_of
from ingest_world import World
from waiting import PATIENCE_SECONDS


def hortus(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hortus", "kit", "configurations", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env={**os.environ, "DATABASE_URL": world.url, "COLUMNS": "200", "NO_COLOR": "1"},
        check=False,
    )


async def test_an_operator_sees_what_was_deleted_and_brings_it_back_with_what_waited(world: World) -> None:
    serial = world.kit.serial
    assert "No deleted configuration" in hortus(world, "deleted", serial).stdout
    configuration_id = await delete_configuration_of(world.engine, world.peripheral)
    await world.send(world.raw())
    shown = hortus(world, "deleted", serial)
    assert "Standard virtual sensors" in shown.stdout
    assert "Temperature, Pressure, Climate" in shown.stdout
    [listed] = json.loads(hortus(world, "deleted", serial, "--json").stdout)
    assert (listed["id"], listed["wasActive"], listed["neverUsed"]) == (configuration_id, True, False)
    assert listed["peripherals"] == ["Temperature", "Pressure", "Climate"]

    restored = hortus(world, "restore", serial, str(configuration_id))
    assert restored.returncode == 0, restored.stderr
    assert f"Configuration {configuration_id} is back and active." in restored.stdout
    assert "1 messages are stored now, 0 still in quarantine" in restored.stdout
    assert await world.count() == 1
    assert await world.connection.fetchval(
        "SELECT active FROM kit_configurations WHERE id = $1", configuration_id
    )


async def test_the_outcome_is_told_to_programs_too(world: World) -> None:
    configuration_id = await delete_configuration_of(world.engine, world.peripheral)
    restored = hortus(world, "restore", world.kit.serial, str(configuration_id), "--json")
    expected = {"id": configuration_id, "active": True, "stored": 0, "duplicate": 0, "stillQuarantined": 0}
    assert json.loads(restored.stdout) == expected


async def test_what_cannot_be_brought_back_is_refused_in_words(world: World) -> None:
    refused = hortus(world, "restore", world.kit.serial, "4711")
    assert refused.returncode != 0
    assert "no deleted configuration 4711 that can be brought back" in refused.stderr
    assert "Traceback" not in refused.stderr
    unknown = hortus(world, "deleted", "k-2222-2222-2222")
    assert unknown.returncode != 0
    assert "There is no kit with the serial k-2222-2222-2222" in unknown.stderr
