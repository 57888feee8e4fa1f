"""Signing up, logging in, tokens, passwords, API keys and profiles over HTTP (http-api 2 and 4.2)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import jwt
import pytest
from api_client import TOKEN_KEY, Installation, assert_invalid, assert_problem
from people import LENGTH, PASSWORD, bearer, sign_up

from hortus.domain.accounts.tokens import ACCESS_LIFETIME, REFRESH_LIFETIME
from hortus.http.access.rate_limits import Allowance, Allowances


async def test_a_person_signs_up_logs_in_and_sees_themself(api: Installation) -> None:
    body = {"username": "Flora-1", "password": PASSWORD, "emailAddress": "Flora@Example.org"}
    made = await api.client.post("/users", json=body)
    assert (made.status_code, made.content) == (201, b"")
    assert "content-type" not in made.headers
    assert "location" not in made.headers
    tokens = (await api.client.post("/me/auth", json={"username": "FLORA-1", "password": PASSWORD})).json()
    me = await api.client.get("/me", headers=bearer(tokens["accessToken"]))
    document = me.json()
    alternative = document.pop("gravatarAlternative")
    assert len(alternative) == 32
    assert document == {
        "id": document["id"],
        "username": "flora-1",
        "displayName": "Flora-1",
        "emailAddress": "flora@example.org",
        "useEmailAddressForGravatar": True,
        "timeZone": None,
        "language": None,
        "temperatureUnit": "celsius",
        "clock": "24h",
        "theme": "system",
        "shortcuts": True,
    }
    # For others, the picture is not derived from the address.
    assert (await api.client.get("/users/FLORA-1")).json() == {
        "username": "flora-1",
        "displayName": "Flora-1",
        "gravatar": alternative,
    }


@pytest.mark.parametrize(
    ("username", "address", "reasons"),
    [
        ("", "a@b.example", {"username": [LENGTH], "displayName": [LENGTH]}),
        ("a" * 41, "a@b.example", {"username": [LENGTH], "displayName": [LENGTH]}),
        ("-a", "a@b.example", {"username": ["other"]}),
        ("a_b", "nonsense", {"username": ["other"], "emailAddress": ["mustBeEmailAddress"]}),
        (
            "a",
            "a@" + "b." * 130 + "example",
            {"emailAddress": [{"mustHaveLengthBetween": {"min": 1, "max": 255}}]},
        ),
    ],
)
async def test_an_account_that_breaks_rules_is_refused_with_all_reasons(
    api: Installation, username: str, address: str, reasons: dict[str, Any]
) -> None:
    body = {"username": username, "password": PASSWORD, "emailAddress": address}
    assert_invalid(await api.client.post("/users", json=body), **reasons)


async def test_what_others_have_taken_is_refused_in_any_case(api: Installation) -> None:
    await sign_up(api, "taken")
    body = {"username": "TAKEN", "password": PASSWORD, "emailAddress": "Taken@Example.org"}
    assert_invalid(
        await api.client.post("/users", json=body),
        username=["alreadyExists"],
        emailAddress=["alreadyExists"],
    )


async def test_who_has_an_account_is_told_a_few_times_per_address_only(serve: Any) -> None:
    few = Allowances(known_accounts=Allowance(at_once=2, refill_seconds=3600.0))
    async with serve(sign_up_open=True, allowances=few) as api:
        await sign_up(api, "spoken-for")
        body = {"username": "other", "password": PASSWORD, "emailAddress": "spoken-for@example.org"}
        for _ in range(2):
            assert_invalid(await api.client.post("/users", json=body), emailAddress=["alreadyExists"])
        for address in ("spoken-for@example.org", "unknown@example.org"):
            hidden = await api.client.post("/users", json=body | {"emailAddress": address})
            assert hidden.status_code == 429
        person = await api.person()
        path = f"/users/{person.username}"
        for _ in range(2):
            asked = await api.client.patch(
                path, json={"emailAddress": "spoken-for@example.org"}, headers=person.headers
            )
            assert_invalid(asked, emailAddress=["alreadyExists"])
        asked = await api.client.patch(
            path, json={"emailAddress": "unknown@example.org"}, headers=person.headers
        )
        assert asked.status_code == 429


async def test_nobody_signs_up_where_sign_up_is_closed(serve: Any) -> None:
    async with serve() as closed:
        body = {"username": "late", "password": PASSWORD, "emailAddress": "late@example.org"}
        response = await closed.client.post("/users", json=body)
        assert "hortus user create" in response.json()["detail"]
        assert_problem(response, 403)


async def test_a_wrong_password_and_an_unknown_user_look_the_same(api: Installation) -> None:
    await sign_up(api, "known")
    wrong = await api.client.post("/me/auth", json={"username": "known", "password": "x"})
    unknown = await api.client.post("/me/auth", json={"username": "unknown", "password": "x"})
    assert_invalid(wrong, username=["other"], password=["other"])
    assert wrong.content == unknown.content


async def test_tokens_say_what_the_contract_says_and_live_as_long(api: Installation) -> None:
    tokens = await sign_up(api, "claims")
    now = api.clock()
    lifetimes = {"accessToken": ACCESS_LIFETIME, "refreshToken": REFRESH_LIFETIME}
    assert lifetimes == {"accessToken": timedelta(minutes=15), "refreshToken": timedelta(days=365)}
    for name, kind in (("accessToken", "Access"), ("refreshToken", "Refresh")):
        assert jwt.get_unverified_header(tokens[name]) == {"typ": "JWT", "alg": "HS256"}
        claims = jwt.decode(tokens[name], TOKEN_KEY, algorithms=["HS256"])
        assert claims["token_type"] == kind
        assert isinstance(claims["state"]["user_id"], int)
        assert abs(claims["exp"] - (now + lifetimes[name]).timestamp()) < 60


async def test_a_refresh_token_makes_access_tokens_that_work(api: Installation) -> None:
    tokens = await sign_up(api, "refreshing")
    refreshed = await api.client.post("/me/refresh", json={"refreshToken": tokens["refreshToken"]})
    assert refreshed.status_code == 200
    assert isinstance(refreshed.json(), str)
    assert (await api.client.get("/me", headers=bearer(refreshed.json()))).status_code == 200


async def test_an_access_token_is_accepted_until_a_minute_after_it_expired(api: Installation) -> None:
    person = await api.person()
    kit = await api.kit(public=True)
    api.clock.ahead_seconds = ACCESS_LIFETIME.total_seconds() + 50
    assert (await api.client.get("/me", headers=person.headers)).status_code == 200
    api.clock.ahead_seconds = ACCESS_LIFETIME.total_seconds() + 62
    expired = await api.client.get("/me", headers=person.headers)
    assert_problem(expired, 401, "/probs/authorization-header", category="expired")
    # It does not prevent access to public things.
    assert (await api.client.get(f"/kits/{kit.serial}", headers=person.headers)).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "category", "title"),
    [
        (None, "missing", "Your request misses the Authorization header."),
        ("Basic YTpi", "malformed", "Your request Authorization header was malformed."),
        ("Bearer", "malformed", "Your request Authorization header was malformed."),
        ("Bearer nonsense", "malformed", "Your request Authorization header was malformed."),
        ("Bearer hortus_nonsense", "expired", "Your request access token was expired."),
    ],
)
async def test_without_a_valid_token_it_is_said_what_is_wrong_with_it(
    api: Installation, authorization: str | None, category: str, title: str
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    for response in (
        await api.client.get("/me", headers=headers),
        await api.client.post("/kits", content=b"{", headers=headers),
    ):
        assert response.json()["title"] == title
        assert response.headers["www-authenticate"] == "Bearer"
        assert_problem(response, 401, "/probs/authorization-header", category=category)


async def test_tokens_of_other_kinds_and_keys_are_not_accepted(api: Installation) -> None:
    tokens = await sign_up(api, "kinds")
    claims = jwt.decode(tokens["accessToken"], TOKEN_KEY, algorithms=["HS256"])
    forged = [
        tokens["refreshToken"],
        jwt.encode(claims, TOKEN_KEY[::-1], algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode({**claims, "state": {}}, TOKEN_KEY, algorithm="HS256"),
        jwt.encode({**claims, "exp": None}, TOKEN_KEY, algorithm="HS256"),
    ]
    for token in forged:
        response = await api.client.get("/me", headers=bearer(token))
        assert_problem(response, 401, "/probs/authorization-header", category="malformed")
    for token in (tokens["accessToken"], "nonsense"):
        response = await api.client.post("/me/refresh", json={"refreshToken": token})
        assert_invalid(response, refreshToken=[{"invalidToken": {"category": "malformed"}}])


async def assert_ended(api: Installation, refresh_token: str) -> None:
    response = await api.client.post("/me/refresh", json={"refreshToken": refresh_token})
    assert_invalid(response, refreshToken=[{"invalidToken": {"category": "expired"}}])


async def test_logging_out_ends_one_log_in(api: Installation) -> None:
    first = await sign_up(api, "leaving")
    second = (await api.client.post("/me/auth", json={"username": "leaving", "password": PASSWORD})).json()
    for _ in range(2):
        out = await api.client.post("/me/log-out", json={"refreshToken": first["refreshToken"]})
        assert (out.status_code, out.content) == (200, b"")
    await assert_ended(api, first["refreshToken"])
    assert (
        await api.client.post("/me/refresh", json={"refreshToken": second["refreshToken"]})
    ).status_code == 200


async def test_log_ins_are_listed_and_ended_from_elsewhere(api: Installation) -> None:
    first = await sign_up(api, "listing")
    await api.client.post("/me/auth", json={"username": "listing", "password": PASSWORD})
    headers = bearer(first["accessToken"])
    listed = (await api.client.get("/me/log-ins", headers=headers)).json()
    assert len(listed) == 2
    assert listed[0].keys() == {"id", "place", "createdAt", "lastUsedAt", "expiresAt"}
    stranger = await api.person()
    ending = f"/me/log-ins/{listed[1]['id']}"
    assert_problem(await api.client.delete(ending, headers=stranger.headers), 404)
    assert (await api.client.delete(ending, headers=headers)).status_code == 200
    await assert_ended(api, first["refreshToken"])
    assert (await api.client.delete("/me/log-ins", headers=headers)).status_code == 200
    assert (await api.client.get("/me/log-ins", headers=headers)).json() == []


async def test_a_changed_password_ends_all_log_ins_but_the_new_one(api: Installation) -> None:
    tokens = await sign_up(api, "changing")
    headers = bearer(tokens["accessToken"])
    body = {"currentPassword": "wrong", "newPassword": "Not any more."}
    assert_invalid(await api.client.post("/me/password", json=body, headers=headers), currentPassword=["other"])
    body = {"currentPassword": PASSWORD, "newPassword": "1234567"}
    too_short = await api.client.post("/me/password", json=body, headers=headers)
    assert_invalid(too_short, newPassword=[{"mustHaveLengthBetween": {"min": 8, "max": 1024}}])
    body = {"currentPassword": PASSWORD, "newPassword": "password"}
    assert_invalid(await api.client.post("/me/password", json=body, headers=headers), newPassword=["other"])
    body = {"currentPassword": PASSWORD, "newPassword": "Not any more."}
    changed = await api.client.post("/me/password", json=body, headers=headers)
    assert changed.status_code == 200
    await assert_ended(api, tokens["refreshToken"])
    new = {"refreshToken": changed.json()["refreshToken"]}
    assert (await api.client.post("/me/refresh", json=new)).status_code == 200
    logged_in = await api.client.post("/me/auth", json={"username": "changing", "password": "Not any more."})
    assert logged_in.status_code == 200


async def test_a_password_set_by_the_operator_ends_all_log_ins(api: Installation) -> None:
    tokens = await sign_up(api, "forgetful")
    await api.run("UPDATE users SET password_hash = 'another' WHERE username = 'forgetful'")
    await assert_ended(api, tokens["refreshToken"])


async def test_a_deleted_user_is_nobody_any_more(api: Installation) -> None:
    tokens = await sign_up(api, "deleted")
    await api.run("DELETE FROM users WHERE username = 'deleted'")
    await assert_ended(api, tokens["refreshToken"])
    headers = bearer(tokens["accessToken"])
    response = await api.client.get("/me", headers=headers)
    assert_problem(response, 401, "/probs/authorization-header", category="expired")
    body = {"privacyPublicDashboard": True, "privacyShowOnMap": True}
    response = await api.client.post("/kits", json=body, headers=headers)
    assert_problem(response, 401, "/probs/authorization-header", category="expired")
    kit = await api.kit(public=True)
    assert (await api.client.get(f"/kits/{kit.serial}", headers=headers)).status_code == 200
    response = await api.client.patch(f"/kits/{kit.serial}", json={}, headers=headers)
    assert_problem(response, 401, "/probs/authorization-header", category="expired")


class Mailbox:
    """Records what would be sent."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self.arrived = asyncio.Event()

    async def send(self, **message: str) -> None:
        self.messages.append(message)
        self.arrived.set()


