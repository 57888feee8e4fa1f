"""Aggregates and media over HTTP (http-api 4.8 and 4.10)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote
from uuid import UUID, uuid4

import httpx
import pytest
from api_client import Installation, Person, assert_problem

from hortus.domain.kits.store import CreatedKit, add_standard_configuration

LINK = re.compile(r'<([^>]+)>; rel="next"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A kit with peripherals that have sent data."""

    kit: CreatedKit
    owner: Person
    configuration: int
    peripherals: tuple[int, ...]


@pytest.fixture
async def source(api: Installation) -> Source:
    kit = await api.kit()
    async with api.engine.begin() as connection:
        created = await add_standard_configuration(connection, kit.id)
    configuration = await api.scalar("SELECT id FROM kit_configurations WHERE kit_id = :kit", kit=kit.id)
    return Source(
        kit=kit,
        owner=await api.member(kit, access_super=True),
        configuration=configuration,
        peripherals=tuple(each.id for each in created),
    )


async def add_aggregate(
    api: Installation, source: Source, identifier: UUID, start: str, peripheral: int = 0, quantity_type: int = 1
) -> None:
    await api.run(
        "INSERT INTO aggregate_measurements (datetime_start, datetime_end, id, kit_id, peripheral_id, "
        "kit_configuration_id, quantity_type_id, values) VALUES (CAST(CAST(:start AS text) AS timestamptz), "
        "'2026-02-28T00:00:00.123456Z', :id, :kit, :peripheral, :configuration, :quantity_type, "
        """'{"count": 30, "average": 21.5, "minimum": 21, "maximum": 22.25}')""",
        start=start,
        id=identifier,
        kit=source.kit.id,
        peripheral=source.peripherals[peripheral],
        configuration=source.configuration,
        quantity_type=quantity_type,
    )


async def follow(api: Installation, response: httpx.Response, headers: dict[str, str]) -> list[httpx.Response]:
    """Return this page and all that follow."""
    pages = [response]
    while "link" in pages[-1].headers:
        link = LINK.fullmatch(pages[-1].headers["link"])
        assert link is not None
        pages.append(await api.client.get(link[1], headers=headers))
    return pages


async def test_an_aggregate_has_all_its_keys_and_whole_floats_keep_their_point(
    api: Installation, source: Source
) -> None:
    identifier = uuid4()
    await add_aggregate(api, source, identifier, "2026-01-05T00:00:00.5Z")
    response = await api.client.get(
        f"/kits/{source.kit.serial}/aggregate-measurements", headers=source.owner.headers
    )
    assert response.headers["content-type"] == "application/json"
    assert response.json() == [
        {
            "id": str(identifier),
            "peripheralId": source.peripherals[0],
            "kitId": source.kit.id,
            "kitConfigurationId": source.configuration,
            "quantityTypeId": 1,
            "datetimeStart": "2026-01-05T00:00:00.500Z",
            "datetimeEnd": "2026-02-28T00:00:00.123456Z",
            "values": {"count": 30.0, "average": 21.5, "minimum": 21.0, "maximum": 22.25},
            "implausible": False,
        }
    ]
    assert '"count":30.0' in response.text
    assert "link" not in response.headers


async def test_aggregates_come_newest_first_fifty_at_a_time_each_exactly_once(
    api: Installation, source: Source
) -> None:
    # Many begin at the same instant, across the edge of a page and of a month.
    for day in ("01-30", "01-31", "02-01"):
        for number in range(40):
            await add_aggregate(
                api, source, uuid4(), f"2026-{day}T00:00:00.250Z", peripheral=number % 2, quantity_type=1
            )
    path = f"/kits/{source.kit.serial}/aggregate-measurements"
    headers = source.owner.headers
    pages = await follow(api, await api.client.get(path, headers=headers), headers)
    assert [len(page.json()) for page in pages] == [50, 50, 20]
    keys = [(row["datetimeStart"], row["id"]) for page in pages for row in page.json()]
    assert keys == sorted(set(keys), reverse=True)
    assert len(keys) == 120

    query = {"peripheral": source.peripherals[1], "quantityType": 1, "configuration": source.configuration}
    first = await api.client.get(path, params=query, headers=headers)
    last = first.json()[-1]
    assert unquote(LINK.fullmatch(first.headers["link"])[1]) == (  # type: ignore[index]
        f'{path}?cursor=["{last["datetimeStart"]}","{last["id"]}"]&configuration={source.configuration}'
        f"&peripheral={source.peripherals[1]}&quantityType=1"
    )
    filtered = await follow(api, first, headers)
    assert [len(page.json()) for page in filtered] == [50, 10]
    assert {row["peripheralId"] for page in filtered for row in page.json()} == {source.peripherals[1]}


