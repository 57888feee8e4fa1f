"""A kit's data check: the equation, what was set aside, and what can be done with it."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape

import httpx
import pytest
from sqlalchemy import text
from web_helpers import SECRET_KEY, app_of, client_of, client_to, log_in, make_user

from hortus.domain.ledger.overview import Gap, gaps_between
from hortus.domain.ledger.store import LedgerCounts
from hortus.http.app import WebDependencies, create_app
from ingest_world import World, now_ms
from web_services import services_on

PEOPLE = {"mia": (False, False), "cora": (False, True), "sam": (True, True)}


@pytest.fixture
async def people(world: World) -> None:
    """A member, one who may configure, one with full access, a stranger and an administrator."""
    async with world.engine.begin() as connection:
        for name, (access_super, access_configure) in PEOPLE.items():
            user = await make_user(connection, name)
            await connection.execute(
                text(
                    "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super,"
                    " access_configure) VALUES (:user, :kit, now(), :super, :configure)"
                ),
                {
                    "user": user.id,
                    "kit": world.kit.id,
                    "super": access_super,
                    "configure": access_configure,
                },
            )
        await make_user(connection, "eve")
        await make_user(connection, "root", is_admin=True)


@pytest.fixture
async def cora(world: World, people: None) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(world.engine) as client:
        await log_in(client, "cora")
        yield client


def path(world: World, suffix: str = "") -> str:
    return f"/kits/{world.kit.serial}/data-check{suffix}"


def words(page: str) -> str:
    """Return what a page says, without its tags and with single blanks."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", page)))


def equation(page: str) -> list[int]:
    """Return arrived, stored, repeats, set aside and refused as the page writes them."""
    found = re.search(r"data-equation>(.*?)</p>", page, re.DOTALL)
    assert found is not None
    numbers = [int(number.replace(",", "")) for number in re.findall(r"<b>([\d,]+)</b>", found[1])]
    assert len(numbers) == 5
    return numbers


async def set_aside(world: World) -> None:
    """Store one reading, repeat it, and have three messages of the kit set aside."""
    reading = world.raw()
    await world.send(reading)
    await world.send(reading)
    await world.send(b"<script>alert(1)</script>")
    await world.send(world.raw(datetime_ms=now_ms() + 42 * 60_000))
    await world.send(world.aggregate(peripheral=4321), channel="measurement/aggregate")


async def test_the_equation_is_written_out_for_each_stream(world: World, cora: httpx.AsyncClient) -> None:
    await set_aside(world)
    page = (await cora.get(path(world))).text
    assert equation(page) == [5, 1, 1, 3, 0]
    said = words(page)
    assert "All 5 messages received in the last 24 hours are accounted for." in said
    assert "5 arrived = 1 stored + 1 repeat + 3 set aside + 0 refused" in said
    assert "4 arrived = 1 stored + 1 repeat + 2 set aside + 0 refused" in said
    assert "1 arrived = 0 stored + 0 repeats + 1 set aside + 0 refused" in said
    for heading in ("Readings", "Summaries"):
        assert f">{heading}</h2>" in page
    assert page.count('<li class="noted">') == 2  # the present hour of both streams


@pytest.mark.parametrize(("query", "columns"), [("", 24), ("?r=7d", 8), ("?r=31d", 32)])
async def test_a_range_has_hours_or_days(
    world: World, cora: httpx.AsyncClient, query: str, columns: int
) -> None:
    await world.send(world.raw())
    page = (await cora.get(path(world, query))).text
    assert equation(page) == [1, 1, 0, 0, 0]
    # Days begin at midnight and ranges at any hour, so there may be a part of a day more.
    assert len(re.findall(r'<li class="[ a-z]*">\s*<(?:time|a) class="when"', page)) in {columns, columns - 1}
    if query:
        day = datetime.now(UTC).date().isoformat()
        assert f'href="{path(world)}?day={day}"' in page
        assert equation((await cora.get(path(world, f"?day={day}"))).text) == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("query", ["?r=2h", "?day=yesterday", "?day=1999-12-31"])
async def test_an_address_that_means_nothing_says_so(world: World, cora: httpx.AsyncClient, query: str) -> None:
    assert (await cora.get(path(world, query))).status_code == 400


