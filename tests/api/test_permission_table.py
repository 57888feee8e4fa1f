"""The table of permissions (http-api 3.1), cell by cell: as reported, and as really enforced.

The table is written down here a second time, on purpose.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import uuid4

import httpx
import pytest
from api_client import Installation, Person, assert_problem

from hortus.domain.kits.store import CreatedKit

SEE = ["view", "subscribeRealTimeMeasurements"]
EVERYTHING = [
    "view",
    "subscribeRealTimeMeasurements",
    "delete",
    "deleteMedia",
    "resetPassword",
    "editDetails",
    "editConfiguration",
    "editMembers",
    "editSuperMembers",
    "rpcVersion",
    "rpcUptime",
    "rpcPeripheralCommand",
    "rpcPeripheralCommandLock",
]
CONFIGURE = ["view", "subscribeRealTimeMeasurements", "deleteMedia", "editDetails", "editConfiguration"]

TABLE: dict[str, tuple[list[str], list[str]]] = {
    # actor: (private kit, kit with a public dashboard)
    "anonymous": ([], SEE),
    "broken token": ([], SEE),
    "not a member": ([], SEE),
    "member": (SEE, SEE),
    "configurer": (CONFIGURE, CONFIGURE),
    "super": (EVERYTHING, EVERYTHING),
    "super and configurer": (EVERYTHING, EVERYTHING),
    "administrator": (EVERYTHING, EVERYTHING),
}
FLAGS = {
    "member": (False, False),
    "configurer": (False, True),
    "super": (True, False),
    "super and configurer": (True, True),
}
CASES = [(actor, public) for actor in TABLE for public in (False, True)]
IDS = [f"{actor} - {'public' if public else 'private'}" for actor, public in CASES]


async def actor_headers(api: Installation, kit: CreatedKit, actor: str) -> dict[str, str]:
    if actor == "anonymous":
        return {}
    if actor == "broken token":
        return {"Authorization": "Bearer nonsense"}
    if actor == "not a member":
        return (await api.person()).headers
    if actor == "administrator":
        return (await api.person(is_admin=True)).headers
    access_super, access_configure = FLAGS[actor]
    return (await api.member(kit, access_super=access_super, access_configure=access_configure)).headers


@pytest.mark.parametrize(("actor", "public"), CASES, ids=IDS)
async def test_the_permissions_that_are_told_are_those_of_the_table(
    api: Installation, actor: str, public: bool
) -> None:
    kit = await api.kit(public=public)
    headers = await actor_headers(api, kit, actor)
    told = await api.client.get("/permissions", params={"kitSerial": kit.serial}, headers=headers)
    assert (told.status_code, told.json()) == (200, TABLE[actor][public])


Request = Callable[["Scene", dict[str, str]], Awaitable[httpx.Response]]


class Scene:
    """A kit with one of everything."""

    def __init__(self, api: Installation, kit: CreatedKit) -> None:
        self.api, self.kit, self.client = api, kit, api.client
        self.at = f"/kits/{kit.serial}"

    async def fill(self) -> None:
        owner = await self.api.member(self.kit, access_super=True)
        self.owner = owner
        self.other: Person = await self.api.person()
        self.friend_membership = await self.api.join(self.kit, await self.api.person())
        self.super_membership = await self.api.join(self.kit, await self.api.person(), access_super=True)
        made = await self.client.post(
            f"{self.at}/configurations", json={"description": "One"}, headers=owner.headers
        )
        self.configuration = made.json()["id"]
        added = await self.client.post(
            f"/kit-configurations/{self.configuration}/peripherals",
            json={"peripheralDefinitionId": 4, "name": "Heater", "configuration": None},
            headers=owner.headers,
        )
        self.peripheral = added.json()["id"]
        invitation = {"accessConfigure": False, "accessSuper": False}
        invited = await self.client.post(f"{self.at}/invitations", json=invitation, headers=owner.headers)
        self.invitation = invited.json()["id"]
        self.medium = uuid4()
        await self.api.run(
            "INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, datetime, name, type, "
            "metadata, size) VALUES (:id, :peripheral, :kit, :configuration, now(), "
            "'a', 'image/png', 'null', 3)",
            id=self.medium,
            peripheral=self.peripheral,
            kit=self.kit.id,
            configuration=self.configuration,
        )


REQUESTS: dict[str, tuple[str, Request]] = {
    "show": ("view", lambda s, h: s.client.get(s.at, headers=h)),
    "members": ("view", lambda s, h: s.client.get(f"{s.at}/members", headers=h)),
    "configurations": ("view", lambda s, h: s.client.get(f"{s.at}/configurations", headers=h)),
    "aggregates": ("view", lambda s, h: s.client.get(f"{s.at}/aggregate-measurements", headers=h)),
    "media": ("view", lambda s, h: s.client.get(f"{s.at}/media", headers=h)),
    "archive": ("view", lambda s, h: s.client.post(f"{s.at}/archive", headers=h)),
    "export": ("view", lambda s, h: s.client.get(f"{s.at}/export", headers=h)),
    "estimate": ("view", lambda s, h: s.client.get(f"{s.at}/export/estimate", headers=h)),
    "ledger": ("editConfiguration", lambda s, h: s.client.get(f"{s.at}/ledger", headers=h)),
    "quarantine": ("editConfiguration", lambda s, h: s.client.get(f"{s.at}/quarantine", headers=h)),
    "replay": ("editConfiguration", lambda s, h: s.client.post(f"{s.at}/quarantine/replay", headers=h)),
    "throw away": (
        "editConfiguration",
        lambda s, h: s.client.delete(f"{s.at}/quarantine", params={"reason": "bad-id"}, headers=h),
    ),
    "change": ("editDetails", lambda s, h: s.client.patch(s.at, json={"name": "x"}, headers=h)),
    "make configuration": (
        "editConfiguration",
        lambda s, h: s.client.post(f"{s.at}/configurations", json={}, headers=h),
    ),
    "clone": (
        "editConfiguration",
        lambda s, h: s.client.post(f"{s.at}/configurations?source={s.configuration}", headers=h),
    ),
    "change configuration": (
        "editConfiguration",
        lambda s, h: s.client.patch(
            f"/kit-configurations/{s.configuration}", json={"description": "x"}, headers=h
        ),
    ),
    "add peripheral": (
        "editConfiguration",
        lambda s, h: s.client.post(
            f"/kit-configurations/{s.configuration}/peripherals",
            json={"peripheralDefinitionId": 4, "name": "Other", "configuration": None},
            headers=h,
        ),
    ),
    "change peripheral": (
        "editConfiguration",
        lambda s, h: s.client.patch(f"/peripherals/{s.peripheral}", json={"name": "x"}, headers=h),
    ),
    "delete peripheral": (
        "editConfiguration",
        lambda s, h: s.client.delete(f"/peripherals/{s.peripheral}", headers=h),
    ),
    "deleted configurations": (
        "editConfiguration",
        lambda s, h: s.client.get(f"{s.at}/deleted-configurations", headers=h),
    ),
    "restore configuration": (
        "editConfiguration",
        lambda s, h: s.client.post(f"{s.at}/deleted-configurations/{s.configuration}/restore", headers=h),
    ),
    "delete configuration": (
        "editConfiguration",
        lambda s, h: s.client.delete(f"/kit-configurations/{s.configuration}", headers=h),
    ),
    "delete medium": ("deleteMedia", lambda s, h: s.client.delete(f"/media/{s.medium}", headers=h)),
    "suggest": (
        "editMembers",
        lambda s, h: s.client.get(f"{s.at}/member-suggestions?username=person", headers=h),
    ),
    "add member": (
        "editMembers",
        lambda s, h: s.client.post(
            f"{s.at}/members",
            json={"username": s.other.username, "accessConfigure": True, "accessSuper": False},
            headers=h,
        ),
    ),
    "change member": (
        "editMembers",
        lambda s, h: s.client.patch(
            f"/kit-memberships/{s.friend_membership}",
            json={"accessConfigure": True, "accessSuper": False},
            headers=h,
        ),
    ),
    "remove member": (
        "editMembers",
        lambda s, h: s.client.delete(f"/kit-memberships/{s.friend_membership}", headers=h),
    ),
    "add super member": (
        "editSuperMembers",
        lambda s, h: s.client.post(
            f"{s.at}/members",
            json={"username": s.other.username, "accessConfigure": True, "accessSuper": True},
            headers=h,
        ),
    ),
    "demote super member": (
        "editSuperMembers",
        lambda s, h: s.client.patch(
            f"/kit-memberships/{s.super_membership}",
            json={"accessConfigure": True, "accessSuper": False},
            headers=h,
        ),
    ),
    "remove super member": (
        "editSuperMembers",
        lambda s, h: s.client.delete(f"/kit-memberships/{s.super_membership}", headers=h),
    ),
    "invitations": ("editMembers", lambda s, h: s.client.get(f"{s.at}/invitations", headers=h)),
    "invite": (
        "editMembers",
        lambda s, h: s.client.post(
            f"{s.at}/invitations", json={"accessConfigure": True, "accessSuper": False}, headers=h
        ),
    ),
    "invite super member": (
        "editSuperMembers",
        lambda s, h: s.client.post(
            f"{s.at}/invitations", json={"accessConfigure": True, "accessSuper": True}, headers=h
        ),
    ),
    "remove invitation": (
        "editMembers",
        lambda s, h: s.client.delete(f"/kit-invitations/{s.invitation}", headers=h),
    ),
    "new password": ("resetPassword", lambda s, h: s.client.post(f"{s.at}/password", headers=h)),
    "delete kit": ("delete", lambda s, h: s.client.delete(s.at, headers=h)),
}


@pytest.mark.parametrize(("actor", "public"), CASES, ids=IDS)
async def test_what_the_table_denies_is_refused_and_what_it_grants_is_done(
    api: Installation, actor: str, public: bool
) -> None:
    kit = await api.kit(public=public)
    scene = Scene(api, kit)
    await scene.fill()
    headers = await actor_headers(api, kit, actor)
    granted = TABLE[actor][public]
    identified = actor not in {"anonymous", "broken token"}
    # Denied requests first, then granted ones: the last of these delete what the others need.
    for name, (permission, request) in REQUESTS.items():
        if permission in granted:
            continue
        response = await request(scene, headers)
        if not identified:
            category = "missing" if actor == "anonymous" else "malformed"
            assert_problem(response, 401, "/probs/authorization-header", category=category)
        else:
            assert_problem(response, 403 if "view" in granted else 404)
        assert response.status_code in {401, 403, 404}, name
    order = [name for name in REQUESTS if not name.startswith(("delete", "remove", "restore"))]
    order += ["delete medium", "delete peripheral"]
    order += ["delete configuration", "deleted configurations", "restore configuration"]
    order += ["remove invitation", "remove member", "remove super member", "delete kit"]
    assert sorted(order) == sorted(REQUESTS)
    for name in order:
        permission, request = REQUESTS[name]
        if permission in granted:
            response = await request(scene, headers)
            assert response.status_code in {200, 201}, (name, response.text)


@pytest.mark.parametrize("identified", [False, True], ids=["anonymous", "logged in"])
async def test_nobody_can_tell_a_private_thing_from_an_absent_one(api: Installation, identified: bool) -> None:
    scene = Scene(api, await api.kit())
    await scene.fill()
    absent = Scene(api, await api.kit())
    await absent.fill()
    await api.kits_deleted(absent.kit)
    headers = (await api.person()).headers if identified else {}
    for name, (_, request) in REQUESTS.items():
        private, gone = await request(scene, headers), await request(absent, headers)
        assert (private.status_code, private.content) == (gone.status_code, gone.content), name
        assert private.status_code == (404 if identified else 401), name
    told = [
        await api.client.get("/permissions", params={"kitSerial": each.kit.serial}, headers=headers)
        for each in (scene, absent)
    ]
    assert told[0].text == told[1].text == "[]"
