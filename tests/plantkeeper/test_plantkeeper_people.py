"""People of PlantKeeper's clients: names as people have them, new names, and logging in by a form."""

from __future__ import annotations

import unicodedata
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest
from plantkeeper_world import PlantKeeper, assert_error, serve_plantkeeper

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "s3cret s3cret"
FORM = "application/x-www-form-urlencoded"


def ours(keeper: PlantKeeper, path: str) -> str:
    return f"http://127.0.0.1:{keeper.port}/api{path}"


async def sign_up(keeper: PlantKeeper, username: str, email: str) -> Any:
    account = {"username": username, "email": email, "password": PASSWORD, "role": "User"}
    made = await keeper.client.post("/users", json=account)
    assert made.status_code == 201, made.text
    return made.json()


async def log_in(keeper: PlantKeeper, email: str) -> tuple[dict[str, str], Any]:
    """Return the headers of a new log-in and what its token says."""
    answer = await keeper.client.post("/auth/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    token = answer.json()["access_token"]
    return {"Authorization": f"Bearer {token}"}, jwt.decode(token, options={"verify_signature": False})


async def log_in_by_name(keeper: PlantKeeper, username: str) -> httpx.Response:
    body = {"username": username, "password": PASSWORD}
    return await keeper.client.post(ours(keeper, "/me/auth"), json=body)


async def test_a_name_with_space_and_umlauts_is_shown_and_logs_in_as_typed(keeper: PlantKeeper) -> None:
    made = await sign_up(keeper, " J\u00f6rg Gr\u00fcn ", "joerg@example.org")
    assert made["username"] == "Jörg Grün"
    headers, claims = await log_in(keeper, "joerg@example.org")
    assert claims["username"] == "Jörg Grün"
    shown = await keeper.client.get("/users/me", headers=headers)
    assert shown.json()["username"] == "Jörg Grün"
    for typed in ("Jörg Grün", "jörg grün", unicodedata.normalize("NFD", "Jörg Grün")):
        assert (await log_in_by_name(keeper, typed)).status_code == 200
        profile = await keeper.client.get(ours(keeper, f"/users/{quote(typed)}"))
        assert (profile.json()["username"], profile.json()["displayName"]) == ("jörg grün", "Jörg Grün")
        page = f"http://127.0.0.1:{keeper.port}/login"
        entered = await keeper.client.post(page, data={"username": typed, "password": PASSWORD})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")


async def test_a_name_in_another_spelling_is_taken(keeper: PlantKeeper) -> None:
    spellings = ("zoë grün", unicodedata.normalize("NFD", "Zoë Grün"), "Zoë Grün ", "\u0396oë Grün")
    async with serve_plantkeeper(keeper.world) as served:  # with limits of its own
        await sign_up(served, "Zoë Grün", "zoe@example.org")
        for number, spelling in enumerate(spellings):
            body = {"username": spelling, "email": f"zoe{number}@example.org", "password": PASSWORD}
            refused = await served.client.post("/users", json=body)
            assert_error(refused, 422)
            assert "taken" in refused.json()["message"]


@pytest.mark.parametrize("name", ["Anna  Maria", "-", "a/b", "a\u00a0b", "a\u202eb", "a\nb", "x" * 41, " "])
async def test_a_name_that_is_none_is_refused(keeper: PlantKeeper, name: str) -> None:
    body = {"username": name, "email": "nobody@example.org", "password": PASSWORD}
    refused = await keeper.client.post("/users", json=body)
    assert_error(refused, 422)
    assert "user name" in refused.json()["message"]


async def test_astroplants_sign_up_keeps_its_rule(keeper: PlantKeeper) -> None:
    body = {"username": "Anna Maria", "password": PASSWORD, "emailAddress": "anna@example.org"}
    refused = await keeper.client.post(ours(keeper, "/users"), json=body)
    assert (refused.status_code, refused.json()["invalidParameters"]) == (400, {"username": ["other"]})


async def test_the_next_page_of_a_person_with_umlauts_has_an_address(keeper: PlantKeeper) -> None:
    await sign_up(keeper, "Żółw Zielony", "zolw@example.org")
    headers, claims = await log_in(keeper, "zolw@example.org")
    await keeper.run(
        "INSERT INTO plants (owner_id, name) SELECT :id, 'Monty' FROM generate_series(1, 120)",
        id=int(claims["sub"]),
    )
    first = await keeper.client.get(ours(keeper, f"/users/{quote('żółw zielony')}/plants"), headers=headers)
    assert first.status_code == 200
    second = await keeper.client.get(ours(keeper, first.headers["x-next"]), headers=headers)
    assert len(first.json()) + len(second.json()) == 120


async def test_a_renamed_person_keeps_log_ins_and_keys_and_is_shown_by_the_new_name(
    keeper: PlantKeeper,
) -> None:
    made = await sign_up(keeper, "before", "renamed@example.org")
    old, _ = await log_in(keeper, "renamed@example.org")
    by_name = await log_in_by_name(keeper, "before")
    refresh = {"refreshToken": by_name.json()["refreshToken"]}
    key_body = {"name": "list", "scopes": ["read"]}
    key = (await keeper.client.post(ours(keeper, "/me/api-keys"), json=key_body, headers=old)).json()["key"]
    page = f"http://127.0.0.1:{keeper.port}/login"
    session = await keeper.client.post(page, data={"username": "before", "password": PASSWORD})
    cookie = {"Cookie": f"hortus-session={session.cookies['hortus-session']}"}
    keeper.client.cookies.clear()

    renamed = await keeper.client.patch("/users/me", json={"username": " After Ärger "}, headers=old)
    assert renamed.status_code == 200, renamed.text
    assert (renamed.json()["id"], renamed.json()["username"]) == (made["id"], "After Ärger")

    # The old token goes on. It says the old name until it expires, which the server does not read.
    for headers in (old, {"Authorization": f"Bearer {key}"}):
        me = await keeper.client.get("/users/me", headers=headers)
        assert (me.status_code, me.json()["username"]) == (200, "After Ärger")
    assert (await keeper.client.post(ours(keeper, "/me/refresh"), json=refresh)).status_code == 200
    front_page = await keeper.client.get(f"http://127.0.0.1:{keeper.port}/", headers=cookie)
    assert "After Ärger" in front_page.text
    profile = (await keeper.client.get(ours(keeper, "/me"), headers=old)).json()
    assert (profile["username"], profile["displayName"]) == ("after ärger", "After Ärger")
    assert (await keeper.client.get(ours(keeper, "/users/before"))).status_code == 404
    _, claims = await log_in(keeper, "renamed@example.org")
    assert claims["username"] == "After Ärger"
    assert (await log_in_by_name(keeper, "After Ärger")).status_code == 200
    assert (await log_in_by_name(keeper, "before")).status_code != 200
    # The old name is free.
    await sign_up(keeper, "before", "second@example.org")


async def test_a_new_name_keeps_the_rules_of_new_accounts(keeper: PlantKeeper) -> None:
    await sign_up(keeper, "Flora", "flora-taken@example.org")
    await sign_up(keeper, "ruled", "ruled@example.org")
    headers, _ = await log_in(keeper, "ruled@example.org")
    for wrong in ("Flora", "FLORA", "fl\u043era", "f1ora", "a/b", "a  b", "x" * 41):
        refused = await keeper.client.patch("/users/me", json={"username": wrong}, headers=headers)
        assert_error(refused, 422)
    both = await keeper.client.patch("/users/me", json={"username": "a/b", "email": "nobody"}, headers=headers)
    assert_error(both, 422)
    assert "user name" in both.json()["message"]
    assert "e-mail address" in both.json()["message"]
    me = await keeper.client.get("/users/me", headers=headers)
    assert me.json()["username"] == "ruled"
    # Their own name in another spelling is not taken, and empty fields change nothing.
    for name in ("RULED", "", " ", None):
        change = {"username": name, "email": "", "password": "", "currentPassword": ""}
        same = await keeper.client.patch("/users/me", json=change, headers=headers)
        assert (same.status_code, same.json()["username"]) == (200, "RULED")


async def test_names_of_others_cannot_be_asked_for_without_end(keeper: PlantKeeper) -> None:
    await sign_up(keeper, "sought", "sought@example.org")
    await sign_up(keeper, "asker", "asker@example.org")
    headers, _ = await log_in(keeper, "asker@example.org")
    statuses = [
        (await keeper.client.patch("/users/me", json={"username": "sought"}, headers=headers)).status_code
        for _ in range(7)
    ]
    assert statuses[0] == 422
    assert statuses[-1] == 429


async def test_name_and_password_change_in_one_request(keeper: PlantKeeper) -> None:
    await sign_up(keeper, "both", "both@example.org")
    headers, _ = await log_in(keeper, "both@example.org")
    change = {"username": "Both Two", "password": "n3w n3w n3w", "currentPassword": PASSWORD}
    changed = await keeper.client.patch("/users/me", json=change, headers=headers)
    assert (changed.status_code, changed.json()["username"]) == (200, "Both Two")
    body = {"email": "both@example.org", "password": "n3w n3w n3w"}
    assert (await keeper.client.post("/auth/login", json=body)).status_code == 201


async def test_a_device_stays_known_when_its_user_has_a_new_name(keeper: PlantKeeper) -> None:
    await sign_up(keeper, "device", "device@example.org")
    body = {"email": "device@example.org", "password": PASSWORD}
    answer = await keeper.client.post("/auth/login", json=body)
    device = answer.cookies["hortus-device"]
    keeper.client.cookies.clear()
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    known = headers | {"Cookie": f"hortus-device={device}"}
    renamed = await keeper.client.patch("/users/me", json={"username": "device two"}, headers=known)
    assert renamed.cookies["hortus-device"] != device
    keeper.client.cookies.clear()
    stranger = await keeper.client.patch("/users/me", json={"username": "device three"}, headers=headers)
    assert "hortus-device" not in stranger.cookies


async def test_a_form_logs_in_and_signs_up(keeper: PlantKeeper) -> None:
    account = {"username": "Form Fläche", "email": "form@example.org", "password": PASSWORD}
    made = await keeper.client.post("/users", data=account)
    assert (made.status_code, made.json()["username"]) == (201, "Form Fläche")
    body = {"email": "form@example.org", "password": PASSWORD}
    answer = await keeper.client.post("/auth/login", data=body)
    assert answer.status_code == 201
    token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await keeper.client.get("/users/me", headers=token)).json()["email"] == "form@example.org"
    with_charset = {"Content-Type": f"{FORM}; charset=UTF-8"}
    encoded = f"email=form%40example.org&password={quote(PASSWORD)}".encode()
    assert (await keeper.client.post("/auth/login", content=encoded, headers=with_charset)).status_code == 201
    wrong = await keeper.client.post("/auth/login", data=body | {"password": "x"})
    assert_error(wrong, 401, "Unauthorized")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"email=a%40b", 422),
        (b"email=a%40b&email=c%40d&password=x", 422),
        (b"email=%FF&password=x", 400),
        (b"email=a%40b&password=%00", 422),
        (b"&".join(b"f%d=1" % number for number in range(1000)), 400),
        (b"email=a&password=" + b"x" * 200_000, 413),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused(keeper: PlantKeeper, content: bytes, status: int) -> None:
    answer = await keeper.client.post("/auth/login", content=content, headers={"Content-Type": FORM})
    assert_error(answer, status)


async def test_other_content_is_refused_with_what_is_right(keeper: PlantKeeper) -> None:
    for content_type in ("text/plain", "multipart/form-data; boundary=x"):
        answer = await keeper.client.post(
            "/auth/login", content=b"email=a&password=b", headers={"Content-Type": content_type}
        )
        assert_error(answer, 415)
        assert "application/json" in answer.json()["message"]
        assert FORM in answer.json()["message"]


async def test_forms_sign_nobody_up_where_sign_up_is_closed(keeper: PlantKeeper) -> None:
    async with serve_plantkeeper(keeper.world, sign_up_open=False) as closed:
        account = {"username": "x", "email": "x@example.org", "password": PASSWORD}
        assert_error(await closed.client.post("/users", data=account), 403)