async def test_a_kit_that_sent_nothing_says_when_it_last_did(world: World, cora: httpx.AsyncClient) -> None:
    page = (await cora.get(path(world))).text
    assert "No messages were received in the last 24 hours." in page
    assert "This kit has not sent anything yet." in page
    await world.connection.execute(
        "INSERT INTO kit_last_seen VALUES ($1, now() - interval '3 days')", world.kit.id
    )
    assert "The last message arrived" in (await cora.get(path(world))).text


async def test_counts_that_do_not_add_up_are_red_and_say_what_to_report(
    world: World, cora: httpx.AsyncClient
) -> None:
    await set_aside(world)
    await world.connection.execute(
        "DELETE FROM ingest_ledger_reasons WHERE reason = 'time-in-future' AND kit_id = $1", world.kit.id
    )
    page = (await cora.get(path(world))).text
    assert 'class="card wrong"' in page
    assert "do not add up. This is a fault in Hortus. Report it with the output of `hortus ledger`." in page
    assert equation(page) == [5, 1, 1, 3, 0]


def test_gaps_are_whole_hours_without_a_message_up_to_the_present_one() -> None:
    start = datetime(2026, 11, 30, tzinfo=UTC)
    hours = {start + timedelta(hours=hour): LedgerCounts(received=1, stored=1) for hour in (1, 2, 5, 6)}
    hours[start] = LedgerCounts()
    found = list(gaps_between(hours, start + timedelta(hours=9, minutes=30)))
    assert found == [
        Gap(start=start + timedelta(hours=3), end=start + timedelta(hours=5)),
        Gap(start=start + timedelta(hours=7), end=start + timedelta(hours=9)),
    ]
    assert list(gaps_between(hours, start + timedelta(hours=7, minutes=59))) == found[:1]


async def test_rights_are_those_of_the_table(world: World, people: None) -> None:
    await set_aside(world)
    number = await world.connection.fetchval("SELECT max(id) FROM quarantine WHERE kit_id = $1", world.kit.id)
    await world.connection.execute(
        "UPDATE kits SET privacy_public_dashboard = true WHERE id = $1", world.kit.id
    )
    pages = ["", "/counts", f"/set-aside/{number}", f"/set-aside/{number}/bytes", f"/discard?message={number}"]
    expected = {
        None: [303] * 5,
        "eve": [403] * 5,
        "mia": [200, 200, 403, 403, 403],
        "cora": [200] * 5,
        "sam": [200] * 5,
        "root": [200] * 5,
    }
    for name, statuses in expected.items():
        async with client_of(world.engine) as client:
            if name:
                await log_in(client, name)
            assert (name, [(await client.get(path(world, each))).status_code for each in pages]) == (
                name, statuses,
            )  # fmt: skip
            if name in {None, "eve", "mia"}:
                for action in ("/try", "/discard"):
                    refused = await client.post(path(world, action), data={"message": number})
                    assert refused.status_code == (303 if name is None else 403)
                    assert "said=" not in refused.headers.get("location", "")
    assert await world.count("quarantine") == 3


@pytest.mark.parametrize("who", [None, "eve"])
async def test_every_page_of_a_private_kit_answers_like_that_of_an_unknown_one(
    world: World, people: None, who: str | None
) -> None:
    await set_aside(world)
    number = await world.connection.fetchval("SELECT max(id) FROM quarantine WHERE kit_id = $1", world.kit.id)
    reads = [
        *("data-check", "data-check/counts", f"data-check/set-aside/{number}", "data-check/discard?all=yes"),
        *(f"data-check/set-aside/{number}/bytes", "pictures", "pictures/lapse", "pictures/asked/1"),
        *(f"pictures/delete?m={uuid.uuid4()}", "pictures/asked/1/picture", "export", "export/download"),
    ]
    forms = {
        "data-check/try": {"all": "yes"},
        "data-check/discard": {"all": "yes"},
        "pictures/take": {"what": "a/b"},
        "pictures/delete": {"m": str(uuid.uuid4())},
    }
    unknown = "k-aaaa-aaaa-aaaa"
    async with client_of(world.engine) as client:
        if who:
            await log_in(client, who)
        for page in reads:
            hidden, none = [
                await client.get(f"/kits/{serial}/{page}") for serial in (world.kit.serial, unknown)
            ]
            assert (page, _told(hidden, world.kit.serial)) == (page, _told(none, unknown))
            assert hidden.status_code == (404 if who else 303)
        for page, data in forms.items():
            hidden, none = [
                await client.post(f"/kits/{serial}/{page}", data=data) for serial in (world.kit.serial, unknown)
            ]
            assert (page, _told(hidden, world.kit.serial)) == (page, _told(none, unknown))
            assert hidden.status_code == (404 if who else 303)
    assert await world.count("quarantine") == 3


