"""Access to the live feed: who may subscribe to what, and for how long."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import insert, text

from hortus.domain.accounts.api_keys import Scope, make_key
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.store import User, create_user
from hortus.domain.accounts.tables import UserRow
from hortus.domain.accounts.tokens import Tokens
from hortus.domain.plants.account_deletion import delete_account
from hortus.http.live.admission import LiveLimits
from hortus.http.live.jsonrpc import ErrorCode
from live_world import Client, LiveKit, LiveWorld, insert_reading, live_world
from waiting import PATIENCE_SECONDS, until

PASSWORD = "It all adds up."

_numbers = itertools.count(1)


@dataclass
class Garden:
    """A private kit, and a member of it who can log in."""

    live: LiveWorld
    kit: LiveKit
    user: User
    admin_id: int
    http: httpx.AsyncClient

    @property
    def tokens(self) -> Tokens:
        return Tokens(self.live.parts.token_key, self.live.clock)

    def bearer(self, token: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {token or self.tokens.access(self.user.id)}"}

    @property
    def admin(self) -> dict[str, str]:
        return self.bearer(self.tokens.access(self.admin_id))

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.live.port}"

    async def run(self, statement: str, **parameters: Any) -> None:
        async with self.live.parts.engine.begin() as connection:
            await connection.execute(text(statement), parameters)

    async def key(self, *scopes: Scope) -> tuple[int, str]:
        now = datetime.now(UTC)
        async with self.live.parts.engine.begin() as connection:
            key, secret = await make_key(
                connection,
                self.user.id,
                name="test",
                scopes=scopes,
                expires_at=now + timedelta(days=1),
                now=now,
            )
        return key.id, secret

    async def log_in(self) -> tuple[dict[str, str], dict[str, str]]:
        """Log in over HTTP; return the tokens and the headers that a browser would send on an upgrade."""
        answer = await self.http.post("/me/auth", json={"username": self.user.username, "password": PASSWORD})
        return answer.json(), {"Cookie": cookie_in(answer)}

    async def hears(self, **options: Any) -> bool:
        """Return whether a connection with these options may subscribe to the private kit."""
        async with self.live.client(**options) as client:
            answer = await client.call("subscribe_raw_measurements", {"kit_serial": self.kit.serial})
        if "result" in answer:
            return True
        assert answer["error"]["code"] == ErrorCode.NOT_AUTHORIZED
        assert answer["error"]["message"] == "you are not authorized to subscribe to this kit"
        return False


def cookie_in(answer: httpx.Response) -> str:
    (header,) = (each for each in answer.headers.get_list("set-cookie") if each.startswith("hortus-live="))
    cookie = SimpleCookie(header)["hortus-live"]
    assert (cookie["path"], cookie["samesite"].lower(), cookie["httponly"]) == ("/api/ws", "strict", True)
    assert int(cookie["max-age"]) == 900
    return f"hortus-live={cookie.value}"


@pytest.fixture
async def garden(live: LiveWorld) -> AsyncIterator[Garden]:
    kit = await live.kit(public=False)
    name = f"flora-{next(_numbers)}"
    async with live.parts.engine.begin() as connection:
        user = await create_user(
            connection, Passwords(), username=name, email_address=f"{name}@example.org", password=PASSWORD
        )
        admin_id = await connection.scalar(
            insert(UserRow)
            .values(
                username=f"admin-{name}",
                display_name="Admin",
                password_hash="none",
                email_address=f"admin-{name}@example.org",
                gravatar_alternative="random",
                is_admin=True,
            )
            .returning(UserRow.id)
        )
    assert admin_id is not None
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{live.port}/api", timeout=PATIENCE_SECONDS
    ) as http:
        garden = Garden(live, kit, user, admin_id, http)
        await join(garden)
        yield garden


async def join(garden: Garden) -> None:
    await garden.run(
        "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure) "
        "VALUES (:user, :kit, now(), false, false)",
        user=garden.user.id,
        kit=garden.kit.id,
    )


async def test_a_private_kit_is_heard_by_who_shows_a_token_or_a_key_with_its_scope(garden: Garden) -> None:
    _, reading = await garden.key(Scope.READ)
    _, configuring = await garden.key(Scope.CONFIGURE)
    assert await garden.hears(additional_headers=garden.bearer())
    assert await garden.hears(additional_headers=garden.bearer(reading))
    assert not await garden.hears(additional_headers=garden.bearer(configuring))
    assert not await garden.hears()


async def test_what_is_not_valid_counts_as_nobody(garden: Garden) -> None:
    refresh = garden.tokens.refresh(garden.user.id, uuid4())
    for header in ("Bearer nonsense", "Bearer hortus_nonsense", "Basic Zm9v", f"Bearer {refresh}", "Bearer"):
        assert not await garden.hears(additional_headers={"Authorization": header})
    public = await garden.live.kit()
    async with garden.live.client(additional_headers=garden.bearer("nonsense")) as client:
        await client.subscribe(public)


async def test_an_absent_kit_and_a_hidden_one_are_refused_alike(garden: Garden) -> None:
    async with garden.live.client() as client:
        hidden = await client.call("subscribe_raw_measurements", [garden.kit.serial])
        absent = await client.call("subscribe_raw_measurements", ["k-3467-bcdf-ghjk"])
    assert hidden["error"] == absent["error"]


async def test_a_connection_may_say_later_who_it_is(garden: Garden) -> None:
    _, key = await garden.key(Scope.READ)
    for token in (garden.tokens.access(garden.user.id), key):
        async with garden.live.client() as client:
            assert "error" in await client.call("subscribe_raw_measurements", [garden.kit.serial])
            assert (await client.call("authenticate", {"token": token}))["result"] is True
            await client.subscribe(garden.kit)


async def test_the_front_ends_log_in_opens_private_kits_in_a_browser(garden: Garden) -> None:
    tokens, cookies = await garden.log_in()
    assert await garden.hears(additional_headers=cookies, origin=garden.origin)
    renewed = await garden.http.post("/me/refresh", json={"refreshToken": tokens["refreshToken"]})
    assert await garden.hears(additional_headers={"Cookie": cookie_in(renewed)}, origin=garden.origin)


@pytest.mark.parametrize(
    "origin",
    [None, "http://evil.example", "null", "http://127.0.0.1", "https://named.example"],
    ids=["none", "foreign", "null", "port", "named"],
)
async def test_a_cookie_counts_for_nothing_from_elsewhere(garden: Garden, origin: str | None) -> None:
    _, cookies = await garden.log_in()
    assert not await garden.hears(additional_headers=cookies, origin=origin)


async def test_the_cookie_opens_nothing_but_the_feed(garden: Garden) -> None:
    tokens, cookies = await garden.log_in()
    value = cookies["Cookie"].removeprefix("hortus-live=")
    assert (await garden.http.get("/me", headers=cookies)).status_code == 401
    assert (await garden.http.get("/me", headers=garden.bearer(value))).status_code == 401
    as_refresh = await garden.http.post("/me/refresh", json={"refreshToken": value})
    assert as_refresh.status_code == 400
    assert not await garden.hears(
        additional_headers={"Cookie": f"hortus-live={tokens['accessToken']}"}, origin=garden.origin
    )


async def test_the_cookie_is_worth_nothing_after_its_time_and_after_the_log_in(garden: Garden) -> None:
    tokens, cookies = await garden.log_in()
    garden.live.clock.ahead = timedelta(minutes=17)
    assert not await garden.hears(additional_headers=cookies, origin=garden.origin)
    garden.live.clock.ahead = timedelta()
    ended = await garden.http.post("/me/log-out", json={"refreshToken": tokens["refreshToken"]})
    assert 'hortus-live=""' in ended.headers["set-cookie"]
    assert not await garden.hears(additional_headers=cookies, origin=garden.origin)


async def test_who_logged_in_to_our_pages_hears_their_kits_there(garden: Garden) -> None:
    page = await garden.http.post(
        f"{garden.origin}/login", data={"username": garden.user.username, "password": PASSWORD}
    )
    session = {"Cookie": f"hortus-session={page.cookies['hortus-session']}"}
    assert await garden.hears(additional_headers=session, origin=garden.origin)
    assert not await garden.hears(additional_headers=session, origin="http://evil.example")
    other = await garden.http.post(
        f"{garden.origin}/login", data={"username": garden.user.username, "password": PASSWORD}
    )
    left = {"Cookie": f"hortus-session={other.cookies['hortus-session']}"}
    await garden.http.post(f"{garden.origin}/logout", headers=left)
    assert not await garden.hears(additional_headers=left, origin=garden.origin)
    await garden.http.post("/me/password", headers=garden.bearer(), json=new_password())
    assert not await garden.hears(additional_headers=session, origin=garden.origin)


def new_password() -> dict[str, str]:
    return {"currentPassword": PASSWORD, "newPassword": "Not any more."}


async def heard_until(
    garden: Garden, client: Client, end: Callable[[], Awaitable[httpx.Response | None]]
) -> None:
    """Receive a value, end the right, and check that values stored afterwards are not sent."""
    subscription = await client.subscribe(garden.kit)
    await garden.live.store(garden.kit, 1.0)
    await client.until(lambda: client.values(subscription) == [1.0])
    answer = await end()
    assert answer is None or answer.is_success
    # At once: values stored after the right ended must not be sent, however soon they follow.
    await garden.live.store(garden.kit, 2.0)
    await client.until(lambda: client.told("subscription_ended"))
    (ended,) = client.told("subscription_ended")
    assert ended["subscription"] == subscription
    assert ended["reason"]
    await client.nothing_more()
    assert client.values() == [1.0]


async def test_the_feed_ends_when_the_member_is_removed(garden: Garden) -> None:
    async with garden.live.client(additional_headers=garden.bearer()) as client:
        membership = await garden.http.get(f"/kits/{garden.kit.serial}/members", headers=garden.bearer())
        path = f"/kit-memberships/{membership.json()[0]['id']}"
        await heard_until(garden, client, lambda: garden.http.delete(path, headers=garden.admin))


async def test_a_value_stored_after_the_right_ended_is_not_sent_by_a_look_that_had_begun_before(
    garden: Garden,
) -> None:
    hub_waits = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'test live' AND wait_event_type = 'Lock'"""
    using = garden.live.connection
    membership = await garden.http.get(f"/kits/{garden.kit.serial}/members", headers=garden.bearer())
    path = f"/kit-memberships/{membership.json()[0]['id']}"
    async with garden.live.client(additional_headers=garden.bearer()) as client:
        subscription = await client.subscribe(garden.kit)
        await garden.live.store(garden.kit, 1.0)
        await client.until(lambda: client.values(subscription) == [1.0])
        async with using.transaction():
            await using.execute("LOCK TABLE raw_measurements IN ACCESS EXCLUSIVE MODE")
            await garden.run("SELECT pg_notify('hortus_stored', :kit)", kit=str(garden.kit.id))
            await until(lambda: using.fetchval(hub_waits))
            assert (await garden.http.delete(path, headers=garden.admin)).is_success
            await insert_reading(using, garden.kit, 2.0)
        await client.until(lambda: client.told("subscription_ended"))
        await client.nothing_more()
        assert client.values() == [1.0]


