"""The charts of several kits on one page."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from html import unescape
from io import StringIO
from urllib.parse import quote

import pytest
from chart_helpers import HUMIDITY, NOW, every_minute, make_chart_kit, measure, series_id
from web_helpers import client_of, log_in, make_member, make_user

HOUR_AGO = NOW - timedelta(hours=1)


def clocked(engine):
    return client_of(engine, clock=lambda: NOW)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html)))


async def page_of(client, query=""):
    response = await client.get(f"/charts{query}")
    assert response.status_code == 200, response.text
    return response.text


def shown(page: str) -> list[str]:
    return re.findall(r'<li data-series="\d+" data-name="([^"]+)"', page)


async def two_kits(engine, database_url, *, public=(True, True)):
    """Two kits with an hour of readings, and the names of their series of air temperature."""
    kits = [
        await make_chart_kit(engine, "Air", name=name, public=is_public)
        for name, is_public in zip(("Basil", "Chillies"), public, strict=True)
    ]
    for kit, value in zip(kits, (20.0, 10.0), strict=True):
        await measure(database_url, kit, every_minute(HOUR_AGO, 60, value=value))
    return kits, [f"{kit.serial}:{await series_id(engine, kit)}" for kit in kits]


async def test_the_same_unit_of_two_kits_shares_a_panel_and_each_has_the_name_of_its_kit(engine, database_url):
    kits, (basil, chillies) = await two_kits(engine, database_url)
    humid = f"{kits[1].serial}:{await series_id(engine, kits[1], quantity_type_id=HUMIDITY)}"
    await measure(database_url, kits[1], [(HOUR_AGO, 53.0)], quantity_type_id=HUMIDITY)
    async with clocked(engine) as client:
        page = await page_of(client, f"?s={basil},{chillies},{humid}&r=1h")
    assert shown(page) == [basil, chillies, humid]
    assert page.count('<figure class="card panel"') == 2
    told = words(page)
    assert "Temperature · Basil · Air, last hour: 20.0 to 25.9 °C" in told
    assert "Temperature · Chillies · Air, last hour: 10.0 to 15.9 °C" in told
    assert set(re.findall(r'data-kit="([^"]+)"', page)) == {kit.serial for kit in kits}


async def test_links_and_files_of_the_page_name_the_kits(engine, database_url):
    _, names = await two_kits(engine, database_url)
    async with clocked(engine) as client:
        page = await page_of(client, f"?s={','.join(names)}&r=1h")
        week = unescape(re.search(r'href="([^"]+)" data-range="[^"]*r=7d', page)[1])
        assert week == f"/charts?s={','.join(names)}&r=7d"
        file = await client.get(unescape(re.search(r'id="save-csv" href="([^"]+)"', page)[1]))
        points = await client.get(
            "/charts/points.json",
            params={"series": ",".join(names), "from": "2026-11-28T11:00Z", "to": "2026-11-28T12:00Z"},
        )
    header, *lines = csv.reader(StringIO(file.text))
    assert header[2:] == ["Temperature, Basil · Air (°C)", "Temperature, Chillies · Air (°C)"]
    assert lines[0][2:] == ["20.0", "10.0"]
    assert [each["name"] for each in points.json()["series"]] == ["Basil · Air", "Chillies · Air"]
    assert [each["mean"][0] for each in points.json()["series"]] == [20.0, 10.0]


async def test_it_opens_with_sensors_of_the_first_kit_and_offers_the_others(engine, database_url):
    kits, (basil, chillies) = await two_kits(engine, database_url)
    async with clocked(engine) as client:
        page = await page_of(client)
        assert shown(page) == [basil]
        add = unescape(re.search(r'href="([^"]+kit=[^"]+)"', page)[1])
        assert add == f"/charts?s={basil}&r=24h&kit={kits[1].serial}#sensors"
        with_other = await page_of(client, add.removeprefix("/charts").removesuffix("#sensors"))
    assert shown(with_other) == [basil]
    assert f'name="s" value="{chillies}"' in with_other


async def test_the_kits_of_a_person_stand_first_and_a_part_of_the_name_finds_others(engine, database_url):
    kits, _ = await two_kits(engine, database_url)
    async with engine.begin() as connection:
        ada = await make_user(connection, "ada")
        await make_member(connection, ada, kits[1])
    for number in range(14):
        await make_chart_kit(engine, name=f"Row {number:02}")
    async with clocked(engine) as client:
        await log_in(client, "ada")
        page = await page_of(client)
        assert {each.split(":")[0] for each in shown(page)} == {kits[1].serial}
        assert "Basil" in words(page)
        assert "4 more kits: find them by a part of their name." in words(page)
        found = words(await page_of(client, "?find=row 13"))
        assert "Row 13" in found
        assert "Row 12" not in found
        nothing = await page_of(client, f"?kit={kits[0].serial}&find=%25_")
    assert "No other kit has “%_” in its name or serial." in words(nothing)


def alike(text: str, name: str, other: str) -> str:
    return text.replace(name, other).replace(quote(name, safe=""), quote(other, safe=""))


async def test_what_one_may_not_see_looks_like_what_does_not_exist(engine, database_url):
    _, (basil, chillies) = await two_kits(engine, database_url, public=(True, False))
    unknown = "k-0000-0000-0000:77"
    async with clocked(engine) as client:
        pages = [await page_of(client, f"?s={basil},{each}&r=1h") for each in (chillies, unknown)]
        assert alike(pages[0], chillies, unknown) == pages[1]
        assert shown(pages[0]) == [basil]
        assert "1 of the sensors in this address cannot be shown" in words(pages[0])
        for path in (
            "/charts/points.json?series={}&from=2026-11-28T11:00Z&to=2026-11-28T12:00Z",
            "/charts.csv?s={}",
        ):
            answers = [await client.get(path.format(f"{basil},{each}")) for each in (chillies, unknown)]
            assert answers[0].status_code == answers[1].status_code
            assert answers[0].status_code in (401, 303)
            assert alike(answers[0].text, chillies, unknown) == answers[1].text


async def test_a_series_is_not_shown_as_that_of_another_kit(engine, database_url):
    kits, (basil, chillies) = await two_kits(engine, database_url, public=(True, False))
    wrong = f"{kits[0].serial}:{chillies.split(':')[1]}"
    async with clocked(engine) as client:
        assert shown(await page_of(client, f"?s={wrong},{basil}")) == [basil]
        answer = await client.get(
            f"/charts/points.json?series={wrong}&from=2026-11-28T11:00Z&to=2026-11-28T12:00Z"
        )
    assert answer.status_code == 404


async def test_without_kits_it_says_what_to_do(engine):
    async with clocked(engine) as client:
        assert "There are no public kits. Log in to see yours." in words(await page_of(client))
        async with engine.begin() as connection:
            await make_user(connection, "ada")
        await log_in(client, "ada")
        assert "You have no kits yet." in words(await page_of(client))


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?s=7", "Series of several kits are named by the serial of the kit and a number."),
        ("?s=k-1234:air", "Series are named by their numbers: 7,9."),
        (f"?s={'k' * 65}:1", "Series of several kits are named by the serial of the kit and a number."),
        ("?s=" + ",".join(f"k:{number}" for number in range(50)), "At most 48 series can be shown at once."),
        ("?tz=mars", "tz is one of kit, own, utc."),
    ],
)
async def test_a_mistake_in_the_address_is_named(engine, query, sentence):
    await make_chart_kit(engine)
    async with clocked(engine) as client:
        response = await client.get(f"/charts{query}")
    assert response.status_code == 400
    assert sentence in words(response.text)


async def test_a_kit_leads_to_the_comparison_with_others(engine, database_url):
    kits, (basil, _) = await two_kits(engine, database_url)
    async with clocked(engine) as client:
        page = (await client.get(f"/kits/{kits[0].serial}/charts?r=7d")).text
        assert f'href="/charts?s={basil}&amp;r=7d#sensors">Another kit</a>' in page
        assert 'href="/charts"' in page, "in the header"