def _told(answer: httpx.Response, serial: str) -> tuple[int, str, str]:
    """Return what an answer says, but for the serial of its address."""
    location = answer.headers.get("location", "")
    return answer.status_code, location.replace(serial, ""), answer.text.replace(serial, "")


async def test_a_member_sees_the_sum_and_the_gaps_but_no_messages(world: World, people: None) -> None:
    await set_aside(world)
    async with client_of(world.engine) as client:
        await log_in(client, "mia")
        page = (await client.get(path(world))).text
    assert equation(page) == [5, 1, 1, 3, 0]
    assert "No hour without a message since" in page
    assert "Only members who may change the configuration see which messages were set aside" in page
    assert ("Try again" in page, "set-aside/" in page) == (False, False)


async def test_what_was_set_aside_is_listed_and_shown_with_its_content(
    world: World, cora: httpx.AsyncClient
) -> None:
    await set_aside(world)
    page = (await cora.get(path(world))).text
    for title in ("Time in the future (1)", "Unreadable (1)", "Unknown peripheral (1)"):
        assert title in page
    only = (await cora.get(path(world, "?reason=time-in-future"))).text
    (number,) = set(re.findall(r"/set-aside/(\d+)", only))
    shown = (await cora.get(path(world, f"/set-aside/{number}"))).text
    said = words(shown)
    assert "Time in the future" in said
    assert "42 minutes ahead" in said or "41 minutes ahead" in said
    assert re.search(rf"\(number {world.peripheral}\)", said)
    assert 'class="hex"' not in shown
    payload = await world.connection.fetchval("SELECT payload FROM quarantine WHERE id = $1", int(number))
    assert payload[:16].hex(" ") in (await cora.get(path(world, f"/set-aside/{number}?hex=yes"))).text
    download = await cora.get(path(world, f"/set-aside/{number}/bytes"))
    assert download.content == payload
    assert download.headers["content-disposition"].startswith("attachment")
    assert download.headers["content-security-policy"] == "sandbox; default-src 'none'"


async def test_what_cannot_be_read_is_shown_without_harm(world: World, cora: httpx.AsyncClient) -> None:
    await set_aside(world)
    page = (await cora.get(path(world, "?reason=undecodable"))).text
    (number,) = set(re.findall(r"/set-aside/(\d+)", page))
    shown = (await cora.get(path(world, f"/set-aside/{number}?hex=yes"))).text
    assert "It cannot be read as a message of a kit." in shown
    assert "<script>alert" not in shown
    assert "&lt;script&gt;aler" in shown


async def test_the_beginning_of_a_huge_message_says_how_much_is_kept(
    world: World, cora: httpx.AsyncClient
) -> None:
    world.pipeline.offer_head(world.source, 1, world.topic(), world.raw(), 200_000_000)
    await world.settled()
    page = (await cora.get(path(world))).text
    (number,) = set(re.findall(r"/set-aside/(\d+)", page))
    said = words((await cora.get(path(world, f"/set-aside/{number}"))).text)
    assert re.search(r"200,000,000 bytes. Only the first \d+ bytes are kept.", said)


async def test_a_message_of_another_kit_is_not_there(world: World, cora: httpx.AsyncClient) -> None:
    await world.send(b"", serial=world.kits[1][0].serial)
    number = await world.connection.fetchval("SELECT id FROM quarantine")
    for suffix in ("", "/bytes"):
        assert (await cora.get(path(world, f"/set-aside/{number}{suffix}"))).status_code == 404
    await cora.post(path(world, "/discard"), data={"message": number})
    done = await cora.post(path(world, "/try"), data={"message": number})
    assert done.headers["location"].endswith("?tried=0-0-0")
    assert await world.count("quarantine") == 1


async def test_trying_again_says_three_numbers_and_changes_both_sides(world: World, people: None) -> None:
    await set_aside(world)
    ahead = lambda: datetime.now(UTC) + timedelta(hours=1)  # noqa: E731  (a clock)
    async with client_to(app_of(world.engine, clock=ahead)) as client:
        await log_in(client, "cora")
        done = await client.post(path(world, "/try"), data={"all": "yes"})
        assert done.headers["location"] == path(world, "?tried=1-0-2")
        page = (await client.get(done.headers["location"])).text
        assert "Tried again: 1 stored, 0 known already, 2 still wrong." in page
        assert equation(page) == [5, 2, 1, 2, 0]
        one = await client.post(path(world, "/try"), data={"reason": "undecodable"})
        assert one.headers["location"].endswith("?tried=0-0-1")


