from __future__ import annotations

import asyncio
import gzip
import html
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import event, text
from web_helpers import (
    add_readings,
    add_to_ledger,
    client_of,
    ledger_connection,
    log_in,
    make_kit,
    make_member,
    make_user,
)

from deleting import delete_configuration_of
from hortus.domain.accounts.store import User
from hortus.domain.kits.store import NewPeripheral, add_configuration, add_standard_configuration
from hortus.domain.presence.judgement import PresenceState
from hortus.domain.presence.keeper import PresenceKeeper
from hortus.http.access.viewer import ANONYMOUS, Viewer
from hortus.http.pages.status_series import SeriesReader
from hortus.http.pages.status_store import KITS_PER_PAGE, StatusReader
from hortus.http.server.database_access import DatabaseDamaged
from waiting import until

ADMIN = Viewer(user=User(id=0, username="root", display_name="root", is_admin=True, password_stamp=""))


def now():
    return datetime.now(UTC)


def reader(engine, clock=now):
    return StatusReader(engine, clock)


async def make_member_of(engine, client, kit):
    """Log in as a new member of the kit."""
    async with engine.begin() as connection:
        await make_member(connection, await make_user(connection, "mia"), kit)
    await log_in(client, "mia")


@pytest.fixture
async def three_kits(engine):
    """A public kit, one of which ada is a member, and one that only administrators see."""
    async with engine.begin() as connection:
        public = await make_kit(connection, "Public basil", public=True)
        members = await make_kit(connection, "Adas tomatoes")
        private = await make_kit(connection, "Secret saffron")
        await make_member(connection, await make_user(connection, "ada"), members)
        await make_user(connection, "bob")
        await make_user(connection, "root", is_admin=True)
    return {"public": public, "members": members, "private": private}


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        (None, {"public"}),
        ("bob", {"public"}),
        ("ada", {"public", "members"}),
        ("root", {"public", "members", "private"}),
    ],
)
async def test_each_viewer_sees_exactly_the_kits_that_are_theirs_to_see(engine, three_kits, who, seen):
    async with client_of(engine) as client:
        if who:
            assert (await log_in(client, who)).status_code == 303
        page = (await client.get("/")).text
        fragment = await client.get(_renewed_from(page))
    for content in (page, fragment.text):
        assert {kind for kind, kit in three_kits.items() if kit.serial in content} == seen
        names = {"public": "Public basil", "members": "Adas tomatoes", "private": "Secret saffron"}
        assert {kind for kind, name in names.items() if name in content} == seen
        assert f"{len(seen)} kit" in content


async def test_a_kit_of_which_nothing_was_stored_is_not_said_to_lack_its_password(
    engine, three_kits, database_url
):
    async with ledger_connection(database_url) as connection:
        await add_to_ledger(connection, three_kits["public"].id, quarantined=1931)
        await connection.execute(
            "INSERT INTO kit_presence (kit_id, last_contact_at) VALUES ($1, now())", three_kits["public"].id
        )
    async with client_of(engine) as client:
        page = (await client.get("/")).text
    assert "1,931 messages arrived and were not stored." in page
    assert "Enter the serial and password" not in page
    assert "Online" in page


async def test_two_clients_under_one_account_are_shown_while_they_take_turns(engine, three_kits):
    kit = three_kits["public"]
    keeper = PresenceKeeper(engine)
    writing = asyncio.create_task(keeper.run())
    keeper.account_shared(kit.serial)

    async def is_shown() -> bool:
        return any(each.is_shared for each in (await reader(engine).read(ADMIN, 1)).kits)

    await until(is_shown, "the shared account is recorded")
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    async with client_of(engine) as client:
        page = (await client.get("/")).text
    assert (
        page.count("Two clients take turns under this kit&#39;s account")
        + page.count("Two clients take turns under this kit's account")
        == 1
    )
    later = await reader(engine, lambda: now() + timedelta(minutes=6)).read(ADMIN, 1)
    assert not any(each.is_shared for each in later.kits)


