"""What administrators do through the API, and that others find nothing there."""

from __future__ import annotations

import pytest
from api_client import Installation, assert_problem

READ = ("people", "storage", "last-day", "unknown-kits", "log")
CHANGES = (
    ("POST", "people", {"username": "flora", "emailAddress": "flora@example.org"}),
    ("PATCH", "people/{name}", {"isAdmin": True}),
    ("POST", "people/{name}/password-link", None),
    ("DELETE", "people/{name}/log-ins", None),
    ("DELETE", "people/{name}", None),
)


@pytest.mark.parametrize("path", READ)
async def test_others_find_nothing(api: Installation, path: str) -> None:
    stranger = await api.client.get(f"/admin/{path}")
    assert_problem(stranger, 401, "/probs/authorization-header", category="missing")
    person = await api.person()
    assert_problem(await api.client.get(f"/admin/{path}", headers=person.headers), 404)
    root = await api.person(is_admin=True)
    assert (await api.client.get(f"/admin/{path}", headers=root.headers)).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_others_change_nothing(api: Installation, method: str, path: str, body: object) -> None:
    person, other = await api.person(), await api.person()
    address = f"/admin/{path.format(name=other.username)}"
    stranger = await api.client.request(method, address, json=body)
    assert_problem(stranger, 401, "/probs/authorization-header", category="missing")
    assert_problem(await api.client.request(method, address, json=body, headers=person.headers), 404)
    assert (await api.client.get(f"/users/{other.username}")).status_code == 200


async def test_people_are_made_raised_and_deleted_with_a_log(api: Installation) -> None:
    root = await api.person(is_admin=True)
    made = await api.client.post(
        "/admin/people", json={"username": "Flora", "emailAddress": "flora@example.org"}, headers=root.headers
    )
    assert made.status_code == 201
    assert made.json()["username"] == "flora"
    again = await api.client.post(
        "/admin/people", json={"username": "f l", "emailAddress": "x"}, headers=root.headers
    )
    assert (again.status_code, sorted(again.json()["invalidParameters"])) == (400, ["emailAddress", "username"])

    one = "/admin/people/flora"
    assert (await api.client.patch(one, json={"isAdmin": True}, headers=root.headers)).status_code == 200
    listed = (await api.client.get("/admin/people?q=flora", headers=root.headers)).json()
    assert [(each["username"], each["isAdmin"], each["kits"]) for each in listed] == [("flora", True, 0)]
    link = await api.client.post(f"{one}/password-link", headers=root.headers)
    assert sorted(link.json()) == ["token", "username"]
    assert (await api.client.delete(f"{one}/log-ins", headers=root.headers)).status_code == 200
    assert (await api.client.delete(one, headers=root.headers)).status_code == 200
    assert_problem(await api.client.delete(one, headers=root.headers), 404)
    log = (await api.client.get("/admin/log", headers=root.headers)).json()
    assert [(each["username"], each["deed"], each["subject"]) for each in log[:5]] == [
        (root.username, "person-deleted", "flora"),
        (root.username, "sessions-ended", "flora"),
        (root.username, "password-link-made", "flora"),
        (root.username, "administrator-made", "flora"),
        (root.username, "person-created", "flora"),
    ]


async def test_the_last_administrator_stays(api: Installation) -> None:
    root = await api.person(is_admin=True)
    people = (await api.client.get("/admin/people", headers=root.headers)).json()
    for each in people:
        if each["isAdmin"] and each["username"] != root.username:
            await api.client.patch(
                f"/admin/people/{each['username']}", json={"isAdmin": False}, headers=root.headers
            )
    path = f"/admin/people/{root.username}"
    answer = await api.client.patch(path, json={"isAdmin": False}, headers=root.headers)
    assert_problem(answer, 409)
    assert_problem(await api.client.delete(path, headers=root.headers), 409)


async def test_storage_and_the_last_day_are_told_in_figures(api: Installation) -> None:
    root = await api.person(is_admin=True)
    storage = (await api.client.get("/admin/storage", headers=root.headers)).json()
    assert storage["database"] > 1_000_000
    assert storage["months"]
    day = (await api.client.get("/admin/last-day", headers=root.headers)).json()
    assert {name: len(values) for name, values in day.items()} == dict.fromkeys(day, 24)
