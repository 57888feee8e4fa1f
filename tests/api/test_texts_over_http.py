"""Texts in requests: control characters for terminals or pages are rejected in every field."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import Installation, Person, assert_invalid

from hortus.http.access.rate_limits import Allowance, Allowances

BAD_LINES = (
    "Ba\x1b[31msil",
    "Basil\x07",
    "Ba\nsil",
    "Ba\tsil",
    "Ba\x9bsil",
    "Ba\u2028sil",
    "Ba\u202esil",
    "Ba\u200fsil",
)
BAD_TEXTS = ("Ba\x1b[31msil", "Basil\x07", "Ba\x9bsil", "Ba\u2029sil", "Ba\u2066sil")
BLANK = (" ", "\u00a0\u2003", "\u200b")
GOOD_TEXT = "First line\r\n\tsecond – *line*\n\u200fריחן\u200e 👩\u200d🌾"
FLAGS = {"privacyPublicDashboard": True, "privacyShowOnMap": False}


class Scene:
    """A person with a kit that has a configuration and a peripheral, and with a plant and a species."""

    def __init__(self, api: Installation, person: Person) -> None:
        self.api, self.person, self.paths = api, person, {}

    async def request(self, method: str, path: str, body: dict[str, Any]) -> Any:
        url = path.format(**self.paths)
        return await self.api.client.request(method, url, json=body, headers=self.person.headers)

    async def made(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self.request("POST", path, body)
        assert answer.is_success, answer.text
        return answer.json()

    async def build(self) -> None:
        self.paths["user"] = self.person.username
        self.paths["kit"] = (await self.made("/kits", {"name": "Basil", **FLAGS}))["kitSerial"]
        self.paths["configuration"] = (await self.made("/kits/{kit}/configurations", {}))["id"]
        self.paths["peripheral"] = (await self.made("/kit-configurations/{configuration}/peripherals", HEATER))[
            "id"
        ]
        self.paths["plant"] = (await self.made("/plants", {"name": "Monty"}))["id"]
        self.paths["species"] = (await self.made("/species", {"name": "Basil", "ranges": []}))["id"]


HEATER = {"peripheralDefinitionId": 4, "name": "Heater", "configuration": None}
KEY = {"name": "Notebook", "scopes": ["read"]}
CHANNEL = {"name": "Telephone", "url": "ntfys://my-secret-topic"}

# Path, the rest of the body, and the field. Each is tried with what is invalid for its kind of text.
NAMES = [
    ("POST", "/kits", FLAGS, "name"),
    ("PATCH", "/kits/{kit}", {}, "name"),
    ("POST", "/kit-configurations/{configuration}/peripherals", HEATER, "name"),
    ("PATCH", "/peripherals/{peripheral}", {}, "name"),
    ("PATCH", "/users/{user}", {}, "displayName"),
    ("POST", "/plants", {}, "name"),
    ("PATCH", "/plants/{plant}", {}, "name"),
    ("POST", "/species", {"ranges": []}, "name"),
    ("PATCH", "/species/{species}", {}, "name"),
    ("POST", "/me/api-keys", KEY, "name"),
    ("POST", "/me/notification-channels", CHANNEL, "name"),
]
LINES = [
    ("POST", "/plants", {"name": "Monty"}, "image"),
    ("PATCH", "/kit-configurations/{configuration}", {}, "controllerSymbol"),
    ("POST", "/me/notification-channels", CHANNEL, "url"),
]
TEXTS = [
    ("POST", "/kits", FLAGS, "description"),
    ("PATCH", "/kits/{kit}", {}, "description"),
    ("POST", "/kits/{kit}/configurations", {}, "description"),
    ("PATCH", "/kit-configurations/{configuration}", {}, "description"),
    ("POST", "/plants", {"name": "Monty"}, "remark"),
    ("PATCH", "/plants/{plant}", {}, "remark"),
    ("POST", "/species", {"name": "Basil", "ranges": []}, "description"),
    ("PATCH", "/species/{species}", {}, "description"),
]


@pytest.mark.parametrize(("method", "path", "rest", "field"), [*NAMES, *LINES, *TEXTS])
async def test_what_would_be_obeyed_is_refused_with_the_field_and_the_character(
    api: Installation, method: str, path: str, rest: dict[str, Any], field: str
) -> None:
    scene = Scene(api, await api.person())
    await scene.build()
    place = (method, path, rest, field)
    wrong = BAD_TEXTS if place in TEXTS else BAD_LINES + (BLANK if place in NAMES else ())
    for text in wrong:
        answer = await scene.request(method, path, {**rest, field: text})
        detail = answer.json()["detail"]
        assert_invalid(answer, **{field: ["other"]})
        assert detail.startswith(f"{field}: ")
        assert "U+" in detail or text in BLANK


@pytest.mark.parametrize(("method", "path", "rest", "field"), TEXTS)
async def test_descriptions_keep_their_lines(
    api: Installation, method: str, path: str, rest: dict[str, Any], field: str
) -> None:
    scene = Scene(api, await api.person())
    await scene.build()
    answer = await scene.request(method, path, {**rest, field: GOOD_TEXT})
    assert answer.is_success, answer.text
    if path == "/kits":
        answer = await api.client.get(f"/kits/{answer.json()['kitSerial']}", headers=scene.person.headers)
    assert answer.json()[field] == GOOD_TEXT


async def test_all_texts_that_are_wrong_are_named_at_once(api: Installation) -> None:
    person = await api.person()
    body = {"name": "\x1b", "description": "\x1b", **FLAGS}
    answer = await api.client.post("/kits", json=body, headers=person.headers)
    assert_invalid(answer, name=["other"], description=["other"])


async def test_what_was_stored_before_is_shown_and_can_be_renamed(api: Installation) -> None:
    person = await api.person()
    scene = Scene(api, person)
    await scene.build()
    await api.run("UPDATE kits SET name = E'Ba\\x1b\\nsil' WHERE serial = :serial", serial=scene.paths["kit"])
    await api.run("UPDATE peripherals SET name = E'Hea\\x1bter' WHERE id = :id", id=scene.paths["peripheral"])
    shown = await api.client.get(f"/kits/{scene.paths['kit']}", headers=person.headers)
    assert (shown.status_code, shown.json()["name"]) == (200, "Ba\x1b\nsil")
    for path, name in (("/kits/{kit}", "Basil"), ("/peripherals/{peripheral}", "Heater")):
        renamed = await scene.request("PATCH", path, {"name": name})
        assert (renamed.status_code, renamed.json()["name"]) == (200, name)


async def test_passwords_may_hold_anything(serve: Any) -> None:
    many = Allowance(at_once=1000, refill_seconds=0.0)
    async with serve(sign_up_open=True, allowances=Allowances(sign_ups=many, log_ins=many)) as api:
        name = (await api.person()).username + "-signed-up"
        account = {"username": name, "emailAddress": f"{name}@example.org", "password": "\x1b\u202e \n rose"}
        assert (await api.client.post("/users", json=account)).status_code == 201
        log_in = {"username": name, "password": account["password"]}
        assert (await api.client.post("/me/auth", json=log_in)).status_code == 200
        unknown = await api.client.post("/me/auth", json={**log_in, "username": "no\x1bbody"})
        assert_invalid(unknown, username=["other"], password=["other"])
        # All errors are reported at once, under the names of http-api 1.7.
        wrong = {**account, "username": "Flo\x1bra", "emailAddress": "flora\x1b@example.org"}
        answer = await api.client.post("/users", json=wrong)
        assert_invalid(answer, username=["other"], emailAddress=["mustBeEmailAddress"])
