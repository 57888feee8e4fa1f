"""The request for each route of the contract, and the shape of its answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from contract_scene import (
    AGGREGATE,
    CHANGED_MEMBERSHIP,
    CONFIGURATION,
    CONFIGURATION_WITH_PERIPHERALS,
    FULL_USER,
    KIT,
    MEDIUM,
    MEMBERSHIP,
    PERIPHERAL,
    PERIPHERAL_DEFINITION,
    QUANTITY_TYPE,
    USER,
    Scene,
    Shape,
)

from hortus.domain.accounts.passwords import hash_password

ROUTES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("contract_endpoints.json").read_text())

NAMES = [f"{route['method']} {route['path']}" for route in ROUTES]

_AN_HOUR = timedelta(hours=1)

NOT_THERE = 2**31 - 1

NO_UUID = "0b0e0d0c-0000-4000-8000-00000000dead"

NO_SERIAL = "k-3333-3333-3333"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The request of a route. `path` and `json` are made from a scene, perhaps with an await.

    `shape` is the reply's: None if it is empty, bytes if it is not JSON. `absent` is the same address of a
    thing that does not exist. `everybody` is answered, with and without a token, whatever the kit. Routes
    answered `by_kit` succeed only with a running kit: see item 10 of test_front_end_checklist.py.
    """

    path: Callable[[Scene], Any]
    shape: Shape
    json: Callable[[Scene], Any] | None = None
    absent: str | None = None
    everybody: bool = False
    by_kit: bool = False


def at(suffix: str = "") -> Callable[[Scene], str]:
    return lambda scene: scene.at + suffix


def fixed(path: str) -> Callable[[Scene], str]:
    return lambda _: path


def body(value: Any) -> Callable[[Scene], Any]:
    return lambda _: value


def of_kit(suffix: str, shape: Shape, json: Callable[[Scene], Any] | None = None) -> Case:
    return Case(path=at(suffix), shape=shape, json=json, absent=f"/kits/{NO_SERIAL}{suffix}")


def of_kit_rpc(name: str, shape: Shape, json: Callable[[Scene], Any] | None = None) -> Case:
    return Case(
        path=lambda scene: f"/kit-rpc/{scene.kit.serial}/{name}",
        shape=shape,
        json=json,
        absent=f"/kit-rpc/{NO_SERIAL}/{name}",
        by_kit=True,
    )


async def log_in(scene: Scene) -> dict[str, str]:
    """Give the owner a password, and return what they log in with."""
    await scene.api.run(
        "UPDATE users SET password_hash = :hash WHERE id = :id",
        hash=hash_password("It all adds up."),
        id=scene.owner.id,
    )
    return {"username": scene.owner.username, "password": "It all adds up."}


async def refresh_token(scene: Scene) -> dict[str, str]:
    """Log in, and return the refresh token."""
    pair = await scene.api.client.post("/me/auth", json=await log_in(scene))
    return {"refreshToken": pair.json()["refreshToken"]}


async def archive_link(scene: Scene) -> str:
    """Return a link as the front-end makes it."""
    token = (await scene.send("POST", f"{scene.at}/archive")).json()
    days = "from=2026-01-01T00:00:00.000%2B00:00&to=2026-02-01T00:00:00.000%2B00:00"
    return f"{scene.at}/archive?token={token}&{days}"


