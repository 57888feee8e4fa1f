"""The points of several series in one answer, for the script of the charts' page."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from chart_helpers import (
    HUMIDITY,
    NOW,
    PRESSURE,
    TEMPERATURE,
    every_minute,
    make_chart_kit,
    measure,
    series_id,
)
from sqlalchemy import event, text
from web_helpers import client_of, log_in, make_member, make_user, targets_hold_since

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.domain.plants.links import MeasuringSource, link_plant
from hortus.domain.plants.state import Range
from hortus.domain.plants.store import create_plant, set_plant_range
from hortus.domain.series.catching_up import CatchingUp, StillRollingUp

HOUR_AGO = NOW - timedelta(hours=1)
DAY_BEFORE_NOW = {"from": "2026-11-27T12:00Z", "to": "2026-11-28T12:00Z"}
DAYS_BEFORE = {"from": "2026-11-20T12:00Z", "to": "2026-11-27T12:00Z"}
FROM_HOUR_AGO = {"from": "2026-11-28T11:00Z", "to": "2026-11-28T12:00Z"}


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def clocked(engine, **dependencies):
    return client_of(engine, clock=lambda: NOW, **dependencies)


async def points(client, kit, **query):
    return await client.get(f"/kits/{kit.serial}/points.json", params=query)


async def found(client, kit, **query):
    response = await points(client, kit, **query)
    assert response.status_code == 200, response.text
    return response.json()


async def test_one_answer_has_the_points_of_all_series_asked_for(engine, database_url):
    kit = await make_chart_kit(engine, "Air", "Bench")
    air, bench = [await series_id(engine, kit, name) for name in kit.names]
    await measure(database_url, kit, [(HOUR_AGO, 20.0), (HOUR_AGO + timedelta(minutes=1), 20.25)])
    await measure(database_url, kit, [(HOUR_AGO + timedelta(seconds=30), 7.5)], name="Bench")
    async with clocked(engine) as client:
        answer = await found(client, kit, series=f"{bench},{air}", **FROM_HOUR_AGO)
    start = seconds(HOUR_AGO)
    assert answer == {
        "from": "2026-11-28T11:00Z",
        "to": "2026-11-28T12:00Z",
        "now": seconds(NOW),
        "series": [
            {
                "id": bench,
                "name": "Bench",
                "quantity": "Temperature",
                "unit": "°C",
                "decimals": 1,
                "source": "raw",
                "bucketSeconds": None,
                "gapSeconds": 135,
                "coverage": 0.0083,
                "start": start + 30,
                "stepSeconds": 1,
                "index": [0],
                "mean": [7.5],
                "min": None,
                "max": None,
                "count": None,
            },
            {
                "id": air,
                "name": "Air",
                "quantity": "Temperature",
                "unit": "°C",
                "decimals": 1,
                "source": "raw",
                "bucketSeconds": None,
                "gapSeconds": 135,
                "coverage": 0.0167,
                "start": start,
                "stepSeconds": 1,
                "index": [0, 60],
                "mean": [20.0, 20.25],
                "min": None,
                "max": None,
                "count": None,
            },
        ],
        "bands": [],
        "nights": [],
        "gaps": [
            {"series": bench, "from": start + 30, "to": start + 3600},
            {"series": air, "from": start + 60, "to": start + 3600},
        ],
    }


async def test_buckets_have_minimum_maximum_and_count_and_a_rounded_mean(engine, database_url):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    day_ago = NOW - timedelta(days=1)
    await measure(database_url, kit, every_minute(day_ago, 1440, value=0.0, without=range(600, 700)))
    async with clocked(engine) as client:
        (series,) = (
            await found(
                client,
                kit,
                series=air,
                points=200,
                **{"from": "2026-11-27T12:00Z", "to": "2026-11-28T12:00Z"},
            )
        )["series"]
    assert (series["source"], series["bucketSeconds"], series["stepSeconds"]) == ("raw", 600, 600)
    assert (series["start"], series["gapSeconds"]) == (seconds(day_ago), 600)
    assert series["index"] == [*range(60), *range(70, 144)]
    assert series["coverage"] == round(1 - 100 / 1440, 4)
    assert [series[name][0] for name in ("mean", "min", "max", "count")] == [0.45, 0.0, 0.9, 10]


async def test_a_gap_is_told_by_the_interval_of_the_configuration(engine, database_url):
    kit = await make_chart_kit(engine, interval_seconds=300)
    air = await series_id(engine, kit)
    readings = [(HOUR_AGO + timedelta(minutes=each), 20.0) for each in (0, 5, 10, 20, 40, 45, 50, 55)]
    await measure(database_url, kit, readings)
    async with clocked(engine) as client:
        answer = await found(client, kit, series=air, **FROM_HOUR_AGO)
    assert answer["series"][0]["gapSeconds"] == 615
    assert answer["gaps"] == [
        {
            "series": air,
            "from": seconds(HOUR_AGO + timedelta(minutes=20)),
            "to": seconds(HOUR_AGO + timedelta(minutes=40)),
        }
    ]


async def test_what_has_not_come_yet_is_no_gap(engine, database_url):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    await measure(database_url, kit, every_minute(HOUR_AGO, 60))
    async with clocked(engine) as client:
        answer = await found(
            client, kit, series=air, **{"from": "2026-11-28T11:00Z", "to": "2026-11-28T20:00Z"}
        )
    assert (answer["gaps"], answer["series"][0]["coverage"]) == ([], 1)


async def test_bands_are_the_target_ranges_of_the_plants_that_a_series_measures(engine, database_url):
    kit = await make_chart_kit(engine, "Air", "Bench")
    air, bench = [await series_id(engine, kit, name) for name in kit.names]
    since = NOW - timedelta(days=3)
    async with engine.begin() as connection:
        ada = await make_user(connection, "ada")
        chilli = await create_plant(connection, ada.id, name="Chilli", species_id=None)
        basil = await create_plant(connection, ada.id, name="Basil", species_id=1)
        gone = await create_plant(connection, ada.id, name="Gone", species_id=1)
        await set_plant_range(connection, chilli, 1, Range(minimum=15))
        for plant in (chilli, basil, gone):
            await targets_hold_since(connection, plant, since)
        source = MeasuringSource(kit_id=kit.id, peripheral_name="Air", quantity_type_id=TEMPERATURE)
        await link_plant(connection, chilli, source, since=since, now=NOW)
        await link_plant(connection, basil, MeasuringSource(kit_id=kit.id), since=since, now=NOW)
        await link_plant(connection, gone, MeasuringSource(kit_id=kit.id), since=since, now=NOW)
        await connection.execute(
            text("UPDATE plant_links SET linked_until = :now WHERE plant_id = :plant"),
            {"now": NOW, "plant": gone},
        )
        row = (
            await connection.execute(
                text("SELECT s.name, r.minimum, r.maximum FROM species s JOIN species_ranges r "
                     "ON r.species_id = s.id WHERE s.id = 1 AND r.quantity_type_id = 1")
            )
        ).one()  # fmt: skip
    async with clocked(engine) as client:
        bands = (await found(client, kit, series=f"{air},{bench}"))["bands"]
    species = {"low": row.minimum, "high": row.maximum, "whose": f"Basil, {row.name}"}
    assert bands == [
        {"series": air, "plant": basil, "from": seconds(since), "to": None, **species},
        {"series": bench, "plant": basil, "from": seconds(since), "to": None, **species},
        {
            "series": air,
            "plant": chilli,
            "from": seconds(since),
            "to": None,
            "low": 15,
            "high": None,
            "whose": "Chilli",
        },
    ]


async def test_bands_are_the_ranges_of_the_time_that_is_shown(engine, database_url):
    kit = await make_chart_kit(engine, "Air")
    air = await series_id(engine, kit)
    linked, changed = NOW - timedelta(days=30), NOW - timedelta(hours=12)
    async with engine.begin() as connection:
        ada = await make_user(connection, "ada")
        chilli = await create_plant(connection, ada.id, name="Chilli")
        await link_plant(connection, chilli, MeasuringSource(kit_id=kit.id), since=linked, now=NOW)
        await set_plant_range(connection, chilli, 1, Range(minimum=15, maximum=24))
    async with engine.begin() as connection:
        await targets_hold_since(connection, chilli, linked)
    async with engine.begin() as connection:
        await set_plant_range(connection, chilli, 1, Range(minimum=18, maximum=27))
        await connection.execute(
            text("UPDATE plant_target_ranges SET until = :at WHERE until IS NOT NULL"), {"at": changed}
        )
        await connection.execute(
            text("UPDATE plant_target_ranges SET since = :at WHERE until IS NULL"), {"at": changed}
        )
    async with clocked(engine) as client:
        both = (await found(client, kit, series=air, **DAY_BEFORE_NOW))["bands"]
        former = (await found(client, kit, series=air, **DAYS_BEFORE))["bands"]
        page = (await client.get(f"/kits/{kit.serial}/charts?s={air}")).text
    assert [(each["from"], each["to"], each["low"], each["high"]) for each in both] == [
        (seconds(linked), seconds(changed), 15, 24),
        (seconds(changed), None, 18, 27),
    ]
    assert [(each["to"], each["low"]) for each in former] == [(seconds(changed), 15)]
    # The picture of the server steps as well.
    assert page.count('<rect class="target"') == 2


async def test_the_same_content_is_not_sent_twice(engine, database_url):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    await measure(database_url, kit, every_minute(HOUR_AGO, 60))
    async with clocked(engine) as client:
        first = await points(client, kit, series=air, **FROM_HOUR_AGO)
    assert first.headers["cache-control"] == "private, no-cache"
    later = NOW + timedelta(minutes=5)
    tagged = {"If-None-Match": first.headers["etag"]}
    address = f"/kits/{kit.serial}/points.json"
    async with client_of(engine, clock=lambda: later) as client:
        second = await client.get(address, params={"series": air, **FROM_HOUR_AGO}, headers=tagged)
        assert (second.status_code, second.content) == (304, b"")
        assert second.headers["etag"] == first.headers["etag"]
    await measure(database_url, kit, [(HOUR_AGO + timedelta(seconds=90), 30.0)])
    async with client_of(engine, clock=lambda: later) as client:
        third = await client.get(address, params={"series": air, **FROM_HOUR_AGO}, headers=tagged)
        assert third.status_code == 200
        assert len(third.json()["series"][0]["mean"]) == 61


async def test_only_who_may_see_the_kit_sees_its_points(engine, database_url):
    public = await make_chart_kit(engine, name="Public")
    private = await make_chart_kit(engine, name="Private", public=False)
    ids = {kit.id: await series_id(engine, kit) for kit in (public, private)}
    async with engine.begin() as connection:
        ada, _ = [await make_user(connection, name) for name in ("ada", "bob")]
        await make_user(connection, "root", is_admin=True)
        await make_member(connection, ada, private)
    for name, expected in ((None, 401), ("bob", 404), ("ada", 200), ("root", 200)):
        async with client_of(engine) as client:
            if name:
                await log_in(client, name)
            assert (await points(client, public, series=ids[public.id])).status_code == 200
            hidden = await points(client, private, series=ids[private.id])
            assert (name, hidden.status_code) == (name, expected)


async def test_a_private_kit_answers_like_an_unknown_one_whatever_is_asked(engine):
    private = await make_chart_kit(engine, public=False)
    series = await series_id(engine, private)
    async with engine.begin() as connection:
        await make_user(connection, "bob")
    for name in (None, "bob"):
        async with client_of(engine) as client:
            if name:
                await log_in(client, name)
            for query in (f"series={series}", "", "series=1000000", "series=x", "points=7", "nonsense=1"):
                answers = []
                for serial in (private.serial, "k-aaaa-aaaa-aaaa", "nonsense"):
                    answer = await client.get(f"/kits/{serial}/points.json?{query}")
                    answers.append((answer.status_code, answer.content, sorted(answer.headers.items())))
                assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("", 400, "series is missing: the numbers of the series, such as 7,9."),
        ("series=abc", 400, "Series are named by their numbers: 7,9."),
        ("series=99999999999", 400, "Series are named by their numbers: 7,9."),
        ("series=" + ",".join(map(str, range(1, 50))), 400, "At most 48 series can be shown at once."),
        ("series=1000000", 404, "This kit has no series 1000000."),
        ("series={air}&points=500", 400, "points must be one of 200, 400, 800, 1600."),
        ("series={air}&from=2026-11-28T09:00Z", 400, "Give both from and to, or neither."),
        ("series={air}&from=2026-11-28T09:00Z&to=2026-11-28T09:00Z", 400, "from must be before to."),
        (
            "series={air}&from=yesterday&to=2026-11-28T09:00Z",
            400,
            "from cannot be read: a time looks like 2026-11-28T09:00Z.",
        ),
        (
            "series={air}&from=2026-02-30T09:00Z&to=2026-11-28T09:00Z",
            400,
            "from cannot be read: there is no such time.",
        ),
        (
            "series={air}&from=1990-01-01T00:00Z&to=1991-01-01T00:00Z",
            400,
            "There are no readings in this range: it lies before 2010 or in the future.",
        ),
        (
            "series={air}&width=3",
            422,
            "This endpoint has no query parameter width. It has from, points, series, to, tz, vs.",
        ),
    ],
)
async def test_a_mistake_is_named(engine, query, status, sentence):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    async with clocked(engine) as client:
        answer = await client.get(f"/kits/{kit.serial}/points.json?{query.format(air=air)}")
    assert (answer.status_code, answer.json()["detail"]) == (status, sentence)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_any_range_is_answered_in_bounded_size(engine, database_url):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    await measure(database_url, kit, every_minute(HOUR_AGO, 60))
    async with clocked(engine) as client:
        for start, end in (
            ("0002-01-01T00:00Z", "9998-12-31T23:59Z"),
            ("2026-11-28T11:59:59Z", "2026-11-28T12:00Z"),
        ):
            for most in (200, 1600):
                answer = await found(client, kit, series=air, points=most, **{"from": start, "to": end})
                assert len(answer["series"][0]["index"]) <= most


@contextmanager
def statements_of(engine):
    statements: list[str] = []

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


async def test_six_series_take_no_more_statements_than_one(engine, database_url):
    names = [f"Sensor {number}" for number in range(6)]
    kit = await make_chart_kit(engine, *names)
    ids = [await series_id(engine, kit, name) for name in names]
    for name in names:
        await measure(database_url, kit, every_minute(HOUR_AGO, 60), name=name)
    counts = []
    for chosen in (ids[:1], ids):
        async with clocked(engine) as client:
            with statements_of(engine) as statements:
                await found(client, kit, series=",".join(map(str, chosen)))
            counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_a_backlog_is_summed_up_first_and_too_long_a_one_is_answered_with_when_to_ask_again(
    engine, database_url
):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    start = NOW - timedelta(days=4)
    await measure(database_url, kit, [(start + timedelta(hours=each), 20.0) for each in range(90)])

    class TooLong(CatchingUp):
        async def catch_up(self, backlog):
            raise StillRollingUp

    connect = connector(DatabaseUrl.parse(database_url), "test")
    query = {"from": "2026-11-24T12:00Z", "to": "2026-11-28T12:00Z"}
    async with clocked(engine, rollups=TooLong(connect)) as client:
        answer = await points(client, kit, series=air, **query)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "still being summed up" in answer.json()["detail"]
    async with clocked(engine, rollups=CatchingUp(connect)) as client:
        answer = await found(client, kit, series=air, **query)
        assert len(answer["series"][0]["index"]) == 90
    async with engine.begin() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM series_hours")) >= 90


async def test_series_of_another_kit_are_not_shown(engine):
    one, other = await make_chart_kit(engine), await make_chart_kit(engine)
    foreign = await series_id(engine, other)
    async with clocked(engine) as client:
        assert (await points(client, one, series=foreign)).status_code == 404


async def test_other_quantities_have_their_own_precision(engine, database_url):
    kit = await make_chart_kit(engine)
    for type_, value in ((PRESSURE, 1011.26), (HUMIDITY, 53.126)):
        await measure(database_url, kit, [(HOUR_AGO, value)], quantity_type_id=type_)
    ids = [await series_id(engine, kit, quantity_type_id=type_) for type_ in (PRESSURE, HUMIDITY)]
    async with clocked(engine) as client:
        answer = await found(client, kit, series=",".join(map(str, ids)), **FROM_HOUR_AGO)
    assert [(each["decimals"], each["mean"]) for each in answer["series"]] == [(0, [1011.3]), (0, [53.13])]


async def test_nights_are_those_where_the_kit_stands_and_tell_no_exact_place(engine):
    kit = await make_chart_kit(engine)
    air = await series_id(engine, kit)
    query = {"series": air, "from": "2026-11-28T00:00Z", "to": "2026-11-29T00:00Z"}
    async with clocked(engine) as client:
        assert (await found(client, kit, **query))["nights"] == []
        answers = []
        for latitude, longitude in ((52.4, 4.9), (51.8, 5.2)):
            async with engine.begin() as connection:
                await connection.execute(
                    text("UPDATE kits SET latitude = :latitude, longitude = :longitude WHERE id = :id"),
                    {"latitude": latitude, "longitude": longitude, "id": kit.id},
                )
            async with clocked(engine) as another:
                answers.append((await found(another, kit, **query))["nights"])
    assert answers[0] == answers[1]
    midnight = seconds(NOW.replace(hour=0))
    (before, sunrise), (sunset, after) = answers[0]
    assert (before, after) == (midnight, midnight + 86_400)
    assert abs(sunrise - midnight - (7 * 60 + 22) * 60) < 600
    assert abs(sunset - midnight - (15 * 60 + 33) * 60) < 600