async def test_a_forgotten_password_is_reset_once_with_a_token_sent_by_mail(serve: Any) -> None:
    mailbox = Mailbox()
    async with serve(sign_up_open=True, reset_mailer=mailbox) as api:
        tokens = await sign_up(api, "resetting")
        for address in ("nobody@example.org", "Resetting@Example.org"):
            response = await api.client.post("/password-resets", json={"emailAddress": address})
            assert (response.status_code, response.content) == (202, b"")
        await asyncio.wait_for(mailbox.arrived.wait(), 20)
        [message] = mailbox.messages
        assert (message["email_address"], message["username"]) == ("resetting@example.org", "resetting")
        body = {"token": message["token"], "newPassword": "Remembered."}
        assert (await api.client.post("/password-resets/redeem", json=body)).status_code == 200
        await assert_ended(api, tokens["refreshToken"])
        body["newPassword"] = "Once again."
        again = await api.client.post("/password-resets/redeem", json=body)
        assert_invalid(again, token=[{"invalidToken": {"category": "expired"}}])
        logged_in = await api.client.post("/me/auth", json={"username": "resetting", "password": "Remembered."})
        assert logged_in.status_code == 200


async def test_without_mail_the_operator_is_named_who_can_reset_a_password(api: Installation) -> None:
    response = await api.client.post("/password-resets", json={"emailAddress": "a@example.org"})
    assert "hortus user password" in response.json()["detail"]
    assert_problem(response, 403)


