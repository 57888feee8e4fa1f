"""Lists of readings and aggregates by range, series, direction and page size (http-api 4.8)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from api_client import Installation, assert_problem
from series_chamber import HUMIDITY, LONG_AGO, TEMPERATURE, Chamber, make_chamber

LINK = re.compile(r'<([^>]+)>; rel="next"')
KINDS = {"raw-measurements": "datetime", "aggregate-measurements": "datetimeStart"}


@pytest.fixture
async def chamber(api: Installation) -> Chamber:
    made = await make_chamber(api)
    await made.configured(["Soil", "Air"])
    return made


@pytest.fixture
async def full_chamber(chamber: Chamber) -> Chamber:
    """Two configurations, three sensors, two quantities, and gaps of hours, days and a month."""
    times = [
        *(LONG_AGO + timedelta(minutes=7 * number) for number in range(30)),
        *(LONG_AGO + timedelta(days=2, seconds=number // 4) for number in range(30)),
        *(LONG_AGO + timedelta(days=45, hours=number) for number in range(10)),
    ]
    for remainder in range(6):
        name = ("Soil", "Air")[remainder % 2]
        quantity_type = (TEMPERATURE, HUMIDITY)[remainder % 3 == 0]
        await chamber.measured([(at, 1.0) for at in times[remainder::6]], name, quantity_type)
        await add_aggregates(chamber, times[remainder::6], name, quantity_type)
    return chamber


async def add_aggregates(chamber: Chamber, times: list[datetime], name: str, quantity_type: int) -> None:
    await chamber.api.run(
        "INSERT INTO aggregate_measurements (datetime_start, datetime_end, id, kit_id, peripheral_id, "
        "kit_configuration_id, quantity_type_id, values) "
        "SELECT CAST(at AS timestamptz), CAST(at AS timestamptz), gen_random_uuid(), kit_id, id, "
        """kit_configuration_id, :quantity_type, '{"count": 1}' """
        "FROM peripherals, unnest(CAST(:times AS text[])) AS at WHERE id = :peripheral",
        times=[at.isoformat() for at in times],
        quantity_type=quantity_type,
        peripheral=chamber.peripherals[name].id,
    )


async def pages(chamber: Chamber, kind: str, **query: Any) -> list[list[dict[str, Any]]]:
    """Return all pages of a list, following its links."""
    path = f"/kits/{chamber.kit.serial}/{kind}"
    parameters = {name.rstrip("_"): str(value) for name, value in query.items()}
    response = await chamber.api.client.get(path, params=parameters, headers=chamber.owner.headers)
    found = []
    while True:
        assert response.status_code == 200, response.text
        found.append(response.json())
        if "link" not in response.headers:
            return found
        link = LINK.fullmatch(response.headers["link"])
        assert link is not None
        response = await chamber.api.client.get(link[1], headers=chamber.owner.headers)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rolled_up", [False, True])
async def test_every_combination_gives_exactly_what_it_says_each_once(
    full_chamber: Chamber, kind: str, rolled_up: bool
) -> None:
    chamber = full_chamber
    if rolled_up:
        await chamber.rolled_up()
    at = KINDS[kind]
    everything = [row for page in await pages(chamber, kind, limit=1000) for row in page]
    assert len(everything) == 70
    assert [(row[at], row["id"]) for row in everything] == sorted(
        ((row[at], row["id"]) for row in everything), reverse=True
    )
    soil = chamber.peripherals["Soil"].id
    configuration = everything[0]["kitConfigurationId"]
    span = ("2026-01-10T00:14:00Z", "2026-01-12T00:00:05Z")
    filters: list[tuple[dict[str, Any], Any]] = [
        ({}, lambda row: True),
        ({"peripheral": soil}, lambda row: row["peripheralId"] == soil),
        ({"quantityType": HUMIDITY}, lambda row: row["quantityTypeId"] == HUMIDITY),
        ({"configuration": configuration}, lambda row: row["kitConfigurationId"] == configuration),
        (
            {"peripheral": soil, "quantityType": TEMPERATURE, "configuration": configuration},
            lambda row: (
                row["peripheralId"] == soil
                and row["quantityTypeId"] == TEMPERATURE
                and row["kitConfigurationId"] == configuration
            ),
        ),
    ]
    for query, wanted in filters:
        for limit, order in ((3, "asc"), (7, "desc"), (70, "asc")):
            inside = [
                row
                for row in everything
                if wanted(row) and moment(span[0]) <= moment(row[at]) < moment(span[1])
            ]
            found = await pages(chamber, kind, **query, from_=span[0], to=span[1], order=order, limit=limit)
            assert [row for page in found for row in page] == (inside if order == "desc" else inside[::-1])
            assert all(len(page) == limit for page in found[:-1])
        found = await pages(chamber, kind, **query)
        assert [row for page in found for row in page] == [row for row in everything if wanted(row)]


async def test_a_reading_has_all_its_keys(chamber: Chamber) -> None:
    await chamber.measured([(datetime(2026, 2, 27, 12, 0, 0, 250_000, tzinfo=UTC), 3.0)])
    first = (await pages(chamber, "raw-measurements", limit=1))[0][0]
    identifier = first.pop("id")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", identifier)
    assert first == {
        "peripheralId": chamber.peripherals["Air"].id,
        "kitId": chamber.kit.id,
        "kitConfigurationId": chamber.configurations["Air"],
        "quantityTypeId": TEMPERATURE,
        "datetime": "2026-02-27T12:00:00.250Z",
        "receivedAt": "2026-02-27T12:00:00.250Z",
        "value": 3.0,
        "implausible": False,
    }


async def test_the_link_repeats_what_was_asked_for_and_nothing_else(full_chamber: Chamber) -> None:
    chamber = full_chamber
    path = f"/kits/{chamber.kit.serial}/raw-measurements"
    query = f"configuration={chamber.configurations['Air']}&from=2026-01-01T00:00:00%2B01:00&order=asc&limit=2"
    response = await chamber.api.client.get(f"{path}?{query}", headers=chamber.owner.headers)
    last = response.json()[-1]
    link = LINK.fullmatch(response.headers["link"])
    assert link is not None
    assert unquote(link[1]) == (
        f'{path}?cursor=["{last["datetime"]}","{last["id"]}"]&configuration={chamber.configurations["Air"]}'
        "&from=2025-12-31T23:00:00Z&order=asc&limit=2"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("order=up", "order"),
        ("from=2026-13-01T00:00:00Z", "from"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from is later than to"),
        ("cursor=[]", "cursor"),
    ],
)
async def test_what_cannot_be_read_is_refused_in_words(
    chamber: Chamber, kind: str, query: str, says: str
) -> None:
    response = await chamber.api.client.get(
        f"/kits/{chamber.kit.serial}/{kind}?{query}", headers=chamber.owner.headers
    )
    assert says in response.json()["detail"]
    assert_problem(response, 400)


@pytest.mark.parametrize("kind", KINDS)
async def test_readings_of_private_kits_are_hidden(chamber: Chamber, kind: str) -> None:
    stranger = await chamber.api.person()
    path = f"/kits/{chamber.kit.serial}/{kind}"
    assert_problem(await chamber.api.client.get(path, headers=stranger.headers), 404)
    assert (await chamber.api.client.get(path)).status_code == 401


@pytest.mark.parametrize("kind", KINDS)
async def test_a_peripheral_of_another_kit_gives_nothing(chamber: Chamber, kind: str) -> None:
    other = await make_chamber(chamber.api)
    assert await pages(chamber, kind, peripheral=other.peripherals["Air"].id) == [[]]