async def test_totals_and_reasons_tell_nothing_of_kits_that_the_viewer_may_not_see(
    engine, three_kits, database_url
):
    async with ledger_connection(database_url) as connection:
        await add_to_ledger(connection, three_kits["public"].id, stored=5)
        await add_to_ledger(connection, three_kits["private"].id, stored=70, quarantined=3)
        await add_to_ledger(connection, 0, quarantined=2, reason="unknown-kit")
    seen_by_all = await reader(engine).read(ANONYMOUS, 1)
    assert (seen_by_all.totals.received, dict(seen_by_all.totals.reasons)) == (5, {})
    assert (seen_by_all.unassigned, seen_by_all.unassigned_reasons) == (None, ())
    seen_by_admin = await reader(engine).read(ADMIN, 1)
    assert seen_by_admin.totals.received == 80
    assert seen_by_admin.totals.reasons == {
        ("quarantined", "time-in-future"): 3,
        ("quarantined", "unknown-kit"): 2,
    }
    assert seen_by_admin.unassigned.received == 2
    assert [reason.reason for reason in seen_by_admin.unassigned_reasons] == ["unknown-kit"]


async def test_a_reading_from_the_future_never_becomes_the_latest(engine, database_url):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Fern")
    present = now()
    await add_readings(
        database_url,
        kit,
        [(present - timedelta(minutes=1), 20.5), (present + timedelta(minutes=4), 99.0)],
    )
    status = reader(engine)
    assert _values(await status.read(ADMIN, 1)) == [20.5]
    # Nor at the next read, which uses what the first one cached; only when its time has come.
    assert _values(await status.read(ADMIN, 1)) == [20.5]
    later = reader(engine, lambda: present + timedelta(minutes=5))
    assert _values(await later.read(ADMIN, 1)) == [99.0]


async def test_late_readings_do_not_replace_newer_ones(engine, database_url):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Fern")
    present = now()
    status = reader(engine)
    await add_readings(database_url, kit, [(present - timedelta(minutes=1), 20.5)])
    assert _values(await status.read(ADMIN, 1)) == [20.5]
    await add_readings(database_url, kit, [(present - timedelta(minutes=30), 11.0)])
    assert _values(await status.read(ADMIN, 1)) == [20.5]
    await add_readings(database_url, kit, [(present, 21.5)])
    assert _values(await status.read(ADMIN, 1)) == [21.5]


async def test_a_series_keeps_its_last_reading_while_another_fills_the_newest_rows(engine, database_url):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Fern")
    present = now()
    await add_readings(database_url, kit, [(present - timedelta(hours=1), 1013.0)], peripheral=1)
    await add_readings(
        database_url, kit, [(present - timedelta(seconds=second), 20.0) for second in range(600)]
    )
    status = reader(engine)
    assert _values(await status.read(ADMIN, 1)) == [20.0, 1013.0]
    assert _values(await status.read(ADMIN, 1)) == [20.0, 1013.0]


async def test_a_value_that_cannot_be_never_becomes_the_latest_and_the_page_says_so(engine, database_url):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Fern", public=True)
    await add_readings(
        database_url, kit, [(now() - timedelta(minutes=2), 21.0), (now() - timedelta(minutes=1), 327.67)]
    )
    await add_readings(database_url, kit, [(now() - timedelta(minutes=1), 0.0)], peripheral=1)
    (found,) = (await reader(engine).read(ADMIN, 1)).kits
    temperature, pressure = found.series
    assert (temperature.last.value, set(temperature.course)) == (21.0, {21.0, None})
    assert (pressure.last, set(pressure.course)) == (None, {None})
    async with client_of(engine) as client:
        page = (await client.get("/")).text
    assert (
        "Sensor reports 327.67 °C, which is outside what is possible for temperature (−90 to 150 °C): "
        "check the sensor and its wiring." in page
    )
    assert "Sensor reports 0 hPa, which is outside what is possible for pressure (300 to 1100 hPa)" in page
    await add_readings(database_url, kit, [(now(), 22.0)])
    (found,) = (await reader(engine).read(ADMIN, 1)).kits
    assert (found.series[0].last.value, found.series[0].trouble) == (22.0, None)


async def test_a_kit_that_fell_silent_shows_what_it_said_last(engine, database_url):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Fern")
    long_ago = now() - timedelta(days=100)
    await add_readings(database_url, kit, [(long_ago, 4.0)])
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE kit_last_seen SET datetime_last_seen = :at"), {"at": long_ago})
    page = await reader(engine).read(ADMIN, 1)
    assert _values(page) == [4.0]
    assert page.kits[0].presence.state is PresenceState.OFFLINE


