"""The overview of a kit, in each of its states."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from chart_helpers import NOW, TEMPERATURE, heard_at, make_chart_kit, measure
from sqlalchemy import text
from web_helpers import client_of, log_in, make_kit, make_member, make_user

from hortus.domain.plants.links import MeasuringSource, link_plant
from hortus.domain.plants.state import Range
from hortus.domain.plants.store import create_plant, set_plant_range

MINUTE = timedelta(minutes=1)


def clocked(engine, now=NOW):
    return client_of(engine, clock=lambda: now)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html.split("<main")[1])))


async def page_of(client, kit) -> str:
    response = await client.get(f"/kits/{kit.serial}")
    assert response.status_code == 200, response.text
    return response.text


async def configuration_of(connection, kit, name: str, *, active: bool) -> int:
    return await connection.scalar(
        text(
            "INSERT INTO kit_configurations (kit_id, description, controller_symbol_location,"
            " controller_symbol, control_rules, active) VALUES (:kit, :name, 'a', 'b', '{}', :active)"
            " RETURNING id"
        ),
        {"kit": kit.id, "name": name, "active": active},
    )


async def test_each_number_has_unit_age_origin_target_and_leads_to_its_curve(engine, database_url):
    kit = await make_chart_kit(engine, "Air", "Bench")
    await measure(database_url, kit, [(NOW - 7 * MINUTE, 20.0), (NOW - timedelta(seconds=13), 13.6)])
    await measure(database_url, kit, [(NOW - timedelta(seconds=5), 19.0)], name="Bench")
    async with engine.begin() as connection:
        ada = await make_user(connection, "ada")
        chilli = await create_plant(connection, ada.id, name="Chilli")
        source = MeasuringSource(kit_id=kit.id, peripheral_name="Air", quantity_type_id=TEMPERATURE)
        await link_plant(connection, chilli, source, since=NOW - timedelta(days=1), now=NOW)
        await set_plant_range(connection, chilli, TEMPERATURE, Range(minimum=15, maximum=24))
        await connection.execute(text("UPDATE plant_target_ranges SET since = now() - interval '9 years'"))
    async with clocked(engine) as client:
        page = await page_of(client, kit)
    text_of = words(page)
    air, bench = re.findall(r'<li class="reading-line" data-state="live">.*?</li>', page, re.DOTALL)
    assert "13.6" in air
    assert "13 s ago" in air
    assert "Low" in air
    assert '<svg class="band' in air
    assert "15–24" in air
    assert 'class="curve"' in air
    assert f"/kits/{kit.serial}/charts?of=Air&amp;quantity=1" in air
    assert "No target range" in bench
    assert '<svg class="band' not in bench
    assert text_of.index("Air") < text_of.index("Bench")
    assert "Chilli" in text_of


async def test_old_values_stay_and_say_from_when_they_are(engine, database_url):
    kit = await make_chart_kit(engine, "Air", "Bench")
    await measure(database_url, kit, [(NOW - 41 * MINUTE, 20.0)])
    await measure(database_url, kit, [(NOW - MINUTE, 21.0)], name="Bench")
    async with clocked(engine) as client:
        page = await page_of(client, kit)
        (old,) = re.findall(r'<li class="reading-line" data-state="stale">.*?</li>', page, re.DOTALL)
        assert "20.0" in old
        assert 'data-sign="clock"' in old
        assert "as of 11:19 · 41 min ago" in words(f"<main>{old}")
        assert "1 of 2 readings are not recent." in words(page)
    await heard_at(engine, kit, NOW)
    async with clocked(engine, NOW + timedelta(hours=3)) as client:
        page = await page_of(client, kit)
    assert page.count('data-state="stale"') == 2
    assert 'data-state="offline"' in page
    assert "The kit is silent. Its values are those of before." in words(page)


async def test_a_kit_that_was_never_heard_shows_the_steps(engine, database_url):
    kit = await make_chart_kit(engine)
    async with clocked(engine) as client:
        page = await page_of(client, kit)
    assert 'data-state="never"' in page
    assert "Has not connected yet" in words(page)
    assert "It connects: enter its serial and password on the kit" in words(page)
    # The steps stand instead of readings that there cannot be.
    assert "reading-line" not in page


async def test_a_kit_without_a_configuration_says_so(engine, database_url):
    kit = await make_chart_kit(engine)
    await measure(database_url, kit, [(NOW - MINUTE, 20.0)])
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE kit_configurations SET active = false"))
    async with clocked(engine) as client:
        page = await page_of(client, kit)
    assert "This kit has no active configuration, so it measures nothing." in words(page)
    # What it measured is still there, folded.
    assert re.search(r"<details[^>]*id=\"earlier\">.*20\.0.*</details>", page, re.DOTALL)


async def test_a_kit_that_runs_another_configuration_is_to_be_restarted(engine, database_url):
    kit = await make_chart_kit(engine)
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE kit_configurations SET description = 'Summer', active = false WHERE kit_id = :kit"),
            {"kit": kit.id},
        )
        await connection.execute(
            text("INSERT INTO kit_fetched_configurations SELECT kit_id, id, :at FROM kit_configurations"),
            {"at": NOW - timedelta(days=2)},
        )
        await configuration_of(connection, kit, "Winter", active=True)
        await connection.execute(
            text("INSERT INTO kit_presence (kit_id, last_contact_at) VALUES (:kit, :at)"),
            {"kit": kit.id, "at": NOW},
        )
    async with clocked(engine) as client:
        page = await page_of(client, kit)
    assert "The kit still runs “Summer”. Restart it, and it fetches “Winter”." in words(page)


async def test_today_lists_what_happened_and_commands_only_for_those_who_configure(engine, database_url):
    kit = await make_chart_kit(engine)
    async with engine.begin() as connection:
        await make_user(connection, "root", is_admin=True)
        for state, ago in (("succeeded", 2), ("succeeded", 26)):
            await connection.execute(
                text(
                    "INSERT INTO kit_commands (id, kit_id, method, peripheral, command_json, state,"
                    " requested_at, give_up_at, finished_at)"
                    " VALUES (:id, :kit, 'peripheralCommand', 'Heater', '3', :state, :at, :at, :at)"
                ),
                {"id": ago, "kit": kit.id, "state": state, "at": NOW - timedelta(hours=ago)},
            )
        await connection.execute(
            text("INSERT INTO listening_outages VALUES (:since, :until) ON CONFLICT DO NOTHING"),
            {"since": NOW - timedelta(hours=9), "until": NOW - timedelta(hours=8, minutes=46)},
        )
        await connection.execute(text("UPDATE kits SET created_at = :at"), {"at": NOW - timedelta(days=30)})
    async with clocked(engine) as client:
        stranger = words(await page_of(client, kit))
        await log_in(client, "root")
        administrator = words(await page_of(client, kit))
    assert "03:00 Hortus was not listening 14 min" in stranger
    assert "Heater" not in stranger
    assert "10:00 Heater: command done" in administrator
    assert administrator.count("Heater: command done") == 1
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM listening_outages"))


async def test_an_unknown_kit_and_a_hidden_one_are_answered_alike(engine, database_url):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Private")
        await make_user(connection, "eve")
        await make_member(connection, await make_user(connection, "ada"), kit)
    addresses = (f"/kits/{kit.serial}", "/kits/k-none-none-none")
    async with client_of(engine) as client:
        strangers = [await client.get(address) for address in addresses]
        await log_in(client, "eve")
        people = [await client.get(address) for address in addresses]
    assert [answer.headers["location"] for answer in strangers] == [f"/login?next={each}" for each in addresses]
    assert [answer.status_code for answer in people] == [404, 404]
    assert people[0].text.replace(kit.serial, "k-none-none-none") == people[1].text
    async with client_of(engine) as client:
        await log_in(client, "ada")
        assert "Private" in await page_of(client, kit)


async def test_the_part_that_renews_itself_is_not_sent_again_for_ages_alone(engine, database_url):
    kit = await make_chart_kit(engine)
    await measure(database_url, kit, [(NOW - 3 * MINUTE, 20.0)])

    async def part(client, **headers):
        page = await page_of(client, kit)
        address = unescape(re.search(r'hx-get="([^"]+)"', page)[1])  # type: ignore[index]
        return await client.get(address, headers=headers)

    async with clocked(engine) as client:
        first = await part(client)
        assert (first.status_code, "20.0" in first.text) == (200, True)
    async with clocked(engine, NOW + timedelta(seconds=7)) as client:
        again = await part(client, **{"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    await measure(database_url, kit, [(NOW, 20.5)])
    async with clocked(engine, NOW + timedelta(seconds=9)) as client:
        changed = await part(client, **{"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, "20.5" in changed.text) == (200, True)


@pytest.mark.parametrize("change", ["DELETE FROM kits", "UPDATE kits SET privacy_public_dashboard = false"])
async def test_an_open_page_of_a_kit_that_is_gone_is_loaded_again(engine, database_url, change):
    kit = await make_chart_kit(engine)
    async with clocked(engine) as client:
        page = await page_of(client, kit)
        address = unescape(re.search(r'hx-get="([^"]+)"', page)[1])  # type: ignore[index]
    async with engine.begin() as connection:
        await connection.execute(text(change))
    async with clocked(engine) as client:
        answer = await client.get(address)
        assert (answer.status_code, answer.headers.get("hx-refresh")) == (200, "true")
        assert (await client.get(f"/kits/{kit.serial}")).status_code == 303