async def test_filters_that_fit_nothing_give_an_empty_list(api: Installation, source: Source) -> None:
    await add_aggregate(api, source, uuid4(), "2026-01-05T00:00:00Z")
    other = await api.kit()
    async with api.engine.begin() as connection:
        foreign = await add_standard_configuration(connection, other.id)
    for query in (
        {"peripheral": foreign[0].id},
        {"peripheral": 2**31 - 1},
        {"quantityType": 2},
        {"configuration": 2**31 - 1},
    ):
        for list_name in ("aggregate-measurements", "media"):
            response = await api.client.get(
                f"/kits/{source.kit.serial}/{list_name}", params=query, headers=source.owner.headers
            )
            assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "[]",
        "{}",
        '["2026-01-01T00:00:00Z"]',
        '["2026-01-01","0b0e0d0c-0000-4000-8000-000000000001"]',
        '["2026-01-01T00:00:00Z","0b0e"]',
        '["2026-01-01T00:00:00Z",1]',
        '[1,"0b0e0d0c-0000-4000-8000-000000000001"]',
        '["0001-01-01T00:00:00+14:00","0b0e0d0c-0000-4000-8000-000000000001"]',
    ],
)
async def test_a_cursor_that_is_none_is_a_problem(api: Installation, source: Source, cursor: str) -> None:
    for list_name in ("aggregate-measurements", "media"):
        response = await api.client.get(
            f"/kits/{source.kit.serial}/{list_name}",
            params={"cursor": cursor},
            headers=source.owner.headers,
        )
        assert_problem(response, 400)


async def add_medium(api: Installation, source: Source, identifier: UUID, time: str) -> None:
    await api.run(
        "INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, datetime, name, type, metadata, "
        "size) VALUES (:id, :peripheral, :kit, :configuration, CAST(CAST(:time AS text) AS timestamptz), "
        """'leaf.png', 'image/png', '{"exposure": 1}', 12345678901)""",
        id=identifier,
        peripheral=source.peripherals[0],
        kit=source.kit.id,
        configuration=source.configuration,
        time=time,
    )


async def test_media_are_listed_newest_first_fifty_at_a_time(api: Installation, source: Source) -> None:
    identifiers = [uuid4() for _ in range(60)]
    for number, identifier in enumerate(identifiers):
        await add_medium(api, source, identifier, f"2026-01-01T00:00:{number // 2:02d}Z")
    path, headers = f"/kits/{source.kit.serial}/media", source.owner.headers
    query = {"configuration": source.configuration}
    pages = await follow(api, await api.client.get(path, params=query, headers=headers), headers)
    assert [len(page.json()) for page in pages] == [50, 10]
    rows = [row for page in pages for row in page.json()]
    assert [(row["datetime"], row["id"]) for row in rows] == sorted(
        ((row["datetime"], row["id"]) for row in rows), reverse=True
    )
    assert {row["id"] for row in rows} == {str(identifier) for identifier in identifiers}
    assert rows[0] == {
        "id": rows[0]["id"],
        "peripheralId": source.peripherals[0],
        "kitId": source.kit.id,
        "kitConfigurationId": source.configuration,
        "datetime": "2026-01-01T00:00:29Z",
        "name": "leaf.png",
        "type": "image/png",
        "metadata": {"exposure": 1},
        "size": 12345678901,
        "hasThumbnail": False,
    }


async def test_a_deleted_medium_waits_for_the_deletion_of_its_content(
    api: Installation, source: Source
) -> None:
    identifier = uuid4()
    await add_medium(api, source, identifier, "2026-01-01T00:00:00Z")
    deleted = await api.client.delete(f"/media/{identifier}", headers=source.owner.headers)
    assert (deleted.status_code, deleted.content) == (200, b"")
    queued = "SELECT kit_serial FROM queue_media_pending_deletion WHERE media_id = :id"
    assert await api.scalar(queued, id=identifier) == source.kit.serial
    assert_problem(await api.client.delete(f"/media/{identifier}", headers=source.owner.headers), 404)


async def test_lists_mark_what_cannot_have_been_measured(api: Installation, source: Source) -> None:
    await api.run(
        "UPDATE peripherals SET peripheral_definition_id = (SELECT id FROM peripheral_definitions "
        "WHERE name = 'AstroPlant water temperature sensor') WHERE id = :id",
        id=source.peripherals[0],
    )
    # An hour with a lone error value, and one in which 85 degrees were measured.
    values = [("10:00", 20.0), ("10:01", 85.0), ("10:02", -127.0), ("11:00", 85.0), ("11:01", 84.0)]
    for time, value in values:
        await api.run(
            "INSERT INTO raw_measurements (datetime, value, id, kit_id, peripheral_id, kit_configuration_id, "
            "quantity_type_id) VALUES (CAST(CAST(:at AS text) AS timestamptz), :value, :id, :kit, :peripheral, "
            ":configuration, 1)",
            at=f"2026-01-05T{time}:00Z",
            value=value,
            id=uuid4(),
            kit=source.kit.id,
            peripheral=source.peripherals[0],
            configuration=source.configuration,
        )
    path = f"/kits/{source.kit.serial}/raw-measurements"
    listed = (await api.client.get(path, params={"order": "asc"}, headers=source.owner.headers)).json()
    assert [(row["value"], row["implausible"]) for row in listed] == [
        (20.0, False),
        (85.0, True),
        (-127.0, True),
        (85.0, False),
        (84.0, False),
    ]
    page = {"limit": 1, "from": "2026-01-05T11:00:00Z", "to": "2026-01-05T11:00:30Z"}
    (alone,) = (await api.client.get(path, params=page, headers=source.owner.headers)).json()
    assert (alone["value"], alone["implausible"]) == (85.0, False)  # whatever else is on the page
