"""`hortus kit list` and `hortus kit commands`."""

from __future__ import annotations

import asyncio
import json
import sys

from rpc_world import RpcWorld

from programs import environment


async def hortus(*arguments: str, **settings: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hortus", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**settings),
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def test_kits_are_listed_with_whether_they_are_there_and_what_they_were_told(
    rpc_installation: RpcWorld, migrated_database_url: str
) -> None:
    world, settings = rpc_installation, {"DATABASE_URL": migrated_database_url}
    kit = await world.make_kit()
    await world.start(kit)
    assert (await world.command(kit, "Heater", {"heat": 5})).status_code == 200
    listed, shown, told = await asyncio.gather(
        hortus("kit", "list", "--json", **settings),
        hortus("kit", "commands", kit.serial, "--json", **settings),
        hortus("kit", "commands", kit.serial, **settings),
    )
    assert [each["presence"] for each in json.loads(listed)] == ["online"]
    assert [each["state"] for each in json.loads(shown)] == ["succeeded"]
    assert 'Heater {"heat":5}' in told
