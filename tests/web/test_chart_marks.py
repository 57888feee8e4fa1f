"""Marks under the charts: what happened, as the server draws and lists it, and why there are gaps."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from html import unescape

import pytest
from chart_helpers import NOW, every_minute, make_chart_kit, measure
from sqlalchemy import text
from web_helpers import client_of, log_in, make_kit, make_user

from hortus.domain.events.event import Event, EventKind
from hortus.domain.events.reader import Events
from hortus.domain.kits.absent_sensors import Absence
from hortus.domain.series.charts import Span
from hortus.http.pages.charts.marks import Marks, bars_of, cause_of, signs_of

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = Span(NOW - 24 * HOUR, NOW)


def event(start, end=None, kind=EventKind.ALERTS, key="a"):
    return Event(key=key, kind=kind, what="x", start=start, end=end, title="X", path="")


def marks(*causes, absences=()):
    return Marks(
        found=Events(events=(), total=0, has_more=False),
        absences=absences,
        causes=causes,
        kinds=tuple(EventKind),
        shown=frozenset(EventKind),
    )


def test_signs_that_would_touch_are_one_with_a_number():
    at = [NOW - 20 * HOUR, NOW - 20 * HOUR + MINUTE, NOW - 5 * HOUR]
    (two, one) = signs_of([event(each, each) for each in at], DAY)
    assert (two.count, two.kind, two.left) == (2, EventKind.ALERTS, pytest.approx(16.67))
    assert (one.count, one.left) == (1, pytest.approx(79.17))
    (mixed,) = signs_of([event(at[0], at[0]), event(at[0], at[0], EventKind.COMMANDS)], DAY)
    assert (mixed.count, mixed.kind) == (2, None)


def test_a_row_of_close_signs_does_not_become_one():
    # Each is close to the next one, but the first and the last are far apart.
    signs = signs_of([event(NOW - each * HOUR, NOW - each * HOUR) for each in range(1, 24)], DAY)
    assert len(signs) == 12


def test_bars_reach_from_start_to_end_and_to_now_while_it_lasts():
    bars = bars_of(
        [event(NOW - 12 * HOUR, NOW - 6 * HOUR), event(NOW - 30 * HOUR), event(NOW - HOUR, NOW - HOUR)],
        DAY,
        NOW,
    )
    assert [(bar.left, bar.width) for bar in bars] == [(50.0, 25.0), (0.0, 100.0)]


@pytest.mark.parametrize(
    ("causes", "absences", "cause"),
    [
        ([], [], ""),
        ([event(NOW - 3 * HOUR, NOW, EventKind.PRESENCE)], [], "silent"),
        # Our own outage accuses nobody, even if the kit was called silent as well.
        (
            [
                event(NOW - 3 * HOUR, NOW, EventKind.PRESENCE),
                event(NOW - 2 * HOUR, NOW - HOUR / 2, EventKind.OUTAGES),
            ],
            [],
            "outage",
        ),
        ([event(NOW - 2 * HOUR, NOW - 1.8 * HOUR, EventKind.OUTAGES)], [], ""),
        ([event(NOW - 3 * HOUR, None, EventKind.PRESENCE)], [], "silent"),
        ([], [("Air", NOW - 4 * HOUR, None), ("Bench", NOW - 4 * HOUR, None)], "absent"),
        ([], [("Air", NOW - 4 * HOUR, None)], ""),
    ],
)
def test_a_gap_has_the_cause_that_covers_most_of_it(causes, absences, cause):
    gap = Span(NOW - 2 * HOUR, NOW)
    absent = [Absence(name=name, since=since, until=until) for name, since, until in absences]
    assert cause_of(gap, {"Air", "Bench"}, marks(*causes, absences=absent), NOW) == cause


@pytest.fixture
async def kit(engine, database_url):
    kit = await make_chart_kit(engine, "Air")
    await measure(database_url, kit, every_minute(NOW - 24 * HOUR, 60))
    await measure(database_url, kit, every_minute(NOW - 2 * HOUR, 120))
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE configuration_activations SET since = :at"), {"at": NOW - timedelta(days=9)}
        )
        for state, since, until in (
            ("online", NOW - 30 * HOUR, NOW - 23 * HOUR),
            ("offline", NOW - 23 * HOUR, NOW - 2 * HOUR),
            ("online", NOW - 2 * HOUR, None),
        ):
            await connection.execute(
                text(
                    "INSERT INTO presence_intervals (kit_id, state, since, until)"
                    " VALUES (:kit, :state, :since, :until)"
                ),
                {"kit": kit.id, "state": state, "since": since, "until": until},
            )
        for number in range(30):
            await connection.execute(
                text(
                    "INSERT INTO alerts (kind, kit_id, condition, began_at, opened_at, over_at, ending)"
                    " VALUES ('silence', :kit, 'silent', :at, :at, :at, 'recovered')"
                ),
                {"kit": kit.id, "at": NOW - HOUR + number * timedelta(seconds=2)},
            )
    return kit


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html)))


async def test_the_page_of_the_server_has_the_lane_the_list_and_the_causes(engine, kit):
    async with client_of(engine, clock=lambda: NOW) as client:
        page = (await client.get(f"/kits/{kit.serial}/charts")).text
        some = (await client.get(f"/kits/{kit.serial}/charts?marks=presence")).text
        none = (await client.get(f"/kits/{kit.serial}/charts?marks=none")).text
    lane = page.split('id="lane"')[1].split("</div>")[0]
    assert re.findall(r"<text[^>]*>(\d+)</text>", lane) == ["30"]
    assert len(re.findall(r"<rect", lane)) == 1
    listed = words(page.split('id="marks-list"')[1].split("</details>")[0])
    assert "31 events in this range" in listed
    assert listed.count("Alert: the kit is silent") == 30
    assert "The kit was silent 21 h" in listed
    assert "21 h 1 min, kit silent" in words(page.split('class="plot"')[1].split("</figure>")[0])
    assert "1 event in this range" in words(some)
    assert "0 events in this range" in words(none)
    # The choice stays when one moves on.
    assert re.search(r'data-move="earlier"', some)
    assert "marks=presence" in unescape(re.search(r'href="([^"]+)" data-move="earlier"', some)[1])
    # Commands are not offered to those who may not see them.
    assert 'data-marks="commands"' not in page


async def test_events_come_apart_from_the_points_and_not_twice(engine, kit):
    query = {"from": "2026-11-27T12:00Z", "to": "2026-11-28T12:00Z", "kinds": "presence"}
    async with client_of(engine, clock=lambda: NOW) as client:
        answer = await client.get(f"/kits/{kit.serial}/events.json", params=query)
        assert answer.status_code == 200, answer.text
        again = await client.get(
            f"/kits/{kit.serial}/events.json", params=query, headers={"If-None-Match": answer.headers["etag"]}
        )
        wrong = [
            await client.get(f"/kits/{kit.serial}/events.json", params=query | each)
            for each in ({"kinds": "meals"}, {"from": "yesterday"}, {"to": "2026-11-27T12:00Z"}, {"x": "y"})
        ]
    since, until = ((NOW - each * HOUR).replace(tzinfo=UTC).timestamp() for each in (23, 2))
    (silence,) = answer.json()["events"]
    assert (silence["kind"], silence["title"], silence["from"], silence["to"]) == (
        "presence",
        "The kit was silent",
        since,
        until,
    )
    assert answer.json()["causes"] == [{"cause": "silent", "from": since, "to": until}]
    assert (again.status_code, again.content) == (304, b"")
    assert [each.status_code for each in wrong] == [400] * 4


async def test_events_of_a_hidden_kit_are_those_of_an_unknown_one(engine):
    async with engine.begin() as connection:
        hidden = await make_kit(connection, "Private")
        await make_user(connection, "eve")
    for name, status in ((None, 401), ("eve", 404)):
        async with client_of(engine) as client:
            if name:
                await log_in(client, name)
            answers = [
                await client.get(f"/kits/{serial}/events.json?from=x")
                for serial in (hidden.serial, "k-none-none-none")
            ]
        assert [each.status_code for each in answers] == [status] * 2
        assert answers[0].content == answers[1].content
