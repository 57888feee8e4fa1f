"""Kits over HTTP: status, headers and bodies as http-api 4.4 has them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from api_client import Installation, assert_invalid, assert_problem

from hortus.domain.kits.identity import verify_password

FULL = {
    "name": "Basil",
    "description": "On the *roof*",
    "latitude": 52.0,
    "longitude": -4.12345678,
    "privacyPublicDashboard": True,
    "privacyShowOnMap": False,
    "timeZone": "Europe/Amsterdam",
}


async def test_a_kit_is_created_shown_changed_and_deleted(api: Installation) -> None:
    person = await api.person()
    created = await api.client.post("/kits", json=FULL, headers=person.headers)
    assert created.status_code == 201
    assert created.headers["content-type"] == "application/json"
    assert created.json().keys() == {"kitSerial", "password"}
    serial, password = created.json()["kitSerial"], created.json()["password"]
    assert re.fullmatch(r"k(-[346789bcdfghjkmnpqrtvwxy]{4}){3}", serial)
    assert len(password) == 24

    shown = await api.client.get(f"/kits/{serial}", headers=person.headers)
    assert shown.status_code == 200
    kit = shown.json()
    assert kit == {"id": kit["id"], "serial": serial, **FULL, "lastSeen": None}
    assert '"latitude":52.0,' in shown.text

    change = {**FULL, "name": None, "description": None, "latitude": None, "longitude": None, "timeZone": None}
    change |= {"privacyPublicDashboard": None, "privacyShowOnMap": True}
    changed = await api.client.patch(f"/kits/{serial}", json=change, headers=person.headers)
    assert changed.status_code == 200
    assert changed.json() == {
        "id": kit["id"],
        "serial": serial,
        "name": None,
        "description": None,
        "latitude": None,
        "longitude": None,
        "privacyPublicDashboard": True,
        "privacyShowOnMap": True,
        "timeZone": None,
        "lastSeen": None,
    }
    unchanged = await api.client.patch(f"/kits/{serial}", json={}, headers=person.headers)
    assert (unchanged.status_code, unchanged.json()) == (200, changed.json())

    deleted = await api.client.delete(f"/kits/{serial}", headers=person.headers)
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert "content-type" not in deleted.headers
    assert_problem(await api.client.get(f"/kits/{serial}/members", headers=person.headers), 404)


async def test_a_kit_that_breaks_rules_is_neither_made_nor_changed(api: Installation) -> None:
    kit = await api.kit()
    owner = await api.member(kit, access_configure=True)
    name = {"mustHaveLengthBetween": {"min": 1, "max": 40}}
    description = {"mustHaveLengthBetween": {"min": 1, "max": 5000}}
    latitude, longitude = ({"mustBeInRange": {"min": -limit, "max": limit}} for limit in (90.0, 180.0))
    wrong = {"name": "a" * 41, "description": "", "latitude": 90.001, "longitude": -1e300}
    reasons = {
        "name": [name],
        "description": [description],
        "latitude": [latitude],
        "longitude": [longitude],
    }
    flags = {"privacyPublicDashboard": False, "privacyShowOnMap": False}
    assert_invalid(await api.client.post("/kits", json={**wrong, **flags}, headers=owner.headers), **reasons)
    assert_invalid(await api.client.patch(f"/kits/{kit.serial}", json=wrong, headers=owner.headers), **reasons)
    nowhere = await api.client.patch(
        f"/kits/{kit.serial}", json={"timeZone": "Mars/Olympus"}, headers=owner.headers
    )
    assert_invalid(nowhere, timeZone=["other"])
    for missing in (
        {"name": "a"},
        {**flags, "privacyShowOnMap": None},
        {**flags, "latitude": "52"},
        {**flags, "privacyShowOnMap": 1},
    ):
        response = await api.client.post("/kits", json=missing, headers=owner.headers)
        assert_problem(response, 400, "/probs/invalid-json", category="semantic")


async def test_characters_are_counted_and_not_bytes(api: Installation) -> None:
    person = await api.person()
    body = {"name": "🌱" * 40, "privacyPublicDashboard": False, "privacyShowOnMap": False}
    assert (await api.client.post("/kits", json=body, headers=person.headers)).status_code == 201


async def test_a_new_password_replaces_the_old_one(api: Installation) -> None:
    kit = await api.kit()
    owner = await api.member(kit, access_super=True)
    response = await api.client.post(f"/kits/{kit.serial}/password", headers=owner.headers)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    stored = await api.scalar("SELECT password_hash FROM kits WHERE id = :id", id=kit.id)
    assert verify_password(response.json().encode(), stored)
    assert not verify_password(kit.password.encode(), stored)


class Noted:
    """Records the changes that an external broker would have to follow."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, ...]] = []

    async def password_set(self, _connection: Any, serial: str, password: str) -> None:
        self.notes.append(("password", serial, password))

    async def kit_deleted(self, _connection: Any, serial: str) -> None:
        self.notes.append(("deleted", serial))


