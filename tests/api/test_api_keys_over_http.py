"""API keys over HTTP: made, used within their scopes, ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from api_client import Installation, Person, assert_invalid, assert_problem
from people import LENGTH, bearer


async def make_key(api: Installation, person: Person, **body: Any) -> dict[str, Any]:
    made = await api.client.post("/me/api-keys", json={"name": "Notebook", **body}, headers=person.headers)
    assert made.status_code == 201, made.text
    key: dict[str, Any] = made.json()
    return key


async def test_an_api_key_is_shown_once_used_and_deleted(api: Installation) -> None:
    person = await api.person()
    key = await make_key(api, person, scopes=["manage", "read"], expiresAt="2027-01-01T00:00:00+01:00")
    secret = key.pop("key")
    assert key == {
        "id": key["id"],
        "name": "Notebook",
        "scopes": ["read", "manage"],
        "createdAt": key["createdAt"],
        "lastUsedAt": None,
        "expiresAt": "2026-12-31T23:00:00Z",
    }
    assert secret not in str(await api.scalar("SELECT array_agg(k::text)::text FROM api_keys k"))
    assert (await api.client.get("/me", headers=bearer(secret))).json()["username"] == person.username
    [listed] = (await api.client.get("/me/api-keys", headers=person.headers)).json()
    assert listed == {**key, "lastUsedAt": listed["lastUsedAt"]}
    assert listed["lastUsedAt"] is not None
    stranger = await api.person()
    assert_problem(await api.client.delete(f"/me/api-keys/{key['id']}", headers=stranger.headers), 404)
    assert (await api.client.delete(f"/me/api-keys/{key['id']}", headers=person.headers)).status_code == 200
    gone = await api.client.get("/me", headers=bearer(secret))
    assert_problem(gone, 401, "/probs/authorization-header", category="expired")


async def test_an_api_key_expires(api: Installation) -> None:
    person = await api.person()
    expires_at = (api.clock() + timedelta(hours=1)).isoformat()
    secret = (await make_key(api, person, scopes=["read"], expiresAt=expires_at))["key"]
    assert (await api.client.get("/me", headers=bearer(secret))).status_code == 200
    api.clock.ahead_seconds = 3601
    assert (await api.client.get("/me", headers=bearer(secret))).status_code == 401


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        ({"name": "", "scopes": ["read"]}, {"name": [LENGTH]}),
        ({"name": "a", "scopes": ["read"], "expiresAt": "2020-01-01T00:00:00Z"}, {"expiresAt": ["other"]}),
        ({"name": "a", "scopes": ["read"], "expiresAt": "2090-01-01T00:00:00Z"}, {"expiresAt": ["other"]}),
    ],
)
async def test_a_key_that_breaks_rules_is_refused(
    api: Installation, body: dict[str, Any], parameters: dict[str, Any]
) -> None:
    person = await api.person()
    assert_invalid(await api.client.post("/me/api-keys", json=body, headers=person.headers), **parameters)


async def test_a_key_does_what_its_scopes_say_and_never_touches_the_account(api: Installation) -> None:
    kit = await api.kit()
    person = await api.member(kit, access_super=True)
    keys = {
        scope: bearer((await make_key(api, person, scopes=[scope]))["key"])
        for scope in ("read", "configure", "control", "manage")
    }
    expected = {
        "read": ["view", "subscribeRealTimeMeasurements"],
        "configure": ["deleteMedia", "editDetails", "editConfiguration"],
        "control": ["rpcVersion", "rpcUptime", "rpcPeripheralCommand", "rpcPeripheralCommandLock"],
        "manage": ["delete", "resetPassword", "editMembers", "editSuperMembers"],
    }
    for scope, headers in keys.items():
        told = await api.client.get("/permissions", params={"kitSerial": kit.serial}, headers=headers)
        assert sorted(told.json()) == sorted(expected[scope])
        shown = await api.client.get(f"/kits/{kit.serial}", headers=headers)
        assert shown.status_code == (200 if scope == "read" else 403)
        for method, path in (
            ("GET", "/me/api-keys"),
            ("GET", "/me/log-ins"),
            ("DELETE", "/me/log-ins"),
            ("DELETE", "/me/api-keys/1"),
        ):
            assert_problem(await api.client.request(method, path, headers=headers), 403)
        refused = await api.client.patch(f"/users/{person.username}", json={}, headers=headers)
        assert_problem(refused, 403)
