"""Invitations to kits over HTTP: for people with and without an account."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from api_client import Installation, assert_invalid, assert_problem
from people import PASSWORD

NO_FLAGS = {"accessConfigure": False, "accessSuper": False}


async def invited(api: Installation, **changes: object) -> tuple[object, object, dict[str, object]]:
    kit = await api.kit()
    owner = await api.member(kit, access_super=True)
    made = await api.client.post(
        f"/kits/{kit.serial}/invitations", json=NO_FLAGS | changes, headers=owner.headers
    )
    assert made.status_code == 201
    return kit, owner, made.json()


async def test_an_invitation_is_made_listed_without_its_token_and_withdrawn(api: Installation) -> None:
    kit, owner, made = await invited(api, uses=30, note="Class 3b", accessConfigure=True)
    token = made.pop("token")
    assert len(token) == 43
    assert (made["uses"], made["usesLeft"], made["note"], made["accessConfigure"]) == (30, 30, "Class 3b", True)
    path = f"/kits/{kit.serial}/invitations"
    assert (await api.client.get(path, headers=owner.headers)).json() == [made]
    opened = (await api.client.get(f"/invitations/{token}")).json()
    assert opened == {
        "kitSerial": kit.serial,
        "kitName": "Basil",
        "accessConfigure": True,
        "accessSuper": False,
        "invitedBy": owner.username.title(),
        "expiresAt": made["expiresAt"],
    }
    withdrawn = await api.client.delete(f"/kit-invitations/{made['id']}", headers=owner.headers)
    assert (withdrawn.status_code, withdrawn.content) == (200, b"")
    assert (await api.client.get(path, headers=owner.headers)).json() == []
    assert_problem(await api.client.get(f"/invitations/{token}"), 404)
    friend = await api.person()
    assert_problem(await api.client.post(f"/invitations/{token}/accept", headers=friend.headers), 404)


async def test_an_accepted_invitation_makes_a_member_once(api: Installation) -> None:
    kit, _, made = await invited(api)
    accept = f"/invitations/{made['token']}/accept"
    assert_problem(await api.client.post(accept), 401, "/probs/authorization-header", category="missing")
    first, second = await api.person(), await api.person()
    answers = await asyncio.gather(*(api.client.post(accept, headers=each.headers) for each in (first, second)))
    assert sorted(answer.status_code for answer in answers) == [200, 404]
    members = "SELECT count(*) FROM kit_memberships WHERE kit_id = :kit"
    assert await api.scalar(members, kit=kit.id) == 2


async def test_it_works_for_seven_days(api: Installation) -> None:
    _, _, made = await invited(api)
    api.clock.ahead_seconds = timedelta(days=7).total_seconds() - 60
    assert (await api.client.get(f"/invitations/{made['token']}")).status_code == 200
    api.clock.ahead_seconds += 61
    assert_problem(await api.client.get(f"/invitations/{made['token']}"), 404)


async def test_a_person_without_an_account_signs_up_with_it(serve, api: Installation) -> None:
    kit, _, made = await invited(api)
    body = {"username": "invited-1", "password": PASSWORD, "emailAddress": "invited-1@example.org"}
    async with serve(sign_up_open=False) as closed:
        assert_problem(await closed.client.post("/users", json=body), 403)
        wrong = await closed.client.post("/users", json=body | {"invitation": "never-was-one"})
        assert_invalid(wrong, invitation=["other"])
        joined = await closed.client.post("/users", json=body | {"invitation": made["token"]})
        assert joined.status_code == 201
    member = (
        "SELECT count(*) FROM kit_memberships m JOIN users u ON u.id = m.user_id "
        "WHERE m.kit_id = :kit AND u.username = 'invited-1'"
    )
    assert await api.scalar(member, kit=kit.id) == 1


async def test_one_for_several_people_gives_no_full_access(api: Installation) -> None:
    kit = await api.kit()
    owner = await api.member(kit, access_super=True)
    path = f"/kits/{kit.serial}/invitations"
    for change, field in (
        ({"uses": 2, "accessSuper": True}, "uses"),
        ({"uses": 41}, "uses"),
        ({"uses": 0}, "uses"),
        ({"note": "x" * 41}, "note"),
    ):
        refused = await api.client.post(path, json=NO_FLAGS | change, headers=owner.headers)
        assert (refused.status_code, list(refused.json()["invalidParameters"])) == (400, [field])