async def test_the_old_form_of_a_password_logs_in_and_is_replaced(api: Installation) -> None:
    await sign_up(api, "imported")
    old = "1$AQIDBAUGBwgJEBESExQVFg==$CxZam+iAsfxNt9doaNmMtSjBy6NqyoOMxSppNpJFmx8="
    await api.run("UPDATE users SET password_hash = :old WHERE username = 'imported'", old=old)
    tokens = (await api.client.post("/me/auth", json={"username": "imported", "password": PASSWORD})).json()
    assert (await api.scalar("SELECT password_hash FROM users WHERE username = 'imported'")).startswith(
        "$argon2id$"
    )
    refreshed = await api.client.post("/me/refresh", json={"refreshToken": tokens["refreshToken"]})
    assert refreshed.status_code == 200


async def test_a_person_names_their_time_zone(api: Installation) -> None:
    person = await api.person()
    path = f"/users/{person.username}"
    changed = await api.client.patch(path, json={"timeZone": "Asia/Kolkata"}, headers=person.headers)
    assert changed.status_code == 200
    assert (await api.client.get("/me", headers=person.headers)).json()["timeZone"] == "Asia/Kolkata"
    wrong = await api.client.patch(path, json={"timeZone": "Asia/Kolkatta"}, headers=person.headers)
    assert_invalid(wrong, timeZone=["other"])
    assert wrong.json()["detail"] == (
        "timeZone: There is no time zone of this name; the closest is Asia/Kolkata."
    )


