"""Quantity types and peripheral definitions over HTTP (http-api 4.3)."""

from __future__ import annotations

from api_client import Installation

from hortus.domain.definitions.store import built_in_definitions


async def test_all_quantity_types_are_one_page(api: Installation) -> None:
    response = await api.client.get("/quantity-types")
    assert response.json() == [
        {"id": number, **quantity_type}
        for number, quantity_type in enumerate(built_in_definitions()["quantityTypes"], 1)
    ]
    assert "x-next" not in response.headers


async def test_all_definitions_are_one_page_with_null_where_there_is_no_command(api: Installation) -> None:
    response = await api.client.get("/peripheral-definitions")
    expected = [
        {
            "id": number,
            **{key: definition[key] for key in ("name", "description", "brand", "model")},
            **{key: definition[key] for key in ("symbolLocation", "symbol")},
            **{key: definition[key] for key in ("configurationSchema", "commandSchema")},
        }
        for number, definition in enumerate(built_in_definitions()["peripheralDefinitions"], 1)
    ]
    assert response.json() == expected
    assert any(definition["commandSchema"] is None for definition in expected)
    assert "x-next" not in response.headers


async def test_expected_quantity_types_are_on_every_definition_when_asked_for(api: Installation) -> None:
    response = await api.client.get("/peripheral-definitions?withExpectedQuantityTypes=true")
    expected = {definition["name"]: definition["expectedQuantityTypes"] for definition in response.json()}
    assert expected["Virtual barometer"] == [1, 2, 3]
    assert expected["AstroPlant fans"] == []


async def test_a_list_goes_on_after_an_id(api: Installation) -> None:
    everything = (await api.client.get("/quantity-types")).json()
    assert (await api.client.get("/quantity-types?after=3")).json() == everything[3:]
    assert (await api.client.get("/peripheral-definitions?after=2147483647")).json() == []


async def test_a_browser_that_knows_the_list_is_told_so(api: Installation) -> None:
    first = await api.client.get("/peripheral-definitions")
    again = await api.client.get("/peripheral-definitions", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await api.client.get(
        "/peripheral-definitions?withExpectedQuantityTypes=true",
        headers={"If-None-Match": first.headers["etag"]},
    )
    assert other.status_code == 200
