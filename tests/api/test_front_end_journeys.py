"""The existing front-end's own requests, in its own order (http-api 8.2 and 8.3), as far as supported.

It appends next-page addresses to the base of the API unchanged, compares `content-type` for equality, and
prefers `Link` to `x-next`.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import httpx
from api_client import PROBLEM, Installation

DEFINITIONS = "/peripheral-definitions?withExpectedQuantityTypes=true"
INTERVALS = {"intervals": {"measurementInterval": 60, "aggregateInterval": 1800}}


class FrontEnd:
    """Requests as the front-end sends them: with the token it has, valid or not."""

    def __init__(self, api: Installation) -> None:
        self.api = api
        self.token: str | None = None

    async def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Origin": "http://front-end.example"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        content: dict[str, Any] = {} if body is None else {"json": body}
        # Base and path are concatenated, not resolved against each other.
        response = await self.api.client.request(method, self.api.base_url + path, headers=headers, **content)
        assert response.headers["access-control-allow-origin"] == "*"
        return response

    async def get(self, path: str) -> Any:
        response = await self.send("GET", path)
        assert response.status_code == 200, response.text
        return response.json()

    async def everything(self, path: str) -> list[Any]:
        items: list[Any] = []
        following: str | None = path
        while following is not None:
            response = await self.send("GET", following)
            assert response.status_code == 200
            items += response.json()
            link = re.fullmatch(r'<(.+)>; rel="next"', response.headers.get("link", ""))
            following = link[1] if link else response.headers.get("x-next")
        return items

    async def load_page(self, refresh_token: str | None = None) -> None:
        definitions = await self.everything(DEFINITIONS)
        assert all(isinstance(each["expectedQuantityTypes"], list) for each in definitions)
        assert all("commandSchema" in each for each in definitions)
        assert await self.everything("/quantity-types")
        if refresh_token is not None:
            refreshed = await self.send("POST", "/me/refresh", {"refreshToken": refresh_token})
            self.token = refreshed.json()
            await self.get("/me")
            await self.get("/me")

    async def log_in(self, username: str, password: str) -> str:
        response = await self.send("POST", "/me/auth", {"username": username, "password": password})
        assert response.status_code == 200
        self.token = response.json()["accessToken"]
        refresh_token: str = response.json()["refreshToken"]
        return refresh_token


async def test_a_person_signs_up_makes_a_kit_configures_and_shares_it(api: Installation) -> None:
    front_end = FrontEnd(api)
    await front_end.load_page()
    body = {"username": "Gardener", "password": "a rose is a rose", "emailAddress": "gardener@example.org"}
    assert (await front_end.send("POST", "/users", body)).status_code == 201
    refresh_token = await front_end.log_in("Gardener", "a rose is a rose")
    me = await front_end.get("/me")
    assert await front_end.get(f"/users/{me['username']}/kit-memberships") == []
    await front_end.load_page(refresh_token)

    renamed = await front_end.send("PATCH", f"/users/{me['username']}", {"displayName": "The gardener"})
    assert renamed.status_code == 200
    assert (await front_end.get("/me"))["displayName"] == "The gardener"

    new_kit = {"name": "Roof", "latitude": None, "longitude": None}
    new_kit |= {"privacyPublicDashboard": False, "privacyShowOnMap": False}
    made = (await front_end.send("POST", "/kits", new_kit)).json()
    serial = made["kitSerial"]
    assert len(serial) == 16
    assert (await front_end.send("POST", f"/kits/{serial}/password")).json() != made["password"]

    kit = await front_end.get(f"/kits/{serial}")
    [membership] = await front_end.get(f"/users/{me['username']}/kit-memberships")
    assert (membership["kit"], membership["accessSuper"], membership["accessConfigure"]) == (kit, True, True)
    assert await front_end.get(f"/kits/{serial}/configurations") == []

    made = await front_end.send("POST", f"/kits/{serial}/configurations", {"description": "Basil"})
    configuration_id = made.json()["id"]
    added = await front_end.send(
        "POST",
        f"/kit-configurations/{configuration_id}/peripherals",
        {"peripheralDefinitionId": 3, "name": "Climate", "configuration": INTERVALS},
    )
    peripheral = added.json()
    rules = {"fuzzyControl": {"input": {}, "output": {}, "rules": []}}
    at = f"/kit-configurations/{configuration_id}"
    patched = await front_end.send("PATCH", at, {"controlRules": rules})
    assert patched.json()["controlRules"] == rules
    # The whole object, renamed.
    changed = await front_end.send("PATCH", f"/peripherals/{peripheral['id']}", {**peripheral, "name": "Air"})
    assert changed.json() == {**peripheral, "name": "Air"}
    activated = await front_end.send("PATCH", at, {"active": True})
    assert activated.json().keys() == patched.json().keys()
    [configuration] = await front_end.get(f"/kits/{serial}/configurations")
    assert configuration == {**activated.json(), "peripherals": [changed.json()]}

    copied = await front_end.send("POST", f"/kits/{serial}/configurations?source={configuration_id}")
    assert copied.status_code == 200
    assert len(await front_end.get(f"/kits/{serial}/configurations")) == 2

    details = {"name": "Roof", "description": "# Basil", "latitude": 52.1, "longitude": 4.2}
    details |= {"privacyPublicDashboard": True, "privacyShowOnMap": True}
    await front_end.get(f"/kits/{serial}/members")
    assert (await front_end.send("PATCH", f"/kits/{serial}", details)).status_code == 200
    assert (await front_end.get(f"/kits/{serial}")).items() >= details.items()
    assert serial in [each["serial"] for each in await front_end.get("/kits")]

    friend = await api.person()
    suggested = await front_end.get(f"/kits/{serial}/member-suggestions?username={friend.username[:-1]}")
    assert friend.username in [each["username"] for each in suggested]
    added = await front_end.send(
        "POST",
        f"/kits/{serial}/members",
        {"username": friend.username, "accessConfigure": False, "accessSuper": False},
    )
    at = f"/kit-memberships/{added.json()['id']}"
    roles = {"accessConfigure": False, "accessSuper": True}
    assert (await front_end.send("PATCH", at, roles)).json()["id"] == added.json()["id"]
    assert (await front_end.send("DELETE", at)).status_code == 200

    assert (await front_end.send("DELETE", f"/kit-configurations/{copied.json()['id']}")).status_code == 200
    assert (await front_end.send("DELETE", f"/kits/{serial}")).status_code == 200
    assert (await front_end.send("GET", f"/kits/{serial}/members")).status_code == 404


async def test_errors_appear_under_the_fields_of_forms(api: Installation) -> None:
    front_end = FrontEnd(api)
    for path, body, names in (
        ("/me/auth", {"username": "x", "password": "y"}, {"username", "password"}),
        (
            "/users",
            {"username": "", "password": "a rose is a rose", "emailAddress": ""},
            {"username", "emailAddress"},
        ),
    ):
        response = await front_end.send("POST", path, body)
        assert response.status_code == 400
        assert response.headers["content-type"] == PROBLEM
        document = response.json()
        assert document["type"] == "/probs/invalid-parameters"
        assert names <= document["invalidParameters"].keys()
        for reasons in document["invalidParameters"].values():
            for reason in reasons:
                if isinstance(reason, dict):
                    assert reason["mustHaveLengthBetween"].keys() == {"min", "max"}


async def test_an_expired_token_does_not_break_what_everybody_may_see(api: Installation) -> None:
    front_end = FrontEnd(api)
    front_end.token = (await api.person()).headers["Authorization"].removeprefix("Bearer ")
    api.clock.ahead_seconds = 3600
    public, private = await api.kit(public=True), await api.kit()
    await front_end.load_page()
    await front_end.get("/kits")
    for path in ("", "/configurations", "/members", "/aggregate-measurements", "/media"):
        await front_end.get(f"/kits/{public.serial}{path}")
    # This status is what makes the front-end show its page for private kits.
    assert (await front_end.send("GET", f"/kits/{private.serial}")).status_code == 401


async def test_a_chart_loads_more_of_the_past(api: Installation) -> None:
    kit = await api.kit()
    member = await api.member(kit, access_configure=True)
    front_end = FrontEnd(api)
    front_end.token = member.headers["Authorization"].removeprefix("Bearer ")
    made = await front_end.send("POST", f"/kits/{kit.serial}/configurations", {})
    added = await front_end.send(
        "POST",
        f"/kit-configurations/{made.json()['id']}/peripherals",
        {"peripheralDefinitionId": 1, "name": "Air", "configuration": INTERVALS},
    )
    peripheral_id = added.json()["id"]
    for number in range(60):
        await api.run(
            "INSERT INTO aggregate_measurements (datetime_start, datetime_end, id, kit_id, peripheral_id, "
            "kit_configuration_id, quantity_type_id, values) "
            "SELECT at, at + interval '30 minutes', :id, :kit, :peripheral, :configuration, 1, "
            """'{"average": 20.5, "minimum": 20, "maximum": 21}' """
            "FROM (SELECT timestamptz '2026-01-10T00:00:00Z' + :number * interval '30 minutes' AS at) a",
            id=uuid4(),
            kit=kit.id,
            peripheral=peripheral_id,
            configuration=made.json()["id"],
            number=number,
        )
    readings = await front_end.everything(
        f"/kits/{kit.serial}/aggregate-measurements?peripheral={peripheral_id}&quantityType=1"
    )
    starts = [reading["datetimeStart"] for reading in readings]
    assert starts == sorted(set(starts), reverse=True)
    assert len(starts) == 60
    assert readings[0]["values"] == {"average": 20.5, "minimum": 20.0, "maximum": 21.0}