async def test_a_person_chooses_how_pages_look(api: Installation) -> None:
    person = await api.person()
    path = f"/users/{person.username}"
    choices = {
        "language": "de",
        "temperatureUnit": "fahrenheit",
        "clock": "12h",
        "theme": "dark",
        "shortcuts": False,
    }
    assert (await api.client.patch(path, json=choices, headers=person.headers)).status_code == 200
    me = (await api.client.get("/me", headers=person.headers)).json()
    assert {name: me[name] for name in choices} == choices
    await api.client.patch(path, json={"language": "", "theme": None}, headers=person.headers)
    me = (await api.client.get("/me", headers=person.headers)).json()
    assert (me["language"], me["theme"]) == (None, "dark")
    unknown = await api.client.patch(path, json={"language": "tlh"}, headers=person.headers)
    assert_invalid(unknown, language=["other"])
    wrong = await api.client.patch(path, json={"clock": "13h"}, headers=person.headers)
    assert wrong.status_code == 400


async def test_a_membership_tells_the_zone_of_the_kit_and_not_that_of_the_person(api: Installation) -> None:
    kit = await api.kit()
    person = await api.member(kit)
    await api.client.patch(
        f"/users/{person.username}", json={"timeZone": "Asia/Kolkata"}, headers=person.headers
    )
    path = f"/users/{person.username}/kit-memberships"
    memberships = (await api.client.get(path, headers=person.headers)).json()
    assert [membership["kit"]["timeZone"] for membership in memberships] == [None]