async def test_what_a_kit_says_about_itself_is_shown_as_its_own_word(engine):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Fern", public=True)
        await make_kit(connection, "Basil", public=True)
        await connection.execute(
            text("INSERT INTO kit_presence (kit_id, own_word, own_word_at) VALUES (:kit, :word, :at)"),
            {"kit": kit.id, "word": "<b>offline</b>", "at": now() - timedelta(minutes=3)},
        )
    async with client_of(engine) as client:
        content = (await client.get("/")).text
    assert content.count("Status sent by the kit") == 1
    assert "Status sent by the kit: <bdi>&lt;b&gt;offline&lt;/b&gt;</bdi>, <time" in content
    assert "3 min ago" in content


async def test_one_peripheral_name_in_two_configurations_is_one_series(engine, database_url):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Fern")
    present = now()
    await add_readings(database_url, kit, [(present - timedelta(hours=2), 15.0)])
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE kit_configurations SET active = false"))

        peripherals = await add_standard_configuration(connection, kit.id)
    renewed = type(kit)(id=kit.id, serial=kit.serial, peripherals=tuple(peripherals))
    await add_readings(database_url, renewed, [(present - timedelta(minutes=1), 16.0)])
    assert _values(await reader(engine).read(ADMIN, 1)) == [16.0]


async def test_the_ledger_counts_the_last_24_hours_and_says_why_messages_were_set_aside(engine, database_url):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Fern", public=True)
    async with ledger_connection(database_url) as connection:
        await add_to_ledger(connection, kit.id, stored=1000, duplicate=7, quarantined=5)
        await add_to_ledger(connection, kit.id, stored=200, hours_ago=23)
        await add_to_ledger(connection, kit.id, stored=9000, hours_ago=24)
    async with client_of(engine) as client:
        stranger = (await client.get("/")).text
        await make_member_of(engine, client, kit)
        content = (await client.get("/")).text
    assert "messages in 24" not in stranger
    assert "Data: 1,212 messages in 24 h, all accounted for" in content
    assert "Fern: 5 messages were not stored. Why?" in content
    page = await reader(engine).read(ANONYMOUS, 1)
    counts = page.kits[0].counts
    assert (counts.received, counts.stored, counts.duplicate, counts.quarantined, counts.refused) == (
        1212, 1200, 7, 5, 0,
    )  # fmt: skip


async def test_counts_that_do_not_add_up_are_said_to_be_wrong(engine, database_url):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Fern", public=True)
    async with ledger_connection(database_url) as connection:
        await add_to_ledger(connection, kit.id, stored=10, quarantined=5)
        await connection.execute("UPDATE ingest_ledger_reasons SET count = 4")
    async with client_of(engine) as client:
        await make_member_of(engine, client, kit)
        content = (await client.get("/")).text
    assert "do not add up" in content
    assert "accounted for" not in content


async def test_what_is_not_committed_is_not_shown(engine, database_url):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Fern", public=True)
    async with ledger_connection(database_url) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await add_to_ledger(connection, kit.id, stored=42)
        assert (await reader(engine).read(ANONYMOUS, 1)).totals.received == 0
        await transaction.commit()
    assert (await reader(engine).read(ANONYMOUS, 1)).totals.received == 42