async def test_the_feed_ends_when_the_kit_is_made_private(garden: Garden) -> None:
    path = f"/kits/{garden.kit.serial}"
    public, private = {"privacyPublicDashboard": True}, {"privacyPublicDashboard": False}
    assert (await garden.http.patch(path, json=public, headers=garden.admin)).is_success
    async with garden.live.client() as client, garden.live.client(additional_headers=garden.bearer()) as member:
        kept = await member.subscribe(garden.kit)
        await heard_until(garden, client, lambda: garden.http.patch(path, json=private, headers=garden.admin))
        await member.until(lambda: member.values(kept) == [1.0, 2.0])
        assert member.told("subscription_ended") == []


async def test_the_feed_ends_when_the_kit_is_deleted(garden: Garden) -> None:
    async with garden.live.client(additional_headers=garden.bearer()) as client:
        path = f"/kits/{garden.kit.serial}"
        await heard_until(garden, client, lambda: garden.http.delete(path, headers=garden.admin))


async def test_the_feed_ends_with_the_account(garden: Garden) -> None:
    await garden.run(
        "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure) "
        "VALUES (:admin, :kit, now(), true, true)",
        admin=garden.admin_id,
        kit=garden.kit.id,
    )

    async def end() -> None:
        async with garden.live.parts.engine.begin() as connection:
            await delete_account(connection, garden.user.id)

    async with garden.live.client(additional_headers=garden.bearer()) as client:
        await heard_until(garden, client, end)


