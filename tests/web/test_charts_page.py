"""The page of a kit's charts as the server makes it, which is all that there is without a script."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from html import unescape
from io import StringIO

import pytest
from chart_helpers import (
    HUMIDITY,
    NOW,
    PRESSURE,
    every_minute,
    make_chart_kit,
    measure,
    series_id,
)
from sqlalchemy import text
from web_helpers import client_of, log_in, make_member, make_user, targets_hold_since

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.domain.plants.links import MeasuringSource, link_plant
from hortus.domain.plants.store import create_plant
from hortus.domain.series.catching_up import CatchingUp, StillRollingUp

DAY_AGO = NOW - timedelta(days=1)
HOUR_AGO = NOW - timedelta(hours=1)


def clocked(engine, **dependencies):
    return client_of(engine, clock=lambda: NOW, **dependencies)


async def page_of(client, kit, query=""):
    response = await client.get(f"/kits/{kit.serial}/charts{query}")
    assert response.status_code == 200, response.text
    return response.text


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html)))


def link(html: str, pattern: str) -> str:
    return unescape(re.search(rf"<a [^>]*{pattern}[^>]*>", html)[0].split('href="')[1].split('"')[0])  # type: ignore[index]


async def test_the_page_shows_a_panel_for_each_unit_with_sentences_table_and_file(engine, database_url):
    kit = await make_chart_kit(engine, "Air", "Bench")
    await measure(database_url, kit, every_minute(HOUR_AGO, 60, without=range(20, 34)))
    await measure(database_url, kit, every_minute(HOUR_AGO, 60, value=10.0), name="Bench")
    await measure(
        database_url, kit, [(HOUR_AGO, 53.0), (NOW - timedelta(seconds=30), 55.0)], quantity_type_id=HUMIDITY
    )
    air, bench = [await series_id(engine, kit, name) for name in kit.names]
    humidity = await series_id(engine, kit, quantity_type_id=HUMIDITY)
    async with clocked(engine) as client:
        page = await page_of(client, kit, f"?s={air},{bench},{humidity}&r=1h")
    assert page.count('<figure class="card panel"') == 2
    told = words(page)
    assert "Temperature · Air, last hour: 20.0 to 25.9 °C, mean 23.0, now 25.9. One gap of 15 min." in told
    assert "Temperature · Bench, last hour: 10.0 to 15.9 °C, mean 12.9, now 15.9. No gaps." in told
    assert "Humidity · Air, last hour: 53 to 55%, mean 54, now 55. One gap of 59 min 30 s." in told
    assert "108 readings, each shown · 2 gaps (the longest 59 min 30 s)" in told
    assert "<polyline" not in page, "a line that crosses a gap"
    assert page.count('class="line" d="M') >= 3


async def test_it_opens_with_the_series_that_have_a_target_else_with_the_first_three(engine, database_url):
    kit = await make_chart_kit(engine, *"ABCDE")
    async with clocked(engine) as client:
        page = await page_of(client, kit)
        shown = [int(each) for each in re.findall(r'<li data-series="(\d+)"', page)]
        assert shown == [await series_id(engine, kit, name) for name in "ABC"]
    async with engine.begin() as connection:
        ada = await make_user(connection, "ada")
        plant = await create_plant(connection, ada.id, name="Chilli", species_id=1)
        source = MeasuringSource(kit_id=kit.id, peripheral_name="D", quantity_type_id=1)
        await link_plant(connection, plant, source, since=DAY_AGO, now=NOW)
        await targets_hold_since(connection, plant, DAY_AGO)
    async with clocked(engine) as client:
        page = await page_of(client, kit)
        assert re.findall(r'<li data-series="(\d+)"', page) == [str(await series_id(engine, kit, "D"))]
        assert "Target 18–27 °C (Chilli, Monstera)" in words(page)


async def test_check_boxes_of_a_form_choose_the_sensors(engine, database_url):
    kit = await make_chart_kit(engine, "Air", "Bench")
    air, bench = [await series_id(engine, kit, name) for name in kit.names]
    async with clocked(engine) as client:
        page = await page_of(client, kit, f"?r=7d&s={air}&s={bench}")
    assert re.findall(r'<li data-series="(\d+)"', page) == [str(air), str(bench)]
    assert re.search(rf'name="s" value="{bench}" checked', page)
    assert '<input type="hidden" name="r" value="7d">' in page


async def test_the_buttons_of_the_range_are_links(engine, database_url):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    async with clocked(engine) as client:
        page = await page_of(client, kit, f"?s={air}&r=24h")
        base = f"/kits/{kit.serial}/charts?s={air}&r=24h"
        assert link(page, 'id="move-earlier"') == f"{base}&from=2026-11-26T12:00Z&to=2026-11-27T12:00Z"
        assert link(page, 'id="move-later"') == base
        assert link(page, 'id="move-wider"') == f"{base}&from=2026-11-26T12:00Z&to=2026-11-28T12:00Z"
        assert link(page, 'id="move-closer"') == f"{base}&from=2026-11-27T18:00Z&to=2026-11-28T06:00Z"
        assert link(page, 'id="move-now"') == base
        earlier = await client.get(link(page, 'id="move-earlier"'))
        assert link(earlier.text, 'id="move-later"') == base, "back where one came from"
        assert words(earlier.text).count("26 Nov, 12:00 to 27 Nov, 12:00") >= 1
        for range_ in ("1h", "6h", "24h", "3d", "7d", "30d", "90d", "1y", "all"):
            assert link(page, f'data-range="[^"]*r={range_}"')
            assert (await page_of(client, kit, f"?s={air}&r={range_}")).count('aria-current="true"') >= 2


async def test_a_range_without_readings_says_where_the_next_ones_are(engine, database_url):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    await measure(database_url, kit, [(NOW - timedelta(hours=each), 20.0) for each in (9, 2)])
    async with clocked(engine) as client:
        query = f"?s={air}&from=2026-11-28T05:00Z&to=2026-11-28T07:00Z"
        page = await page_of(client, kit, query)
        assert (
            "No readings between 05:00 and 07:00. The last before: 03:00 Go there. The next: 10:00 Go there."
            in words(page)
        )
        there = unescape(re.findall(r'<a href="([^"]+)">Go there', page)[0])
        assert 'data-state="drawn"' in (await client.get(there)).text


async def test_states_are_told_apart(engine, database_url):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    bare = await make_kit_without_sensors(engine)
    async with clocked(engine) as client:
        assert "This sensor has not sent a reading yet." in words(await page_of(client, kit, f"?s={air}"))
        assert "No sensors yet" in words(await page_of(client, bare))
        page = await page_of(client, kit, f"?s={air},1000000")
        assert "1 of the sensors in this address cannot be shown" in words(page)


async def make_kit_without_sensors(engine):
    kit = await make_chart_kit(engine)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM kit_configurations WHERE kit_id = :id"), {"id": kit.id})
        await connection.execute(text("DELETE FROM series WHERE kit_id = :id"), {"id": kit.id})
    return kit


async def test_while_older_readings_are_summed_up_the_page_says_so_and_tries_again(engine, database_url):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    start = NOW - timedelta(days=4)
    await measure(database_url, kit, [(start + timedelta(hours=each), 20.0) for each in range(90)])

    class TooLong(CatchingUp):
        async def catch_up(self, backlog):
            raise StillRollingUp

    busy = TooLong(connector(DatabaseUrl.parse(database_url), "test"))
    async with clocked(engine, rollups=busy) as client:
        for path in ("charts", "charts.csv"):
            response = await client.get(f"/kits/{kit.serial}/{path}?s={air}&r=7d")
            assert (response.status_code, response.headers["retry-after"]) == (503, "5")
            assert "Summing up older readings" in response.text


async def rows_of_table(client, address):
    """Return the rows of all pages of the table: time and the value, or the words of a gap."""
    rows = []
    while address:
        page = (await client.get(address)).text
        body = page.split("<tbody>")[1].split("</tbody>")[0]
        for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL):
            at = re.search(r'datetime="([^"]+)"', row)[1]
            values = re.findall(r'<data value="([^"]+)"', row)
            rows.append((at, values or words(row)))
        following = re.search(r'<a [^>]*rel="next"[^>]*href="([^"]+)"', page)
        address = unescape(following[1]) if following else None
    return rows


@pytest.mark.parametrize(
    ("range_", "points", "gap"),
    [("1h", 46, "No readings until 11:34 (15 min)"), ("24h", 286, "No readings until 11:30 (10 min)")],
)
async def test_the_file_of_what_is_shown_equals_the_table_row_by_row(engine, database_url, range_, points, gap):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    await measure(database_url, kit, every_minute(DAY_AGO, 1440, value=0.0, without=range(1400, 1414)))
    async with clocked(engine) as client:
        page = await page_of(client, kit, f"?s={air}&r={range_}")
        rows = await rows_of_table(client, f"/kits/{kit.serial}/charts?s={air}&r={range_}")
        file = await client.get(link(page, 'id="save-csv"'))
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert f"{kit.serial} " in file.headers["content-disposition"]
    header, *lines = csv.reader(StringIO(file.text))
    name = "Temperature, Air (°C)"
    figures = (
        [name] if range_ == "1h" else [f"{name} {each}" for each in ("mean", "minimum", "maximum", "readings")]
    )
    assert header == ["Time", "Time (UTC)", *figures]
    assert [(at.replace("+00:00", "Z"), values) for at, values in rows if isinstance(values, list)] == [
        (line[1], [line[2]]) for line in lines
    ]
    assert len(lines) == points
    assert lines[0][0].endswith("+00:00")
    (told,) = [values for _, values in rows if not isinstance(values, list)]
    assert gap in told


async def test_a_name_is_no_formula_in_the_file(engine, database_url):
    kit = await make_chart_kit(engine, "=cmd|'/c calc'!A1")
    ids = await series_id(engine, kit, kit.names[0])
    await measure(database_url, kit, [(HOUR_AGO, -1.5)], name=kit.names[0])
    async with clocked(engine) as client:
        file = await client.get(f"/kits/{kit.serial}/charts.csv?s={ids}&r=6h")
    header, line = csv.reader(StringIO(file.text))
    assert not [each for each in header if each.startswith(("=", "+", "-", "@"))]
    assert line[2] == "-1.5"


async def test_two_series_with_different_times_share_the_table(engine, database_url):
    kit = await make_chart_kit(engine)
    await measure(database_url, kit, [(HOUR_AGO, 20.0)])
    await measure(database_url, kit, [(HOUR_AGO + timedelta(seconds=30), 1011.3)], quantity_type_id=PRESSURE)
    ids = [await series_id(engine, kit, quantity_type_id=type_) for type_ in (1, PRESSURE)]
    async with clocked(engine) as client:
        file = await client.get(f"/kits/{kit.serial}/charts.csv?s={ids[0]},{ids[1]}&r=6h")
    assert list(csv.reader(StringIO(file.text)))[1:] == [
        ["2026-11-28T11:00:00+00:00", "2026-11-28T11:00:00Z", "20.0", ""],
        ["2026-11-28T11:00:30+00:00", "2026-11-28T11:00:30Z", "", "1011.3"],
    ]


async def test_the_day_before_is_drawn_beside_it(engine, database_url):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    await measure(database_url, kit, every_minute(DAY_AGO - timedelta(hours=1), 60))
    await measure(database_url, kit, every_minute(HOUR_AGO, 60))
    async with clocked(engine) as client:
        page = await page_of(client, kit, f"?s={air}&r=1h&vs=day")
    before = re.search(r'<g class="before s1"><path class="line" d="([^"]+)"', page)[1]
    now = re.search(r'<g class="now s1"><path class="line" d="([^"]+)"', page)[1]
    assert before == now, "the same readings a day later"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?r=2d", "There is no range '2d'."),
        ("?vs=year", "the day before (vs=day) or the week before (vs=week)"),
        ("?from=2026-11-28T09:00Z", "Give both from and to, or neither."),
        ("?from=2026-11-28T09:00Z&to=2026-11-27T09:00Z", "from must be before to."),
        ("?from=now&to=2026-11-27T09:00Z", "from cannot be read: a time looks like 2026-11-28T09:00Z."),
        ("?from=2050-01-01T00:00Z&to=2051-01-01T00:00Z", "it lies before 2010 or in the future"),
        ("?s=air", "Series are named by their numbers: 7,9."),
        ("?rows=0", "rows is the number of a page of the table, from 1 on."),
    ],
)
async def test_a_mistake_in_the_address_is_named(engine, query, sentence):
    kit = await make_chart_kit(engine)
    async with clocked(engine) as client:
        response = await client.get(f"/kits/{kit.serial}/charts{query}")
    assert response.status_code == 400
    assert sentence in words(response.text)


async def test_times_without_an_offset_are_those_of_the_kit(engine):
    kit = await make_chart_kit(engine)
    async with clocked(engine) as client:
        page = await page_of(client, kit, "?from=2026-11-28T05:00&to=2026-11-28T07:00")
    assert 'value="2026-11-28T05:00"' in page
    assert "from=2026-11-28T05:00Z&amp;to=2026-11-28T07:00Z" in page


async def test_who_may_not_see_the_kit_is_led_to_the_log_in_or_told_what_an_unknown_kit_is_told(
    engine, database_url
):
    private = await make_chart_kit(engine, public=False)
    public = await make_chart_kit(engine, name="Public")
    async with engine.begin() as connection:
        ada, _ = [await make_user(connection, name) for name in ("ada", "bob")]
        await make_member(connection, ada, private)
    serials = (private.serial, "k-aaaa-aaaa-aaaa", "nonsense")
    for path in ("charts", "charts.csv?s=1", "charts?r=nonsense"):
        async with client_of(engine) as client:
            for serial in serials:
                answer = await client.get(f"/kits/{serial}/{path}")
                assert (answer.status_code, answer.content) == (303, b"")
                assert answer.headers["location"].startswith(f"/login?next=/kits/{serial}/charts")
            await log_in(client, "bob")
            assert [(await client.get(f"/kits/{serial}/{path}")).status_code for serial in serials] == [404] * 3
    async with client_of(engine) as client:
        assert (await client.get(f"/kits/{public.serial}/charts")).status_code == 200
        await log_in(client, "ada")
        assert (await client.get(f"/kits/{private.serial}/charts")).status_code == 200


async def test_the_log_in_leads_back_to_the_same_chart(engine):
    kit = await make_chart_kit(engine, public=False)
    async with engine.begin() as connection:
        await make_member(connection, await make_user(connection, "ada"), kit)
    query = "?s=1,2&r=7d&from=2026-11-28T05:00Z&to=2026-11-28T07:00Z"
    async with client_of(engine) as client:
        answer = await client.get(f"/kits/{kit.serial}/charts{query}")
        shown = (await client.get(answer.headers["location"])).text
        assert f"/kits/{kit.serial}/charts{query}".replace("&", "&amp;") in shown


async def test_what_people_name_things_is_no_markup(engine, database_url):
    nasty = "<script>alert(1)</script>\u202e"
    kit = await make_chart_kit(engine, nasty, name=nasty)
    await measure(database_url, kit, every_minute(HOUR_AGO, 60), name=nasty)
    async with clocked(engine) as client:
        page = await page_of(client, kit)
    assert "<script>alert" not in page
    assert "\u202e" not in page


async def test_absurd_values_do_not_break_the_page(engine, database_url):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    values = [1.7e308, -1.7e308, 0.0, 5e-324, 20.0]
    await measure(
        database_url, kit, [(HOUR_AGO + timedelta(minutes=i), value) for i, value in enumerate(values)]
    )
    async with clocked(engine) as client:
        page = await page_of(client, kit, f"?s={air}&r=1h")
        assert "nan" not in re.findall(r' d="([^"]*)"', page)
        assert (await client.get(f"/kits/{kit.serial}/charts.csv?s={air}&r=1h")).status_code == 200
        assert (await client.get(f"/kits/{kit.serial}/points.json?series={air}")).status_code == 200


async def test_every_number_of_a_kit_leads_to_its_chart(engine, database_url):
    kit = await make_chart_kit(engine, "Bench & <Co>", "Air")
    await measure(database_url, kit, every_minute(HOUR_AGO, 60), name="Bench & <Co>")
    await measure(database_url, kit, every_minute(HOUR_AGO, 60))
    async with clocked(engine) as client:
        home = (await client.get(f"/kits/{kit.serial}")).text
        addresses = [
            unescape(each) for each in re.findall(r'<a class="to-chart[^"]*"[^>]* href="([^"]+)"', home)
        ]
        panels = [re.findall(r'<li data-series="(\d+)"', (await client.get(each)).text) for each in addresses]
    wanted = [[str(await series_id(engine, kit, name))] for name in ("Air", "Bench & <Co>")]
    assert sorted(panels) == sorted(wanted)


async def test_every_value_of_a_plant_leads_to_its_chart(engine, database_url):
    kit = await make_chart_kit(engine)
    await measure(database_url, kit, every_minute(HOUR_AGO, 60))
    async with engine.begin() as connection:
        ada = await make_user(connection, "ada")
        plant = await create_plant(connection, ada.id, name="Chilli", species_id=1)
        await link_plant(connection, plant, MeasuringSource(kit_id=kit.id), since=DAY_AGO, now=NOW)
    async with clocked(engine) as client:
        page = (await client.get(f"/plants/{plant}")).text
        (address,) = [unescape(each) for each in re.findall(r'<a class="to-chart"[^>]* href="([^"]+)"', page)]
        assert f'<li data-series="{await series_id(engine, kit)}"' in (await client.get(address)).text
