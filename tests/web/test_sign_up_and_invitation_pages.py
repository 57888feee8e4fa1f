"""Signing up on the pages, where the operator has opened it or with an invitation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from web_helpers import PASSWORD, app_of, client_to, log_in, make_kit, make_user

from hortus.domain.kits.invitations import create_invitation
from hortus.http.access.rate_limits import Allowance, Allowances

FORM = {"username": "Flora", "email_address": "flora@example.org", "password": PASSWORD}


async def names(engine) -> list[str]:
    async with engine.connect() as connection:
        return list((await connection.scalars(text("SELECT username FROM users ORDER BY username"))).all())


async def members(engine) -> list[tuple[str, bool, bool]]:
    async with engine.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT u.username, m.access_super, m.access_configure FROM kit_memberships m "
                "JOIN users u ON u.id = m.user_id ORDER BY u.username"
            )
        )
        return [tuple(row) for row in rows]


async def test_a_stranger_signs_up_and_is_logged_in(engine):
    async with client_to(app_of(engine, sign_up_open=True)) as client:
        assert 'href="/sign-up"' in (await client.get("/login")).text
        assert (await client.get("/sign-up")).status_code == 200
        answer = await client.post("/sign-up", data=FORM)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "Log out" in (await client.get("/")).text
        assert (await client.get("/sign-up")).headers["location"] == "/"
    assert await names(engine) == ["flora"]


async def test_closed_sign_up_says_whom_to_ask_and_makes_no_account(engine):
    async with client_to(app_of(engine)) as client:
        assert 'href="/sign-up"' not in (await client.get("/login")).text
        for answer in (await client.get("/sign-up"), await client.post("/sign-up", data=FORM)):
            assert (answer.status_code, "Sign-up is closed" in answer.text) == (403, True)
    assert await names(engine) == []


async def test_faults_stand_at_their_fields_and_nothing_typed_is_lost_but_the_password(engine):
    async with client_to(app_of(engine, sign_up_open=True)) as client:
        answer = await client.post("/sign-up", data=FORM | {"username": "-a", "password": "short"})
    assert answer.status_code == 422
    assert ('<a href="#username">' in answer.text, '<a href="#password">' in answer.text) == (True, True)
    assert ('value="flora@example.org"' in answer.text, 'value="short"' in answer.text) == (True, False)


async def test_who_asks_for_many_taken_names_is_told_no_more(engine):
    async with engine.begin() as connection:
        await make_user(connection, "ada")
    allowances = Allowances(known_accounts=Allowance(at_once=1, refill_seconds=720.0))
    async with client_to(app_of(engine, sign_up_open=True, allowances=allowances)) as client:
        told = await client.post("/sign-up", data=FORM | {"username": "ada"})
        assert (told.status_code, "This user name is taken" in told.text) == (422, True)
        refused = [await client.post("/sign-up", data=FORM | {"username": name}) for name in ("ada", "bob")]
    for answer in refused:
        assert (answer.status_code, answer.headers["retry-after"] > "0") == (429, True)
        assert "Too many attempts. Try again in 12 minutes." in answer.text
    assert await names(engine) == ["ada"]


@pytest.fixture
async def world(engine):
    """A private kit, its owner ada, and eve who is no member."""
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        ada = await make_user(connection, "ada")
        await make_user(connection, "eve")
        await connection.execute(
            text(
                "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure)"
                " VALUES (:user, :kit, now(), true, true)"
            ),
            {"user": ada.id, "kit": kit.id},
        )
    return kit, ada


async def invite(engine, world, *, configure: bool = False, uses: int = 1, days_ago: int = 0) -> str:
    kit, ada = world
    async with engine.begin() as connection:
        _, token = await create_invitation(
            connection,
            kit.id,
            ada.id,
            access_super=False,
            access_configure=configure,
            uses=uses,
            now=datetime.now(UTC) - timedelta(days=days_ago),
        )
    return token


async def test_an_invitation_makes_an_account_although_sign_up_is_closed(engine, world):
    token = await invite(engine, world, configure=True)
    async with client_to(app_of(engine)) as client:
        shown = await client.get(f"/invitations/{token}")
        assert ("Basil" in shown.text, "can change its name, place and configuration" in shown.text) == (
            True, True,
        )  # fmt: skip
        answer = await client.post(f"/invitations/{token}", data=FORM)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/kits/{world[0].serial}")
        assert "Log out" in (await client.get("/")).text
    assert await members(engine) == [("ada", True, True), ("flora", False, True)]


async def test_an_invitation_works_once(engine, world):
    token = await invite(engine, world)
    async with client_to(app_of(engine)) as client:
        await client.post(f"/invitations/{token}", data=FORM)
    async with client_to(app_of(engine)) as client:
        other = FORM | {"username": "bob", "email_address": "bob@example.org"}
        for answer in (
            await client.get(f"/invitations/{token}"),
            await client.post(f"/invitations/{token}", data=other),
            await client.get("/invitations/never-was-one"),
        ):
            assert (answer.status_code, "This invitation has ended" in answer.text) == (410, True)
    assert await names(engine) == ["ada", "eve", "flora"]


async def test_a_person_with_an_account_accepts_with_one_button_and_twice_is_once(engine, world):
    token = await invite(engine, world, uses=2)
    async with client_to(app_of(engine)) as client:
        await log_in(client, "eve")
        assert "Accept invitation" in (await client.get(f"/invitations/{token}")).text
        for _ in range(2):
            answer = await client.post(f"/invitations/{token}")
            assert answer.headers["location"] == f"/kits/{world[0].serial}"
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT uses_left FROM kit_invitations")) == 1
    assert await members(engine) == [("ada", True, True), ("eve", False, False)]


async def test_an_invitation_ends_after_a_week_and_with_the_rights_of_who_made_it(engine, world):
    old = await invite(engine, world, days_ago=8)
    token = await invite(engine, world)
    async with client_to(app_of(engine)) as client:
        await log_in(client, "eve")
        assert (await client.post(f"/invitations/{old}")).status_code == 410
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE kit_memberships SET access_super = false"))
        assert (await client.post(f"/invitations/{token}")).status_code == 410
    assert await members(engine) == [("ada", False, True)]


async def test_the_token_is_not_stored_and_not_sent_on(engine, world):
    token = await invite(engine, world)
    async with engine.connect() as connection:
        assert token not in str((await connection.execute(text("SELECT * FROM kit_invitations"))).all())
    async with client_to(app_of(engine)) as client:
        shown = await client.get(f"/invitations/{token}")
        assert shown.headers["referrer-policy"] == "same-origin"
        foreign = await client.post(f"/invitations/{token}", data=FORM, headers={"origin": "http://evil.test"})
    assert foreign.status_code == 403
    assert await names(engine) == ["ada", "eve"]