async def test_the_feed_of_a_log_in_ends_with_it(garden: Garden) -> None:
    tokens, cookies = await garden.log_in()
    body = {"refreshToken": tokens["refreshToken"]}
    async with garden.live.client(additional_headers=cookies, origin=garden.origin) as client:
        await heard_until(garden, client, lambda: garden.http.post("/me/log-out", json=body))


async def test_the_feed_of_a_log_in_ends_with_the_password(garden: Garden) -> None:
    _, cookies = await garden.log_in()
    async with garden.live.client(additional_headers=cookies, origin=garden.origin) as client:
        await heard_until(
            garden,
            client,
            lambda: garden.http.post("/me/password", headers=garden.bearer(), json=new_password()),
        )


async def test_the_feed_of_a_key_ends_with_it(garden: Garden) -> None:
    key_id, key = await garden.key(Scope.READ)
    async with garden.live.client(additional_headers=garden.bearer(key)) as client:
        path = f"/me/api-keys/{key_id}"
        await heard_until(garden, client, lambda: garden.http.delete(path, headers=garden.bearer()))


async def test_the_feed_of_a_token_ends_when_it_expires(garden: Garden) -> None:
    for seconds_left in (2, 10, 30):  # more, if connecting took longer than that
        long_ago = timedelta(minutes=16) - timedelta(seconds=seconds_left)
        old = Tokens(garden.live.parts.token_key, lambda ago=long_ago: garden.live.clock() - ago)
        headers = garden.bearer(old.access(garden.user.id))
        async with garden.live.client(additional_headers=headers) as client:
            if "error" in await client.call("subscribe_raw_measurements", [garden.kit.serial]):
                continue
            await client.until(lambda: client.told("subscription_ended"))
            return
    raise AssertionError("no connection was made in time")


