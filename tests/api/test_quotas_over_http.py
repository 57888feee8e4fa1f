"""Quotas: how much one person may have, and how many members a kit, so that no account fills the server."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from api_client import Installation, Person, assert_problem

from hortus.base.quotas import Quotas

QUOTAS = Quotas(
    kits_per_person=2,
    plants_per_person=2,
    species_per_person=2,
    api_keys_per_person=2,
    services_per_person=2,
    members_per_kit=2,
)
KIT = {"name": "Basil", "privacyPublicDashboard": False, "privacyShowOnMap": False}
THINGS = [
    ("/kits", KIT, "2 kits that you manage"),
    ("/plants", {"name": "Monty"}, "2 plants in your account"),
    ("/species", {"name": "Basil", "ranges": []}, "2 species in your account"),
    ("/me/api-keys", {"name": "Notebook", "scopes": ["read"]}, "2 API keys in your account"),
    (
        "/me/notification-channels",
        {"name": "Phone", "url": "ntfys://my-secret-topic"},
        "2 services in your account",
    ),
]


@pytest.mark.parametrize(("path", "body", "said"), THINGS)
async def test_even_requests_at_once_make_no_more_than_one_may_have(
    serve: Any, path: str, body: dict[str, Any], said: str
) -> None:
    async with serve(quotas=QUOTAS) as api:
        person, administrator = await api.person(), await api.person(is_admin=True)

        async def make(who: Person) -> Any:
            return await api.client.post(path, json=body, headers=who.headers)

        answers = await asyncio.gather(*(make(person) for _ in range(6)))
        assert Counter(answer.status_code for answer in answers) == {201: 2, 403: 4}
        refused = await make(person)
        assert said in refused.json()["detail"]
        assert_problem(refused, 403)
        # Others have quotas of their own, and administrators have none.
        assert (await make(await api.person())).status_code == 201
        assert [(await make(administrator)).status_code for _ in range(3)] == [201, 201, 201]


async def test_a_deleted_kit_makes_room_for_another(serve: Any) -> None:
    async with serve(quotas=QUOTAS) as api:
        person = await api.person()
        made = [await api.client.post("/kits", json=KIT, headers=person.headers) for _ in range(3)]
        assert [answer.status_code for answer in made] == [201, 201, 403]
        path = f"/kits/{made[0].json()['kitSerial']}"
        assert (await api.client.delete(path, headers=person.headers)).status_code == 200
        assert (await api.client.post("/kits", json=KIT, headers=person.headers)).status_code == 201


async def test_kits_that_others_share_with_one_take_no_room(serve: Any) -> None:
    async with serve(quotas=QUOTAS) as api:
        person = await api.person()
        for _ in range(3):
            await api.join(await api.kit(), person, access_configure=True)
        assert (await api.client.post("/kits", json=KIT, headers=person.headers)).status_code == 201


async def test_a_kit_has_so_many_members_and_no_more(serve: Any) -> None:
    async with serve(quotas=QUOTAS) as api:
        kit = await api.kit()
        owner = await api.member(kit, access_super=True)

        async def add(api: Installation, who: Person, by: Person) -> Any:
            body = {"username": who.username, "accessConfigure": False, "accessSuper": False}
            return await api.client.post(f"/kits/{kit.serial}/members", json=body, headers=by.headers)

        friends = [await api.person() for _ in range(4)]
        answers = await asyncio.gather(*(add(api, friend, owner) for friend in friends))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 403: 3}
        statuses = [answer.status_code for answer in answers]
        member, stranger = friends[statuses.index(200)], friends[statuses.index(403)]
        refused = await add(api, stranger, owner)
        assert "2 members of this kit" in refused.json()["detail"]
        assert_problem(refused, 403)
        # Existing members keep their access, and administrators may add anyone.
        assert (await add(api, member, owner)).status_code == 200
        assert (await add(api, stranger, await api.person(is_admin=True))).status_code == 200
