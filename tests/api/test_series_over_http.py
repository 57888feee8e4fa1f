"""Series over HTTP: what a kit measures, how fresh it is, and the points of its charts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from api_client import Installation, assert_problem
from series_chamber import LONG_AGO, Chamber, make_chamber

HOUR = timedelta(hours=1)


@pytest.fixture
async def chamber(api: Installation) -> Chamber:
    return await make_chamber(api)


async def test_a_series_has_all_its_keys_before_and_after_its_first_reading(chamber: Chamber) -> None:
    (before,) = await chamber.series()
    expected = {
        "id": before["id"],
        "peripheralName": "Air",
        "peripheralId": chamber.peripherals["Air"].id,
        "inActiveConfiguration": True,
        "quantityType": {"id": 1, "quantity": "Temperature", "unit": "Degrees Celsius", "symbol": "°C"},
        "lastValue": None,
        "lastTime": None,
        "ageSeconds": None,
        "measurementIntervalSeconds": 3600.0,
        "freshness": "never",
        "implausible": None,
    }
    assert before == expected

    at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=3)
    await chamber.measured([(at, 21.0), (at - timedelta(minutes=1), 5.0)])
    (after,) = await chamber.series()
    assert 3 <= after.pop("ageSeconds") < 3600
    del expected["ageSeconds"]
    assert after == expected | {
        "lastValue": 21.0,
        "lastTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "freshness": "live",
    }


@pytest.mark.parametrize("rolled_up", [False, True])
async def test_freshness_goes_by_the_interval_of_the_peripheral(chamber: Chamber, rolled_up: bool) -> None:
    await chamber.configured(["Quick", "Usual", "Slow"])
    quick = {"intervals": {"measurementInterval": 60, "aggregateInterval": 1800}}
    await chamber.api.run(
        "UPDATE peripherals SET configuration = CAST(:settings AS json) WHERE id = :id",
        settings=json.dumps(quick),
        id=chamber.peripherals["Quick"].id,
    )
    await chamber.api.run(
        "UPDATE peripherals SET configuration = 'null' WHERE id = :id", id=chamber.peripherals["Usual"].id
    )
    at = datetime.now(UTC) - timedelta(minutes=15)
    for name in ("Quick", "Usual", "Slow"):
        await chamber.measured([(at, 1.0)], name)
    if rolled_up:
        await chamber.rolled_up()
    found = {series["peripheralName"]: series["freshness"] for series in await chamber.series()}
    assert found == {"Quick": "stale", "Usual": "late", "Slow": "live"}


@pytest.mark.parametrize("rolled_up", [False, True])
async def test_a_reading_from_the_future_never_becomes_the_latest(chamber: Chamber, rolled_up: bool) -> None:
    now = datetime.now(UTC)
    await chamber.measured([(now - timedelta(minutes=5), 1.0), (now + timedelta(hours=20), 99.0)])
    if rolled_up:
        await chamber.rolled_up()
    (series,) = await chamber.series()
    assert series["lastValue"] == 1.0
    assert (await chamber.chart())["columns"]["mean"] == [1.0]


async def test_a_series_goes_on_through_configurations_and_keeps_its_id_after_it_left_them(
    chamber: Chamber,
) -> None:
    await chamber.measured([(LONG_AGO, 1.0)])
    (first,) = await chamber.series()
    await chamber.configured(["Air"])
    await chamber.measured([(LONG_AGO + timedelta(minutes=1), 2.0)])
    await chamber.configured(["Water"])
    listed = {series["peripheralName"]: series for series in await chamber.series()}
    assert set(listed) == {"Air", "Water"}
    assert listed["Air"]["id"] == first["id"]
    assert (listed["Air"]["peripheralId"], listed["Air"]["inActiveConfiguration"]) == (None, False)
    assert listed["Air"]["lastValue"] == 2.0
    chart = await chamber.chart(first["id"], from_="2026-01-10T00:00:00Z", to="2026-01-10T01:00:00Z")
    assert chart["columns"]["mean"] == [1.0, 2.0]


@pytest.mark.parametrize("rolled_up", [False, True])
async def test_few_readings_are_shown_as_they_are(chamber: Chamber, rolled_up: bool) -> None:
    at = [LONG_AGO + timedelta(minutes=minute) for minute in range(3)]
    await chamber.measured([(moment, float(number)) for number, moment in enumerate(at)])
    if rolled_up:
        await chamber.rolled_up()
    (series,) = await chamber.series()
    chart = await chamber.chart(from_="2026-01-10T01:01:00+01:00", to="2026-01-10T00:30:00Z")
    assert chart == {
        "id": series["id"],
        "peripheralName": "Air",
        "quantityType": series["quantityType"],
        "source": "raw",
        "bucketSeconds": None,
        "from": "2026-01-10T00:01:00Z",
        "to": "2026-01-10T00:30:00Z",
        "columns": {
            "time": [round(moment.timestamp() * 1000) for moment in at[1:]],
            "mean": [1.0, 2.0],
            "minimum": None,
            "maximum": None,
            "count": None,
        },
        "implausible": {"time": [], "value": [], "count": None},
    }


@pytest.mark.parametrize("rolled_up", [False, True])
async def test_many_readings_come_in_whole_buckets_and_gaps_stay_gaps(
    chamber: Chamber, rolled_up: bool
) -> None:
    # Ten minutes, an hour of silence, and ten minutes more.
    minutes = [*range(10), *range(70, 80)]
    await chamber.measured([(LONG_AGO + timedelta(minutes=each), float(each % 10)) for each in minutes])
    if rolled_up:
        await chamber.rolled_up()
    chart = await chamber.chart(from_="2026-01-10T00:01:30Z", to="2026-01-10T01:20:00Z", points=16)
    start_ms = round(LONG_AGO.timestamp() * 1000)
    assert (chart["source"], chart["bucketSeconds"]) == ("raw", 300)
    assert (chart["from"], chart["to"]) == ("2026-01-10T00:00:00Z", "2026-01-10T01:20:00Z")
    assert chart["columns"] == {
        "time": [start_ms + minute * 60_000 for minute in (0, 5, 70, 75)],
        "mean": [2.0, 7.0, 2.0, 7.0],
        "minimum": [0.0, 5.0, 0.0, 5.0],
        "maximum": [4.0, 9.0, 4.0, 9.0],
        "count": [5, 5, 5, 5],
    }


@pytest.mark.parametrize("rolled_up", [False, True])
@pytest.mark.parametrize(
    ("to", "points", "source", "bucket_seconds", "figures"),
    [
        ("2026-01-20T00:00:00Z", 300, "hour", 3600, (240, 1.5, 1.0, 2.0, 2)),
        ("2026-01-20T00:00:00Z", 60, "hour", 14_400, (60, 1.5, 1.0, 2.0, 8)),
        ("2026-02-09T00:00:00Z", 40, "day", 86_400, (10, 1.5, 1.0, 2.0, 48)),
        ("2026-02-09T00:00:00Z", 1, "day", 2_592_000, (1, 1.5, 1.0, 2.0, 480)),
    ],
)
async def test_longer_charts_come_from_hours_and_days(
    chamber: Chamber,
    rolled_up: bool,
    to: str,
    points: int,
    source: str,
    bucket_seconds: int,
    figures: tuple[int, float, float, float, int],
) -> None:
    half_hours = [LONG_AGO + timedelta(minutes=30 * number) for number in range(480)]
    await chamber.measured([(at, 1.0 + number % 2) for number, at in enumerate(half_hours)])
    if rolled_up:
        await chamber.rolled_up()
    chart = await chamber.chart(from_="2026-01-10T00:00:00Z", to=to, points=points)
    columns = chart["columns"]
    length = len(columns["time"])
    assert (chart["source"], chart["bucketSeconds"]) == (source, bucket_seconds)
    assert (length, *(columns[name][0] for name in ("mean", "minimum", "maximum", "count"))) == figures
    assert length <= points
    assert sum(columns["count"]) == 480


@pytest.mark.parametrize("rolled_up", [False, True])
@pytest.mark.parametrize(
    ("from_", "to", "whole", "count"),
    [
        # Across midnight, the edge of a two-day bucket, and a year: no aligned bucket holds any of them.
        ("2026-01-10T23:30:00Z", "2026-01-11T00:30:00Z", ("2026-01-10T23:00:00Z", "2026-01-11T01:00:00Z"), 4),
        ("2026-01-10T12:00:00Z", "2026-01-12T12:00:00Z", None, 96),
        ("2026-01-09T12:00:00Z", "2026-01-19T18:00:00Z", None, 432),
    ],
)
async def test_one_point_is_one_point(
    chamber: Chamber, rolled_up: bool, from_: str, to: str, whole: tuple[str, str] | None, count: int
) -> None:
    half_hours = [LONG_AGO + timedelta(minutes=30 * number) for number in range(480)]
    await chamber.measured([(at, 1.0 + number % 2) for number, at in enumerate(half_hours)])
    if rolled_up:
        await chamber.rolled_up()
    chart = await chamber.chart(from_=from_, to=to, points=1)
    columns = chart["columns"]
    assert len(columns["time"]) == 1
    assert columns["mean"] == [1.5]
    assert columns["count"][0] >= count
    assert chart["from"] <= from_
    assert chart["to"] >= to
    if whole is not None:
        assert (chart["from"], chart["to"]) == whole


async def test_without_a_range_it_is_the_last_day(chamber: Chamber) -> None:
    now = datetime.now(UTC)
    await chamber.measured([(now - timedelta(hours=hours), float(hours)) for hours in (1, 23, 25)])
    assert (await chamber.chart())["columns"]["mean"] == [23.0, 1.0]
    from_ = (now - timedelta(hours=26)).isoformat()
    assert (await chamber.chart(from_=from_))["columns"]["mean"] == [25.0, 23.0, 1.0]


async def test_any_range_is_answered_however_long_ago_or_far_away(chamber: Chamber) -> None:
    await chamber.measured([(LONG_AGO, 7.0)])
    all_times = await chamber.chart(from_="0002-01-01T00:00:00Z", to="9998-12-31T23:59:59Z", points=5000)
    assert all_times["columns"]["mean"] == [7.0]
    assert all_times["source"] == "day"
    for nothing in ("0002-01-01T00:00:00Z", "9998-01-01T00:00:00Z"):
        assert (await chamber.chart(from_=nothing, to=nothing))["columns"]["time"] == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("points=0", "points"),
        ("points=5001", "points"),
        ("points=many", "points"),
        ("from=yesterday", "from"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from is later than to"),
        ("to=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "once"),
    ],
)
async def test_a_request_that_makes_no_sense_is_told_why(chamber: Chamber, query: str, says: str) -> None:
    response = await chamber.api.client.get(
        f"/kits/{chamber.kit.serial}/series/1?{query}", headers=chamber.owner.headers
    )
    assert says in response.json()["detail"]
    assert_problem(response, 400)


async def test_nobody_learns_that_a_private_series_exists(api: Installation, chamber: Chamber) -> None:
    (series,) = await chamber.series()
    stranger = await api.person()
    for path in (f"/kits/{chamber.kit.serial}/series", f"/kits/{chamber.kit.serial}/series/{series['id']}"):
        assert_problem(await api.client.get(path, headers=stranger.headers), 404)
        hidden = await api.client.get(path)
        assert hidden.status_code == 401
    # A series of another kit does not belong to this one.
    other = await api.kit()
    await api.join(other, chamber.owner)
    path = f"/kits/{other.serial}/series/{series['id']}"
    assert_problem(await api.client.get(path, headers=chamber.owner.headers), 404)


async def test_a_public_kit_shows_its_series_to_everybody(api: Installation) -> None:
    kit = await api.kit(public=True)
    response = await api.client.get(f"/kits/{kit.serial}/series")
    assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize("rolled_up", [False, True])
async def test_a_value_that_cannot_be_never_becomes_the_latest_and_is_shown_as_such(
    chamber: Chamber, rolled_up: bool
) -> None:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
    wrong = at + timedelta(minutes=5)
    await chamber.measured([(at, 21.0), (wrong - timedelta(minutes=1), 1e308), (wrong, 327.67)])
    if rolled_up:
        await chamber.rolled_up()
    (series,) = await chamber.series()
    assert (series["lastValue"], series["lastTime"]) == (21.0, at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert series["implausible"] == {
        "value": 327.67,
        "time": wrong.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "explanation": "Sensor reports 327.67 °C, which is outside what is possible for temperature "
        "(−90 to 150 °C): check the sensor and its wiring.",
    }
    chart = await chamber.chart()
    assert chart["columns"]["mean"] == [21.0]
    assert chart["implausible"]["value"] == [1e308, 327.67]

    await chamber.measured([(wrong + timedelta(minutes=1), 22.0)])
    (series,) = await chamber.series()
    assert (series["lastValue"], series["implausible"]) == (22.0, None)


async def test_a_bucket_counts_its_implausible_readings_apart(chamber: Chamber) -> None:
    values = [20.0, 85.0, 22.0, -127.0]
    await chamber.measured([(LONG_AGO + timedelta(minutes=n), value) for n, value in enumerate(values)])
    await chamber.measured([(LONG_AGO + timedelta(hours=3), 400.0)])
    start = {"from": "2026-01-10T00:00:00Z", "to": "2026-01-11T00:00:00Z"}
    for _ in range(2):
        chart = await chamber.chart(**start, points=3)
        assert (chart["columns"]["count"], chart["columns"]["minimum"]) == ([3], [20.0])
        assert chart["implausible"]["count"] == [2]
        chart = await chamber.chart(**(start | {"to": "2026-01-10T04:00:00Z"}), points=4)
        assert (len(chart["columns"]["time"]), chart["implausible"]["count"]) == (1, [1, 1])
        await chamber.rolled_up()


async def test_a_sensor_that_only_sends_error_values_has_no_latest_value(chamber: Chamber) -> None:
    await chamber.configured(["Water"], definition="AstroPlant water temperature sensor")
    now = datetime.now(UTC)
    await chamber.measured([(now - timedelta(hours=hours), 85.0) for hours in range(1, 30)], "Water")
    for _ in range(2):
        (water,) = [each for each in await chamber.series() if each["peripheralName"] == "Water"]
        assert (water["lastValue"], water["freshness"]) == (None, "never")
        assert water["implausible"]["explanation"] == (
            "Sensor reports 85 °C, which the DS18B20 sends when it has just lost power: check its wiring."
        )
        await chamber.rolled_up()


async def test_days_are_local_on_request_and_utc_otherwise(chamber: Chamber) -> None:
    zone = ZoneInfo("Asia/Kathmandu")
    midnight = datetime(2026, 1, 10, tzinfo=zone).astimezone(UTC)
    # A quarter of an hour before and after local midnight, which is at 18:15 UTC.
    quarter = timedelta(minutes=15)
    await chamber.measured(
        [(midnight - quarter, 10.0), (midnight + quarter, 20.0), (midnight + 8 * HOUR, 30.0)]
    )
    days = {"from": "2026-01-09T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    await chamber.api.run("UPDATE kits SET time_zone = 'Asia/Kathmandu' WHERE id = :id", id=chamber.kit.id)
    for _ in range(2):
        utc = (await chamber.chart(**days, points=1))["columns"]
        assert "end" not in utc
        for local in ("kit", "Asia/Kathmandu"):
            chart = await chamber.chart(**days, points=60, local=local)
            columns = chart["columns"]
            assert chart["bucketSeconds"] == 86_400
            assert (columns["mean"], columns["count"]) == ([10.0, 25.0], [1, 2])
            assert columns["time"][1] == columns["end"][0] == midnight.timestamp() * 1000
            assert chart["from"] == "2026-01-08T18:15:00Z"
        await chamber.rolled_up()


async def test_a_zone_that_does_not_exist_is_named(chamber: Chamber) -> None:
    (series,) = await chamber.series()
    response = await chamber.api.client.get(
        f"/kits/{chamber.kit.serial}/series/{series['id']}",
        params={"local": "Europe/Amsterdem"},
        headers=chamber.owner.headers,
    )
    assert_problem(response, 422)
    assert response.json()["detail"] == (
        "local: There is no time zone of this name; the closest is Europe/Amsterdam."
    )