async def test_the_number_of_statements_does_not_grow_with_kits_and_pages_hold_a_bounded_number(
    engine, database_url
):
    statements = []
    event.listen(
        engine.sync_engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2])
    )

    async def statements_of_a_page(number):
        status = reader(engine)
        page = await status.read(ADMIN, number)
        first_look = len(statements)
        statements.clear()
        await status.read(ADMIN, number)
        second_look = len(statements)
        statements.clear()
        return page, first_look, second_look

    async with engine.begin() as connection:
        kit = await make_kit(connection, "A kit")
    await add_readings(database_url, kit, [(now(), 1.0)])
    statements.clear()
    _, *alone = await statements_of_a_page(1)
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO kits (serial, password_hash, name) "
                "SELECT 'k-' || n, '', 'kit ' || lpad(n::text, 3, '0') FROM generate_series(1, 120) n"
            )
        )
    statements.clear()
    first, *among_many = await statements_of_a_page(1)
    # One more at the first read: kits without recent readings are searched further back.
    assert [among_many[0] - 1, among_many[1]] == alone
    pages = -(-121 // KITS_PER_PAGE)
    assert (len(first.kits), first.kits_in_total, first.pages) == (KITS_PER_PAGE, 121, pages)
    last, *_ = await statements_of_a_page(pages)
    on_the_last = 121 - (pages - 1) * KITS_PER_PAGE
    assert [kit.name for kit in last.kits] == [f"kit {n:03}" for n in range(121 - on_the_last, 121)]
    beyond, *_ = await statements_of_a_page(999)
    assert beyond.page == pages


async def test_totals_include_the_kits_on_other_pages(engine, database_url):
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO kits (serial, password_hash, privacy_public_dashboard) "
                "SELECT 'k-' || lpad(n::text, 3, '0'), '', true FROM generate_series(1, 60) n"
            )
        )
        await connection.execute(
            text(
                "INSERT INTO ingest_ledger (kit_id, hour, stream, received, stored) "
                "SELECT id, date_trunc('hour', now()), 'raw', 10, 10 FROM kits"
            )
        )
    page = await reader(engine).read(ANONYMOUS, 2)
    assert (len(page.kits), page.totals.received, page.totals.adds_up) == (KITS_PER_PAGE, 600, True)


@pytest.mark.parametrize("page", ["0", "-1", "x", "1e3", "99999999", "²", ""])
async def test_a_page_number_that_is_none_is_not_found(engine, page):
    async with client_of(engine) as client:
        assert (await client.get("/", params={"page": page})).status_code == 404


@pytest.mark.parametrize(
    ("who", "hint"),
    [
        (None, "the link that Hortus printed"),
        ("bob", "You have no kits yet"),
        ("root", "Add your first kit"),
    ],
)
async def test_an_empty_page_says_what_to_do_next(engine, who, hint):
    async with engine.begin() as connection:
        await make_user(connection, "bob")
        await make_user(connection, "root", is_admin=True)
    async with client_of(engine) as client:
        if who:
            await log_in(client, who)
        assert hint in (await client.get("/")).text


async def test_the_fragment_asks_for_the_whole_page_when_the_viewer_or_the_version_changed(engine):
    async with client_of(engine) as client:
        for viewer, build in (("ada", None), ("", "0")):
            page = (await client.get("/")).text
            changed = {"viewer": viewer} | ({"build": build} if build else {})
            answer = await client.get(_renewed_from(page, **changed))
            assert (answer.headers.get("HX-Refresh"), answer.text) == ("true", "")


async def test_names_are_text_and_not_html(engine):
    async with engine.begin() as connection:
        await make_kit(connection, "<script>alert(1)</script>", public=True)
    async with client_of(engine) as client:
        content = (await client.get("/")).text
    assert "<script>alert" not in content
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content


def _values(page):
    return [series.last.value for kit in page.kits for series in kit.series]


def _renewed_from(page, **changed):
    """Return the address from which a page renews itself."""
    address = httpx.URL(html.unescape(page.split('hx-get="', 1)[1].split('"', 1)[0]))
    return address.copy_merge_params(changed)


async def test_readings_of_a_deleted_configuration_hide_no_others(engine, database_url):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil", public=True)
        [other] = await add_configuration(
            connection,
            kit.id,
            description=None,
            peripherals=[NewPeripheral(definition="Virtual temperature sensor", name="Soil", configuration={})],
            active=True,
        )
    await add_readings(database_url, kit, [(now() - timedelta(seconds=n + 1), 1.0) for n in range(250)])
    other_kit = replace(kit, peripherals=(other,))
    await add_readings(database_url, other_kit, [(now() - timedelta(days=3), 7.0)])
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE raw_measurements m SET kit_configuration_id = p.kit_configuration_id "
                "FROM peripherals p WHERE p.id = m.peripheral_id"
            )
        )
    await delete_configuration_of(engine, kit.peripherals[0].id)
    assert _values(await reader(engine).read(ANONYMOUS, 1)) == [7.0]