CASES: dict[str, Case] = {
    "GET /time": Case(path=fixed("/time"), shape=str, everybody=True),
    "POST /users": Case(
        path=fixed("/users"),
        shape=None,
        json=lambda scene: {
            "username": f"new-{scene.kit.id}",
            "password": "It all adds up.",
            "emailAddress": f"new-{scene.kit.id}@example.org",
        },
        everybody=True,
    ),
    "GET /users/{username}": Case(
        path=lambda scene: f"/users/{scene.owner.username}", shape=USER, absent="/users/nobody", everybody=True
    ),
    "PATCH /users/{username}": Case(
        path=lambda scene: f"/users/{scene.owner.username}",
        shape=USER,
        json=body({"displayName": "Flora"}),
        absent="/users/nobody",
    ),
    "GET /users/{username}/kit-memberships": Case(
        path=lambda scene: f"/users/{scene.owner.username}/kit-memberships",
        shape=[MEMBERSHIP],
        absent="/users/nobody/kit-memberships",
        everybody=True,
    ),
    "GET /me": Case(path=fixed("/me"), shape=FULL_USER),
    "POST /me/auth": Case(
        path=fixed("/me/auth"),
        shape={"refreshToken": str, "accessToken": str},
        json=log_in,
        everybody=True,
    ),
    "POST /me/refresh": Case(path=fixed("/me/refresh"), shape=str, json=refresh_token, everybody=True),
    "GET /permissions": Case(
        path=lambda scene: f"/permissions?kitSerial={scene.kit.serial}", shape=[str], everybody=True
    ),
    "GET /quantity-types": Case(path=fixed("/quantity-types"), shape=[QUANTITY_TYPE], everybody=True),
    "GET /peripheral-definitions": Case(
        path=fixed("/peripheral-definitions?withExpectedQuantityTypes=true"),
        shape=[{**PERIPHERAL_DEFINITION, "expectedQuantityTypes": lambda value: isinstance(value, list)}],
        everybody=True,
    ),
    "GET /kits": Case(path=fixed("/kits"), shape=[KIT], everybody=True),
    "POST /kits": Case(
        path=fixed("/kits"),
        shape={"kitSerial": str, "password": str},
        json=body({"privacyPublicDashboard": False, "privacyShowOnMap": False}),
    ),
    "GET /kits/{kitSerial}": of_kit("", KIT),
    "PATCH /kits/{kitSerial}": of_kit("", KIT, body({"latitude": 52, "longitude": None})),
    "DELETE /kits/{kitSerial}": of_kit("", None),
    "POST /kits/{kitSerial}/password": of_kit("/password", str),
    "GET /kits/{kitSerial}/members": of_kit("/members", [MEMBERSHIP]),
    "POST /kits/{kitSerial}/members": of_kit(
        "/members",
        MEMBERSHIP,
        lambda scene: {
            "username": scene.stranger.username,
            "accessConfigure": False,
            "accessSuper": False,
        },
    ),
    "GET /kits/{kitSerial}/member-suggestions": of_kit("/member-suggestions?username=person", [USER]),
    "PATCH /kit-memberships/{kitMembershipId}": Case(
        path=lambda scene: f"/kit-memberships/{scene.membership_id}",
        shape=CHANGED_MEMBERSHIP,
        json=body({"accessConfigure": True, "accessSuper": False}),
        absent=f"/kit-memberships/{NOT_THERE}",
    ),
    "DELETE /kit-memberships/{kitMembershipId}": Case(
        path=lambda scene: f"/kit-memberships/{scene.membership_id}",
        shape=None,
        absent=f"/kit-memberships/{NOT_THERE}",
    ),
    "GET /kits/{kitSerial}/configurations": of_kit("/configurations", [CONFIGURATION_WITH_PERIPHERALS]),
    "POST /kits/{kitSerial}/configurations": of_kit(
        "/configurations", CONFIGURATION, body({"description": "x"})
    ),
    "PATCH /kit-configurations/{kitConfigurationId}": Case(
        path=lambda scene: f"/kit-configurations/{scene.configuration_id}",
        shape=CONFIGURATION,
        json=body({"description": "Basil"}),
        absent=f"/kit-configurations/{NOT_THERE}",
    ),
    "DELETE /kit-configurations/{kitConfigurationId}": Case(
        path=lambda scene: f"/kit-configurations/{scene.configuration_id}",
        shape=None,
        absent=f"/kit-configurations/{NOT_THERE}",
    ),
    "POST /kit-configurations/{kitConfigurationId}/peripherals": Case(
        path=lambda scene: f"/kit-configurations/{scene.configuration_id}/peripherals",
        shape=PERIPHERAL,
        json=body({"peripheralDefinitionId": 4, "name": "Second", "configuration": None}),
        absent=f"/kit-configurations/{NOT_THERE}/peripherals",
    ),
    "PATCH /peripherals/{peripheralId}": Case(
        path=lambda scene: f"/peripherals/{scene.peripheral_id}",
        shape=PERIPHERAL,
        json=body({"name": "Warmth"}),
        absent=f"/peripherals/{NOT_THERE}",
    ),
    "DELETE /peripherals/{peripheralId}": Case(
        path=lambda scene: f"/peripherals/{scene.peripheral_id}",
        shape=None,
        absent=f"/peripherals/{NOT_THERE}",
    ),
    "GET /kits/{kitSerial}/aggregate-measurements": of_kit("/aggregate-measurements", [AGGREGATE]),
    "GET /kits/{kitSerial}/media": of_kit("/media", [MEDIUM]),
    "GET /media/{mediaId}/content": Case(
        path=lambda scene: f"/media/{scene.medium_id}/content", shape=bytes, absent=f"/media/{NO_UUID}/content"
    ),
    "DELETE /media/{mediaId}": Case(
        path=lambda scene: f"/media/{scene.medium_id}", shape=None, absent=f"/media/{NO_UUID}"
    ),
    "GET /kit-rpc/{kitSerial}/version": of_kit_rpc("version", str),
    "GET /kit-rpc/{kitSerial}/uptime": of_kit_rpc("uptime", int),
    "POST /kit-rpc/{kitSerial}/peripheral-command": of_kit_rpc(
        "peripheral-command", bytes, body({"peripheral": "Heater", "command": {"heat": 5}})
    ),
    "POST /kits/{kitSerial}/archive": of_kit("/archive", str),
    "GET /kits/{kitSerial}/archive": Case(path=archive_link, shape=bytes, everybody=True),
}
