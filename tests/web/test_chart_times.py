"""Times of charts are those of the kit, or of the clock that the address names."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from chart_helpers import NOW, every_minute, make_chart_kit, measure, series_id
from sqlalchemy import text
from web_helpers import client_of, log_in, make_user

from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.sealing import Seal

HOUR = timedelta(hours=1)
AMSTERDAM, SYDNEY = ZoneInfo("Europe/Amsterdam"), ZoneInfo("Australia/Sydney")


def clocked(engine, now=NOW, **parts):
    return client_of(engine, clock=lambda: now, **parts)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html)))


async def kit_in(engine, zone: str | None, **further):
    kit = await make_chart_kit(engine, **further)
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE kits SET time_zone = :zone WHERE id = :id"), {"zone": zone, "id": kit.id}
        )
    return kit


async def page_of(client, kit, query=""):
    response = await client.get(f"/kits/{kit.serial}/charts{query}")
    assert response.status_code == 200, response.text
    return response.text


async def test_times_are_those_of_the_kit(engine, database_url):
    kit = await kit_in(engine, "Europe/Amsterdam")
    air = await series_id(engine, kit)
    await measure(database_url, kit, every_minute(NOW - HOUR, 60))
    async with clocked(engine) as client:
        page = await page_of(client, kit, f"?s={air}&r=1h")
        assert "Times: Amsterdam" in words(page)
        assert 'data-zone="Europe/Amsterdam"' in page
        assert re.search(r'name="from" type="datetime-local" value="2026-11-28T12:00"', page)
        # Without an offset, a time is the kit's.
        fixed = await page_of(client, kit, f"?s={air}&from=2026-11-28T12:10&to=2026-11-28T12:20")
        assert "Temperature · Air, 12:10 to 12:20: 21.0 to 21.9 °C" in words(fixed)
        file = await client.get(f"/kits/{kit.serial}/charts.csv?s={air}&r=1h")
    assert list(csv.reader(StringIO(file.text)))[1] == [
        *("2026-11-28T12:00:00+01:00", "2026-11-28T11:00:00Z"),
        "20.0",
    ]


async def test_a_kit_without_a_zone_has_that_of_the_installation(engine):
    kit = await kit_in(engine, None)
    access = MessageAccess(seal=Seal(b"k" * 32), time_zone=AMSTERDAM)
    async with clocked(engine, message_access=access) as client:
        assert "Times: Amsterdam" in words(await page_of(client, kit))
    async with clocked(engine) as client:
        assert "Times: UTC" in words(await page_of(client, kit))


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ("Europe/London", "Times are those of the kit (Amsterdam, 1 h ahead of you)."),
        ("Asia/Kolkata", "Times are those of the kit (Amsterdam, 4 h 30 min behind you)."),
        ("Europe/Paris", "Times: Amsterdam"),
        (None, "Times: Amsterdam"),
    ],
)
async def test_a_person_elsewhere_is_told_whose_times_they_are(engine, own, sentence):
    kit = await kit_in(engine, "Europe/Amsterdam")
    async with engine.begin() as connection:
        await make_user(connection, "ada")
        await connection.execute(text("UPDATE users SET time_zone = :own"), {"own": own})
    async with clocked(engine) as client:
        await log_in(client, "ada")
        page = await page_of(client, kit)
        assert sentence in words(page)
        assert ("tz=own" in page) == (own is not None)
        if own == "Asia/Kolkata":
            assert "Times: Kolkata" in words(await page_of(client, kit, "?tz=own"))
            assert "Times: UTC" in words(await page_of(client, kit, "?tz=utc"))


async def test_today_and_this_week_begin_at_the_midnight_of_the_kit(engine, database_url):
    kit = await kit_in(engine, "Australia/Sydney")
    air = await series_id(engine, kit)
    # Saturday, 28 November, 23:00 in Sydney.
    await measure(database_url, kit, [(NOW - each * HOUR, 20.0) for each in range(7 * 24)])
    async with clocked(engine) as client:
        today = await page_of(client, kit, f"?s={air}&r=today")
        week = await page_of(client, kit, f"?s={air}&r=week")
    midnight = datetime(2026, 11, 28, tzinfo=SYDNEY).astimezone(UTC)
    monday = datetime(2026, 11, 23, tzinfo=SYDNEY).astimezone(UTC)
    for page, begin, name in ((today, midnight, "today"), (week, monday, "this week")):
        assert f'data-from="{begin.timestamp()}" data-to="{NOW.timestamp()}"' in page
        assert f"Temperature · Air, {name}:" in words(page)
    assert "This week" in words(today)


async def test_days_of_a_year_are_local_days_across_the_change_of_clocks(engine, database_url):
    kit = await kit_in(engine, "Europe/Amsterdam", interval_seconds=3600)
    air = await series_id(engine, kit)
    start = datetime(2026, 10, 1, tzinfo=AMSTERDAM).astimezone(UTC)
    hours = [start + i * HOUR for i in range(24 * 57)]
    readings = [(at, float(at.astimezone(AMSTERDAM).day)) for at in hours if at < NOW - 13 * HOUR]
    await measure(database_url, kit, readings)
    async with clocked(engine) as client:
        answer = await client.get(
            f"/kits/{kit.serial}/points.json",
            params={"series": air, "from": "2025-11-28T12:00Z", "to": "2026-11-28T12:00Z", "points": 400},
        )
    (series,) = answer.json()["series"]
    starts = [series["start"] + index * series["stepSeconds"] for index in series["index"]]
    local = [datetime.fromtimestamp(at, UTC).astimezone(AMSTERDAM) for at in starts]
    assert {(at.hour, at.minute) for at in local} == {(0, 0)}
    # No reading of another day is among those of a day: each has the number of the day as its value.
    assert series["min"] == series["max"] == series["mean"] == [float(at.day) for at in local]
    lengths = dict(zip([at.strftime("%d %b") for at in local], series["lengths"], strict=True))
    assert (lengths["24 Oct"], lengths["25 Oct"], lengths["26 Oct"]) == (86_400, 90_000, 86_400)
    assert dict(zip(lengths, series["count"], strict=True))["25 Oct"] == 25
    assert (series["bucketSeconds"], series["gapSeconds"]) == (86_400, 90_000)
    gaps = [gap for gap in answer.json()["gaps"] if gap["from"] >= series["start"]]
    assert len(gaps) <= 1, "none but that at the end"


async def test_the_week_before_is_at_the_same_time_of_day_though_clocks_changed(engine, database_url):
    kit = await kit_in(engine, "Europe/Amsterdam")
    air = await series_id(engine, kit)
    now = datetime(2026, 10, 26, 13, tzinfo=AMSTERDAM).astimezone(UTC)
    noon = datetime(2026, 10, 19, 12, tzinfo=AMSTERDAM).astimezone(UTC)
    await measure(database_url, kit, every_minute(noon, 60))
    await measure(database_url, kit, every_minute(now - HOUR, 60))
    async with clocked(engine, now) as client:
        page = await page_of(client, kit, f"?s={air}&r=1h&vs=week")
        before = re.search(r'<g class="before s1"><path class="line" d="([^"]+)"', page)[1]
        assert before == re.search(r'<g class="now s1"><path class="line" d="([^"]+)"', page)[1]
        answer = await client.get(
            f"/kits/{kit.serial}/points.json",
            params={
                "series": air,
                "from": f"{now - HOUR:%Y-%m-%dT%H:%MZ}",
                "to": f"{now:%Y-%m-%dT%H:%MZ}",
                "vs": "week",
            },
        )
    (series,), (compared,) = answer.json()["series"], answer.json()["before"]
    assert (compared["start"], compared["index"]) == (series["start"], series["index"])
    assert compared["mean"] == series["mean"]