async def test_trying_again_while_others_do_says_when_to_come_back(world: World, people: None) -> None:
    await set_aside(world)
    services = services_on(world.engine)
    app = create_app(WebDependencies(services=services, secret_key=SECRET_KEY))
    async with client_to(app) as client:
        await log_in(client, "cora")
        with services.replays.taken(-1, ""), services.replays.taken(-2, ""):
            busy = await client.post(path(world, "/try"), data={"all": "yes"})
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "15")
        assert "Messages are being tried again elsewhere right now. Nothing was changed." in busy.text
        assert "Try again in 15 s." in busy.text
        assert equation(busy.text) == [5, 1, 1, 3, 0]


async def test_discarding_asks_first_and_the_message_stays_counted(
    world: World, cora: httpx.AsyncClient
) -> None:
    await set_aside(world)
    asked = (await cora.get(path(world, "/discard?reason=undecodable"))).text
    assert "Discard 1 message?" in asked
    assert await world.count("quarantine") == 3
    done = await cora.post(path(world, "/discard"), data={"reason": "undecodable"})
    assert done.headers["location"] == path(world, "?said=discarded")
    page = (await cora.get(done.headers["location"])).text
    assert "stays counted as set aside" in page
    assert equation(page) == [5, 1, 1, 3, 0]
    assert await world.count("quarantine") == 2
    await cora.post(path(world, "/discard"), data={"all": "yes"})
    assert "Nothing is set aside." in (await cora.get(path(world))).text
    assert (await cora.get(path(world, "/discard?all=yes"))).status_code == 404


@pytest.mark.parametrize("data", [{}, {"reason": "bad-luck"}, {"all": "no"}])
async def test_a_form_that_names_no_messages_changes_nothing(
    world: World, cora: httpx.AsyncClient, data: dict[str, str]
) -> None:
    await set_aside(world)
    for action in ("/try", "/discard"):
        assert (await cora.post(path(world, action), data=data)).status_code == 400
    assert await world.count("quarantine") == 3


async def test_forms_of_other_sites_are_refused(world: World, cora: httpx.AsyncClient) -> None:
    await set_aside(world)
    for action in ("/try", "/discard"):
        foreign = {"Origin": "https://evil.example"}
        answer = await cora.post(path(world, action), data={"all": "yes"}, headers=foreign)
        assert answer.status_code == 403
    assert await world.count("quarantine") == 3


async def test_messages_that_wait_for_somebody_say_for_what(world: World, cora: httpx.AsyncClient) -> None:
    await set_aside(world)
    await world.connection.execute("UPDATE quarantine SET reason = 'too-many-months' WHERE stream = 'raw'")
    await world.connection.execute(
        "UPDATE quarantine SET reason = 'deleted-configuration' WHERE stream = 'aggregate'"
    )
    page = (await cora.get(path(world))).text
    assert "they are of more old months than a kit may begin within an hour" in page
    assert "the kit still runs a configuration that was deleted" in page


async def test_long_lists_come_in_pages(world: World, cora: httpx.AsyncClient) -> None:
    for _ in range(30):
        world.offer(b"")
    await world.settled()
    page = (await cora.get(path(world))).text
    first = set(re.findall(r"/set-aside/(\d+)", page))
    (older,) = re.findall(r'rel="next" href="([^"]+)#set-aside"', page)
    second = set(re.findall(r"/set-aside/(\d+)", (await cora.get(unescape(older))).text))
    assert (len(first), len(second), len(first | second)) == (25, 5, 30)


async def test_a_poll_without_news_is_empty(world: World, cora: httpx.AsyncClient) -> None:
    await world.send(world.raw())
    page = (await cora.get(path(world))).text
    (address,) = re.findall(r'hx-get="([^"]+/counts[^"]+)"', page)
    nothing = await cora.get(unescape(address))
    assert (nothing.status_code, nothing.content) == (204, b"")
    await world.send(world.raw())
    news = await cora.get(unescape(address))
    assert (news.status_code, equation(news.text)) == (200, [2, 2, 0, 0, 0])
