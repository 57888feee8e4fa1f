"""Members of kits over HTTP (http-api 4.5)."""

from __future__ import annotations

import asyncio

from api_client import Installation, assert_problem

LAST_SUPER = "/probs/kits-require-one-super-member"
NO_FLAGS = {"accessConfigure": False, "accessSuper": False}


async def test_a_member_is_added_listed_changed_and_removed(api: Installation) -> None:
    kit = await api.kit()
    owner, friend = await api.member(kit, access_super=True), await api.person()
    path = f"/kits/{kit.serial}/members"
    body = {"username": friend.username.upper(), **NO_FLAGS}
    added = await api.client.post(path, json=body, headers=owner.headers)
    assert added.status_code == 200
    membership = added.json()
    assert membership == {
        "id": membership["id"],
        "user": {
            "username": friend.username,
            "displayName": friend.username.title(),
            "gravatar": f"random-{friend.username}",
        },
        "kit": (await api.client.get(f"/kits/{kit.serial}", headers=owner.headers)).json(),
        "datetimeLinked": membership["datetimeLinked"],
        "accessSuper": False,
        "accessConfigure": False,
    }
    # Adding somebody again changes nothing.
    again = await api.client.post(path, json={**body, "accessSuper": True}, headers=owner.headers)
    assert (again.status_code, again.json()) == (200, membership)

    listed = (await api.client.get(path, headers=friend.headers)).json()
    assert [each["id"] for each in listed][1:] == [membership["id"]]
    assert listed[0]["datetimeLinked"] == "2026-01-02T03:04:05Z"
    # People see their own address and nobody else's.
    assert listed[0]["user"]["gravatar"] == f"random-{owner.username}"
    assert listed[1]["user"]["gravatar"] == f"{friend.username}@example.org"

    at = f"/kit-memberships/{membership['id']}"
    change = {"accessConfigure": True, "accessSuper": False}
    changed = await api.client.patch(at, json=change, headers=owner.headers)
    assert changed.json() == {
        "id": membership["id"],
        "user": friend.id,
        "kit": kit.id,
        "datetimeLinked": membership["datetimeLinked"],
        "accessSuper": False,
        "accessConfigure": True,
    }
    removed = await api.client.delete(at, headers=owner.headers)
    assert (removed.status_code, removed.content) == (200, b"")
    assert_problem(await api.client.get(path, headers=friend.headers), 404)


async def test_both_flags_are_needed(api: Installation) -> None:
    kit = await api.kit()
    owner = await api.member(kit, access_super=True)
    membership_id = await api.join(kit, await api.person())
    response = await api.client.patch(
        f"/kit-memberships/{membership_id}", json={"accessSuper": True}, headers=owner.headers
    )
    assert_problem(response, 400, "/probs/invalid-json", category="semantic")


async def test_somebody_unknown_cannot_be_added(api: Installation) -> None:
    kit = await api.kit()
    owner = await api.member(kit, access_super=True)
    for username in ("nobody", "person-_", "%"):
        body = {"username": username, **NO_FLAGS}
        response = await api.client.post(f"/kits/{kit.serial}/members", json=body, headers=owner.headers)
        assert_problem(response, 404)


async def test_the_last_member_with_super_access_stays(api: Installation) -> None:
    kit = await api.kit()
    owner = await api.person()
    at = f"/kit-memberships/{await api.join(kit, owner, access_super=True)}"
    assert_problem(await api.client.delete(at, headers=owner.headers), 400, LAST_SUPER)
    assert_problem(await api.client.patch(at, json=NO_FLAGS, headers=owner.headers), 400, LAST_SUPER)
    still = await api.client.patch(
        at, json={"accessConfigure": False, "accessSuper": True}, headers=owner.headers
    )
    assert still.status_code == 200


async def test_two_who_demote_each_other_at_once_do_not_both_succeed(api: Installation) -> None:
    for _ in range(5):
        kit = await api.kit()
        one, other = await api.person(), await api.person()
        first = await api.join(kit, one, access_super=True)
        second = await api.join(kit, other, access_super=True)
        responses = await asyncio.gather(
            api.client.delete(f"/kit-memberships/{second}", headers=one.headers),
            api.client.delete(f"/kit-memberships/{first}", headers=other.headers),
        )
        # The loser is the last member with super access, or no longer a member: never an internal error.
        statuses = sorted(response.status_code for response in responses)
        assert statuses in ([200, 400], [200, 404]), statuses
        assert await api.scalar("SELECT count(*) FROM kit_memberships WHERE kit_id = :id", id=kit.id) == 1


async def test_a_member_may_leave(api: Installation) -> None:
    kit = await api.kit()
    await api.member(kit, access_super=True)
    friend = await api.person()
    at = f"/kit-memberships/{await api.join(kit, friend)}"
    assert (await api.client.delete(at, headers=friend.headers)).status_code == 200


async def test_suggestions_contain_the_text_as_it_is(api: Installation) -> None:
    kit = await api.kit()
    owner = await api.member(kit, access_super=True)

    async def suggested(text: str) -> list[str]:
        response = await api.client.get(
            f"/kits/{kit.serial}/member-suggestions", params={"username": text}, headers=owner.headers
        )
        assert response.status_code == 200
        return [user["username"] for user in response.json()]

    assert owner.username in await suggested(owner.username.upper())
    assert await suggested("%") == []
    assert await suggested("p_rson") == []
    assert await suggested("\0") == []
    for _ in range(21):
        await api.person()
    assert len(await suggested("person-")) == 20