async def test_an_external_broker_learns_of_every_change_of_accounts(serve: Any) -> None:
    noted = Noted()
    async with serve(account_changes=noted) as api:
        person = await api.person()
        made = (await api.client.post("/kits", json=FULL, headers=person.headers)).json()
        serial = made["kitSerial"]
        again = (await api.client.post(f"/kits/{serial}/password", headers=person.headers)).json()
        await api.client.delete(f"/kits/{serial}", headers=person.headers)
        assert noted.notes == [
            ("password", serial, made["password"]),
            ("password", serial, again),
            ("deleted", serial),
        ]


@pytest.mark.parametrize("serial", ["%", "k-____-____-____", "a%00b", "x" * 300, "%FF"])
async def test_what_is_no_serial_finds_no_kit(api: Installation, serial: str) -> None:
    await api.kit(public=True)
    person = await api.person()
    assert_problem(await api.client.get(f"/kits/{serial}", headers=person.headers), 404)


async def test_the_map_shows_kits_that_are_public_and_to_be_shown(api: Installation) -> None:
    await api.run("DELETE FROM kits")
    shown = await api.kit(public=True, on_map=True)
    seen = await api.kit(public=True, on_map=True)
    for public, on_map in ((True, False), (False, True), (False, False)):
        await api.kit(public=public, on_map=on_map)
    await api.run("INSERT INTO kit_last_seen VALUES (:id, '2026-03-04T05:06:07.250Z')", id=seen.id)
    response = await api.client.get("/kits")
    assert [kit["serial"] for kit in response.json()] == [shown.serial, seen.serial]
    assert [kit["lastSeen"] for kit in response.json()] == [None, "2026-03-04T05:06:07.250Z"]
    assert "x-next" not in response.headers
    for since, expected in (
        ("2026-03-04T06:06:07.250+01:00", [seen.serial]),
        # Pasted into an address without its plus encoded, which then means a space.
        ("2026-03-04T06:06:07.250 01:00", [seen.serial]),
        ("2026-03-04T05:06:07.251+00:00", []),
    ):
        response = await api.client.get("/kits", params={"lastSeenSince": since})
        assert [kit["serial"] for kit in response.json()] == expected


async def test_long_lists_of_kits_go_on_where_the_header_says_with_their_filter(api: Installation) -> None:
    await api.run("DELETE FROM kits")
    await api.run(
        "INSERT INTO kits (serial, password_hash, privacy_public_dashboard, privacy_show_on_map) "
        "SELECT 'k-' || n, 'none', true, true FROM generate_series(1, 205) n"
    )
    await api.run("INSERT INTO kit_last_seen SELECT id, '2026-03-04T05:06:07Z' FROM kits")
    for filters in ({}, {"lastSeenSince": "2026-01-01T00:00:00+00:00"}):
        serials: list[str] = []
        response = await api.client.get("/kits", params=filters)
        sizes = []
        while True:
            serials += [kit["serial"] for kit in response.json()]
            sizes.append(len(response.json()))
            if "x-next" not in response.headers:
                break
            following = response.headers["x-next"]
            assert following.startswith("/kits?")
            assert ("lastSeenSince" in following) == bool(filters)
            response = await api.client.get(following)
        assert sizes == [100, 100, 5]
        assert serials == [f"k-{number}" for number in range(1, 206)]


async def test_a_time_that_is_wrong_is_answered_with_an_example_that_works_as_it_stands(
    api: Installation,
) -> None:
    response = await api.client.get("/kits?lastSeenSince=yesterday")
    assert response.status_code == 400
    (example,) = re.findall(r"\d{4}-\S*[0-9Z]", response.json()["detail"])
    assert (await api.client.get(f"/kits?lastSeenSince={example}")).status_code == 200