async def test_kits_with_alerts_and_silent_ones_come_before_others_in_the_order_of_names(
    engine, three_kits, database_url
):
    async with engine.begin() as connection:
        await make_kit(connection, "Zinnia")
        await connection.execute(
            text(
                "INSERT INTO alerts (kind, kit_id, condition, began_at)"
                " VALUES ('silence', :kit, 'silent', now())"
            ),
            {"kit": three_kits["private"].id},
        )
        await connection.execute(
            text("INSERT INTO kit_presence (kit_id, last_contact_at) VALUES (:kit, now() - interval '1 day')"),
            {"kit": three_kits["public"].id},
        )
    page = await reader(engine).read(ADMIN, 1)
    assert [kit.name for kit in page.kits] == ["Public basil", "Secret saffron", "Adas tomatoes", "Zinnia"]
    # A page that is open keeps its order, and shows nothing that its viewer may not see.
    ids = [kit.id for kit in reversed(page.kits)]
    again = await reader(engine).read_again(ANONYMOUS, ids)
    assert [kit.name for kit in again.kits] == ["Public basil"]


async def test_a_kit_that_cannot_be_read_takes_no_other_with_it(engine, three_kits, database_url, monkeypatch):
    for kit in three_kits.values():
        await add_readings(database_url, kit, [(now(), 20.5)])
    read = SeriesReader.read

    async def damaged(self, connection, kit_ids, *arguments, **options):
        if three_kits["members"].id in kit_ids:
            raise DatabaseDamaged(None)
        return await read(self, connection, kit_ids, *arguments, **options)

    monkeypatch.setattr(SeriesReader, "read", damaged)
    page = await reader(engine).read(ADMIN, 1)
    assert {kit.name: kit.series is None for kit in page.kits} == {
        "Adas tomatoes": True,
        "Public basil": False,
        "Secret saffron": False,
    }
    async with client_of(engine) as client:
        await log_in(client, "root")
        content = (await client.get("/")).text
    assert content.count("The readings of this kit could not be read.") == 1
    assert 'data-state="partial"' in content


async def test_more_than_twelve_kits_are_a_table_and_fifty_are_a_small_page(engine, database_url):
    async with engine.begin() as connection:
        kits = [await make_kit(connection, f"Kit {number:02}", public=True) for number in range(12)]
    async with client_of(engine) as client:
        assert 'class="card kit-table"' not in (await client.get("/")).text
    async with engine.begin() as connection:
        kits += [await make_kit(connection, f"Kit {number:02}", public=True) for number in range(12, 50)]
    for kit in kits:
        await add_readings(database_url, kit, [(now(), 20.5)])
    async with client_of(engine) as client:
        answer = await client.get("/")
        page = answer.text
        size = len(gzip.compress(answer.content))
        for address in re.findall(r'"(/static/[^"]+)"', page):
            size += len(gzip.compress((await client.get(address)).content))
        cards = (await client.get("/?view=cards&page=2")).text
    assert page.count('<th scope="row">') == 50
    assert size <= 150_000
    assert cards.count("<article") == 12
    assert "Page 2 of 5" in cards


@pytest.mark.parametrize("query", ["view=x", "sort=x", "sort=q0", "page=0", "view=table&sort=q1%20OR%201"])
async def test_a_view_that_does_not_exist_is_not_found(engine, query):
    async with client_of(engine) as client:
        assert (await client.get(f"/?{query}")).status_code == 404


@pytest.mark.parametrize(
    "changed", [{"kits": "1-x"}, {"kits": "-".join("1" * 101)}, {"total": "9"}, {"pages": "0"}]
)
async def test_a_page_that_shows_other_kits_than_there_are_is_loaded_anew(engine, three_kits, changed):
    async with client_of(engine) as client:
        page = (await client.get("/")).text
        answer = await client.get(_renewed_from(page, **changed))
    assert (answer.headers.get("HX-Refresh"), answer.text) == ("true", "")


async def test_all_well_is_one_line_with_the_time_of_the_last_reading(engine, three_kits, database_url):
    await add_readings(database_url, three_kits["members"], [(now(), 20.5)])
    async with client_of(engine) as client:
        assert 'data-state="well"' not in (await client.get("/")).text
        await log_in(client, "ada")
        content = (await client.get("/")).text
    assert "Nothing needs you. Last reading <time" in content
