"""Open pages of a kit are told that somebody else changed it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from sqlalchemy import text
from web_helpers import client_of, log_in, make_kit, make_member, make_user

from hortus.domain.kits.changes import forget_old_changes, last_change, say_who_changes
from hortus.domain.plants.links import MeasuringSource, link_plant
from hortus.domain.plants.store import change_plant, create_plant

EARLIER = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def world(engine):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil", public=True)
        people = {name: await make_user(connection, name) for name in ("ada", "bob")}
        for person in people.values():
            await make_member(connection, person, kit)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM kit_changes"))
    return kit, people


async def asked_for(client, kit) -> str:
    page = (await client.get(f"/kits/{kit.serial}")).text
    return unescape(re.search(r'data-asks="([^"]+)"', page)[1])  # type: ignore[index]


async def rename_configuration(engine, kit, person=None):
    async with engine.begin() as connection:
        await say_who_changes(connection, person.id if person else None)
        await connection.execute(
            text("UPDATE kit_configurations SET description = 'Winter' WHERE kit_id = :kit"), {"kit": kit.id}
        )


async def test_members_are_told_who_changed_what_since_their_page_was_shown(engine, world):
    kit, people = world
    async with client_of(engine) as ada, client_of(engine) as bob:
        await log_in(ada, "ada")
        await log_in(bob, "bob")
        asked = [await asked_for(client, kit) for client in (ada, bob)]
        assert (await ada.get(asked[0])).status_code == 204
        await rename_configuration(engine, kit, people["ada"])
        # Who changed it knows.
        assert (await ada.get(asked[0])).status_code == 204
        told = await bob.get(asked[1])
        assert (told.status_code, "ada changed the configuration." in told.text) == (200, True)
        assert (await bob.get(await asked_for(bob, kit))).status_code == 204
        await rename_configuration(engine, kit)
        assert "The configuration was changed." in (await ada.get(asked[0])).text


async def test_strangers_are_told_nothing_about_people(engine, world):
    kit, people = world
    await rename_configuration(engine, kit, people["ada"])
    async with client_of(engine) as client:
        assert "data-asks" not in (await client.get(f"/kits/{kit.serial}")).text
        answer = await client.get(f"/kits/{kit.serial}/changes?since=2020-01-01T00:00Z")
        assert (answer.status_code, answer.content) == (204, b"")
        await log_in(client, "ada")
        assert (await client.get(f"/kits/{kit.serial}/changes?since=soon")).status_code == 400


async def test_members_plants_and_devices_count_as_changes_once_each_time(engine, world):
    kit, people = world
    async with engine.begin() as connection:
        plant = await create_plant(connection, people["ada"].id, name="Chilli")
        now = datetime.now(UTC)
        await link_plant(connection, plant, MeasuringSource(kit_id=kit.id), since=now, now=now)
        await connection.execute(text("UPDATE peripherals SET configuration = configuration"))
        await connection.execute(text("UPDATE kit_configurations SET description = 'Winter'"))
    async with engine.begin() as connection:
        await change_plant(connection, plant, {"name": "Pepper"})
        await connection.execute(
            text("DELETE FROM kit_memberships WHERE user_id = :id"), {"id": people["bob"].id}
        )
    async with engine.begin() as connection:
        found = await connection.execute(text("SELECT what FROM kit_changes ORDER BY changed_at, what"))
        assert [row.what for row in found] == ["configuration", "plants", "members", "plants"]
        await connection.execute(text("UPDATE kit_changes SET changed_at = now() - interval '25 hours'"))
        await forget_old_changes(connection)
        assert await connection.scalar(text("SELECT count(*) FROM kit_changes")) == 0


async def test_a_kit_can_be_deleted_with_all_that_is_told_of_it(engine, world):
    kit, people = world
    await rename_configuration(engine, kit, people["ada"])
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM users WHERE id = :id"), {"id": people["ada"].id})
        change = await last_change(connection, kit.id, since=EARLIER, not_by=0)
        assert change is not None
        assert change.name is None
        await connection.execute(text("DELETE FROM kits"))
        assert await connection.scalar(text("SELECT count(*) FROM kit_changes")) == 0