async def test_a_token_that_expires_is_replaced_without_a_gap(garden: Garden) -> None:
    async with garden.live.client(additional_headers=garden.bearer()) as client:
        subscription = await client.subscribe(garden.kit)
        garden.live.clock.ahead = timedelta(minutes=14)
        fresh = garden.tokens.access(garden.user.id)
        assert (await client.call("authenticate", [fresh]))["result"] is True
        garden.live.clock.ahead = timedelta(minutes=17)  # the first one has expired now
        await garden.run("SELECT pg_notify('hortus_access', :what)", what=f"user {garden.user.id}")
        await garden.live.store(garden.kit, 3.0, at=garden.live.clock())
        await client.until(lambda: client.values(subscription) == [3.0])


async def test_a_connection_that_becomes_somebody_elses_hears_what_they_may(garden: Garden) -> None:
    name = f"stranger-{next(_numbers)}"
    async with garden.live.parts.engine.begin() as connection:
        stranger = await create_user(
            connection, Passwords(), username=name, email_address=f"{name}@example.org", password=PASSWORD
        )
    async with garden.live.client(additional_headers=garden.bearer()) as client:
        await client.subscribe(garden.kit)
        await client.call("authenticate", [garden.tokens.access(stranger.id)])
        await client.until(lambda: client.told("subscription_ended"))


async def test_what_nobody_announced_is_found_by_looking_again(module_database_url: str) -> None:
    async with live_world(module_database_url, LiveLimits(recheck_seconds=0.05)) as live:
        kit = await live.kit()
        async with live.client() as client:
            await client.subscribe(kit)
            await live.connection.execute(
                "UPDATE kits SET privacy_public_dashboard = false WHERE id = $1", kit.id
            )
            await client.until(lambda: client.told("subscription_ended"))
