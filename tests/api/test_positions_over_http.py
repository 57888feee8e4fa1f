"""Exact positions are for members: nowhere does the API tell them to others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from api_client import Installation
from sqlalchemy import text

from hortus.domain.kits.position import rounded_position

EXACT = (52.37654321, 4.89512345)
ROUNDED = rounded_position(*EXACT)


@pytest.fixture
async def kit(api: Installation) -> Any:
    kit = await api.kit(public=True)
    async with api.engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE kits SET latitude = :north, longitude = :east, privacy_show_on_map = true "
                "WHERE serial = :serial"
            ),
            {"north": Decimal(str(EXACT[0])), "east": Decimal(str(EXACT[1])), "serial": kit.serial},
        )
    return kit


async def positions(api: Installation, serial: str, headers: dict[str, str]) -> list[tuple[float, float]]:
    """Return the position by the kit itself, and by the map."""
    one = (await api.client.get(f"/kits/{serial}", headers=headers)).json()
    listed = [
        each for each in (await api.client.get("/kits", headers=headers)).json() if each["serial"] == serial
    ]
    return [(each["latitude"], each["longitude"]) for each in [one, *listed]]


async def test_strangers_and_people_who_are_no_members_get_a_rounded_position(
    api: Installation, kit: Any
) -> None:
    person = await api.person()
    for headers in ({}, person.headers):
        assert await positions(api, kit.serial, headers) == [ROUNDED, ROUNDED]


async def test_members_and_administrators_get_the_exact_position(api: Installation, kit: Any) -> None:
    member, root = await api.person(), await api.person(is_admin=True)
    await api.join(kit, member)
    for person in (member, root):
        assert await positions(api, kit.serial, person.headers) == [EXACT, EXACT]


async def test_a_key_that_may_not_read_gets_a_rounded_position(api: Installation, kit: Any) -> None:
    member = await api.person()
    await api.join(kit, member)
    body = {"name": "Lamp", "scopes": ["control"]}
    key = (await api.client.post("/me/api-keys", json=body, headers=member.headers)).json()["key"]
    assert await positions(api, kit.serial, {"Authorization": f"Bearer {key}"}) == [ROUNDED, ROUNDED]


async def test_memberships_of_others_tell_strangers_a_rounded_position(api: Installation, kit: Any) -> None:
    member = await api.person()
    await api.join(kit, member)
    path = f"/users/{member.username}/kit-memberships"
    for headers, expected in (({}, ROUNDED), (member.headers, EXACT)):
        (membership,) = (await api.client.get(path, headers=headers)).json()
        assert (membership["kit"]["latitude"], membership["kit"]["longitude"]) == expected


async def test_half_a_position_is_told_to_nobody_else(api: Installation, kit: Any) -> None:
    async with api.engine.begin() as connection:
        await connection.execute(text("UPDATE kits SET longitude = NULL WHERE serial = :s"), {"s": kit.serial})
    assert await positions(api, kit.serial, {}) == [(None, None), (None, None)]