async def test_a_profile_is_changed_by_its_owner_only(api: Installation) -> None:
    person, other = await api.person(), await api.person()
    path = f"/users/{person.username}"
    body = {"displayName": "Flora", "emailAddress": "New@Example.org", "useEmailAddressForGravatar": None}
    changed = await api.client.patch(path, json=body, headers=person.headers)
    assert changed.json() == {
        "username": person.username,
        "displayName": "Flora",
        "gravatar": "new@example.org",
    }
    changed = await api.client.patch(path, json={"useEmailAddressForGravatar": False}, headers=person.headers)
    assert changed.json()["gravatar"] == f"random-{person.username}"
    same = await api.client.patch(path, json={}, headers=person.headers)
    assert (same.status_code, same.json()) == (200, changed.json())
    assert_invalid(
        await api.client.patch(path, json={"displayName": ""}, headers=person.headers), displayName=[LENGTH]
    )
    taken = await api.client.patch(
        path, json={"emailAddress": f"{other.username}@EXAMPLE.org"}, headers=person.headers
    )
    assert_invalid(taken, emailAddress=["alreadyExists"])
    assert_problem(await api.client.patch(path, json={}, headers=other.headers), 403)
    anonymous = await api.client.patch(path, json={})
    assert_problem(anonymous, 401, "/probs/authorization-header", category="missing")


@pytest.mark.parametrize("name", ["%25", "person-_", "a%00", "nobody"])
async def test_a_name_is_no_pattern(api: Installation, name: str) -> None:
    await api.person()
    assert_problem(await api.client.get(f"/users/{name}"), 404)
    assert_problem(await api.client.get(f"/users/{name}/kit-memberships"), 404)


async def test_somebodys_memberships_are_shown_of_kits_that_the_caller_may_see(api: Installation) -> None:
    person, friend = await api.person(), await api.person()
    public, shared, private = await api.kit(public=True), await api.kit(), await api.kit()
    for kit in (public, shared, private):
        await api.join(kit, person, access_configure=True)
    await api.join(shared, friend)
    path = f"/users/{person.username}/kit-memberships"

    async def serials(headers: dict[str, str]) -> list[str]:
        response = await api.client.get(path, headers=headers)
        assert response.status_code == 200
        return [membership["kit"]["serial"] for membership in response.json()]

    assert await serials({}) == [public.serial]
    assert await serials(friend.headers) == [public.serial, shared.serial]
    assert await serials(person.headers) == [public.serial, shared.serial, private.serial]
    administrator = await api.person(is_admin=True)
    assert await serials(administrator.headers) == [public.serial, shared.serial, private.serial]


async def test_too_many_attempts_to_log_in_are_refused_until_a_time_that_is_told(serve: Any) -> None:
    few = Allowances(log_ins_per_user=Allowance(at_once=2, refill_seconds=60.0))
    async with serve(sign_up_open=True, allowances=few) as api:
        await sign_up(api, "guessed")
        right, wrong = {"username": "guessed", "password": PASSWORD}, {"username": "Guessed", "password": "x"}
        for _ in range(3):  # successes do not count
            assert (await api.client.post("/me/auth", json=right)).status_code == 200
        owners_device = dict(api.client.cookies)
        api.client.cookies.clear()
        for _ in range(2):
            assert (await api.client.post("/me/auth", json=wrong)).status_code == 400
        refused = await api.client.post("/me/auth", json=right)
        document = refused.json()
        assert 0 < document["waitTimeMillis"] <= 60_000
        assert 1 <= int(refused.headers["retry-after"]) <= 61
        assert_problem(refused, 429, "/probs/rate-limit", waitTimeMillis=document["waitTimeMillis"])
        api.client.cookies.update(owners_device)
        assert (await api.client.post("/me/auth", json=right)).status_code == 200


async def test_anonymous_requests_are_bounded_and_those_with_a_token_are_not(serve: Any) -> None:
    few = Allowances(anonymous=Allowance(at_once=3, refill_seconds=60.0))
    async with serve(allowances=few) as api:
        person = await api.person()
        for path in ("/time", "/quantity-types", "/kits"):
            assert (await api.client.get(path)).status_code == 200
        assert (await api.client.get("/time")).status_code == 429
        assert (await api.client.get("/time", headers=bearer("nonsense"))).status_code == 429
        assert (await api.client.get("/time", headers=bearer("hortus_nonsense"))).status_code == 429
        assert (await api.client.get("/time", headers=person.headers)).status_code == 200
