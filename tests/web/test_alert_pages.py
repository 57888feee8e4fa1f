"""The inbox of alerts, the page of an alert, and what their buttons do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from test_plant_page import alert, garden  # noqa: F401  (a fixture)
from web_helpers import add_readings, client_of, log_in

from hortus.http.pages.alerts.snoozing import end_of_snooze


async def value(engine, statement, **parameters):
    async with engine.begin() as connection:
        return (await connection.execute(text(statement), parameters)).scalar()


@pytest.fixture
async def cold(engine, garden):  # noqa: F811
    """An open alert about flora's plant at a public kit."""
    return await alert(engine, garden.plants["public"], garden.kits["public"])


def toast_of(page):
    found = re.search(r'data-toast><span>([^<]*)</span>(?:<form method="post" action="([^"]*)")?', page)
    return (found[1], (found[2] or "").replace("&amp;", "&")) if found else None


async def test_a_stranger_is_sent_to_the_log_in_whether_or_not_there_is_an_alert(engine, cold):
    async with client_of(engine) as client:
        for path in ("/alerts", f"/alerts/{cold}", f"/alerts/{cold + 1}"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={path}")


async def test_an_alert_of_others_looks_like_one_that_does_not_exist(engine, cold):
    async with client_of(engine) as client:
        await log_in(client, "bob")
        pages = [await client.get(f"/alerts/{each}") for each in (cold, cold + 1)]
        assert {page.status_code for page in pages} == {404}
        assert pages[0].text == pages[1].text
        for path in (f"/alerts/{cold}/seen", f"/alerts/{cold}/snooze", f"/alerts/unseen?alerts={cold}"):
            assert (await client.post(path, data={"for": "hour"})).status_code == 404
        assert "Nothing open. There has been no alert yet." in (await client.get("/alerts")).text
    assert await value(engine, "SELECT seen_at FROM alerts") is None


async def test_an_alert_moves_between_the_boxes_and_every_step_can_be_undone(engine, cold):
    async with client_of(engine) as client:
        await log_in(client, "flora")
        inbox = (await client.get("/alerts")).text
        assert "Open (1)" in inbox
        assert "(1) Alerts · Hortus" in inbox
        assert "icon-alert.svg" in inbox
        assert "It is too cold. Move it to a warmer place, or heat." in inbox

        done = await client.post(f"/alerts/{cold}/seen", data={"from": "/alerts"})
        assert (done.status_code, done.headers["location"]) == (303, f"/alerts?alerts={cold}&said=seen")
        after = (await client.get(done.headers["location"])).text
        assert "Open (0)" in after
        assert "Seen (1)" in after
        assert "<title>Alerts · Hortus" in after
        words, undo = toast_of(after)
        assert words == "Reminders stopped"
        back = await client.post(undo)
        assert "Open (1)" in (await client.get(back.headers["location"])).text
        assert await value(engine, "SELECT seen_at FROM alerts") is None

        done = await client.post(f"/alerts/{cold}/snooze", data={"for": "end", "from": f"/alerts/{cold}"})
        after = (await client.get(done.headers["location"])).text
        assert "Snoozed until somebody ends it" in after
        words, undo = toast_of(after)
        assert words == "Snoozed: reminders stopped meanwhile"
        assert "Seen (1)" in (await client.get("/alerts")).text
        await client.post(undo)
        assert await value(engine, "SELECT snoozed_at FROM alerts") is None


async def test_all_that_is_shown_is_seen_at_once_and_nothing_else(engine, garden, cold):  # noqa: F811
    kit = garden.kits["public"]
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO alerts (kind, kit_id, condition, began_at)"
                " VALUES ('silence', :kit, 'silent', now())"
            ),
            {"kit": kit.id},
        )
    other = await alert(engine, garden.plants["private"], garden.kits["private"])
    async with client_of(engine) as client:
        await log_in(client, "flora")
        inbox = (await client.get("/alerts")).text
        ids = re.search(r'name="alerts" value="([\d-]+)"', inbox)[1]
        done = await client.post("/alerts/seen", data={"alerts": f"{ids}-{other}", "from": "/alerts"})
        seen = await value(engine, "SELECT count(*) FROM alerts WHERE seen_at IS NOT NULL")
        mine = {int(each) for each in ids.split("-")}
        assert seen == len(mine | ({other} if other in mine else set()))
        _, undo = toast_of((await client.get(done.headers["location"])).text)
        await client.post(undo)
        assert await value(engine, "SELECT count(*) FROM alerts WHERE seen_at IS NOT NULL") == 0
        assert (await client.post("/alerts/seen", data={"alerts": "1-x"})).status_code == 303


async def test_the_inbox_is_filtered_by_kit_and_plant(engine, garden, cold):  # noqa: F811
    kit, plant = garden.kits["public"], garden.plants["public"]
    async with client_of(engine) as client:
        await log_in(client, "flora")
        for query, is_there in ((f"kit={kit.serial}", True), (f"plant={plant}", True), ("plant=99999", False)):
            assert (f'id="alert-{cold}"' in (await client.get(f"/alerts?{query}")).text) is is_there, query
        for query in ("box=x", "plant=x", "before=0"):
            assert (await client.get(f"/alerts?{query}")).status_code == 404


async def test_what_is_said_is_what_is_measured_now(engine, database_url, garden, cold):  # noqa: F811
    kit = garden.kits["public"]
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO alert_states (plant_id, quantity_type_id, peripheral_id, judged_until)"
                " SELECT plant_id, 1, :peripheral, now() FROM alerts WHERE id = :id"
            ),
            {"peripheral": kit.peripherals[0].id, "id": cold},
        )
    now = datetime.now(UTC)
    async with client_of(engine) as client:
        await log_in(client, "flora")
        assert "Temperature was 16.5\u202f°C, below" in (await client.get(f"/alerts/{cold}")).text.replace(
            "16.5°C", "16.5\u202f°C"
        )
    await add_readings(database_url, kit, [(now - timedelta(minutes=2), 12.5)])
    async with client_of(engine) as client:
        await log_in(client, "flora")
        page = (await client.get(f"/alerts/{cold}")).text
        assert re.search("Temperature 12.5.?°C, below 18", page)
    await add_readings(database_url, kit, [(now - timedelta(minutes=1), 21)])
    async with client_of(engine) as client:
        await log_in(client, "flora")
        assert re.search("Temperature 21.0.?°C, back in range", (await client.get(f"/alerts/{cold}")).text)


async def test_who_was_told_and_how_it_ended_is_shown_to_those_who_share_the_kit(
    engine,
    garden,  # noqa: F811
    cold,
):
    async with engine.begin() as connection:
        parameters = {"alert": cold, "kit": garden.kits["public"].id}
        await connection.execute(
            text(
                "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure)"
                " SELECT id, :kit, now(), false, false FROM users WHERE username = 'bob'"
            ),
            parameters,
        )
        await connection.execute(
            text(
                "INSERT INTO messages (user_id, alert_id, transport, kind, recipient, subject, state, failure,"
                " give_up_at, finished_at) SELECT id, :alert, 'mail', 'alert', 'bob@example.org', '',"
                " 'given-up', 'No such mailbox', now(), now() FROM users WHERE username = 'bob'"
            ),
            parameters,
        )
    pages = {}
    for name in ("bob", "flora"):
        async with client_of(engine) as client:
            await log_in(client, name)
            pages[name] = (await client.get(f"/alerts/{cold}")).text
    assert "Mail to you: not sent" in pages["bob"]
    assert "No such mailbox" in pages["bob"]
    # Flora owns the plant, and is no member of the kit.
    assert "No such mailbox" not in pages["flora"]
    assert "bob" not in pages["flora"]


async def test_a_part_that_only_grew_older_is_answered_304(engine, cold):
    async with client_of(engine) as client:
        await log_in(client, "flora")
        for path in ("/alerts", "/alerts?box=closed", f"/alerts/{cold}", "/"):
            page = (await client.get(path)).text
            address = re.search(r'hx-get="([^"]+)"', page)[1].replace("&amp;", "&")
            etag = re.search(r'data-etag="([^"]+)"', page)[1].replace("&#34;", '"')
            again = await client.get(address, headers={"If-None-Match": etag})
            assert (again.status_code, again.content) == (304, b""), path
            assert sum(len(name) + len(each) + 4 for name, each in again.headers.raw) < 250
        await client.post(f"/alerts/{cold}/seen")
        changed = await client.get(address, headers={"If-None-Match": etag})
        assert changed.status_code == 200


@pytest.mark.parametrize(
    ("zone", "now", "until"),
    [
        ("Europe/Amsterdam", "2026-11-30T10:00:00+00:00", "2026-12-01T07:00:00+00:00"),
        ("Asia/Tokyo", "2026-11-30T18:00:00+00:00", "2026-12-01T23:00:00+00:00"),
        # The clocks change in that night.
        ("Europe/Amsterdam", "2026-10-24T21:00:00+00:00", "2026-10-25T07:00:00+00:00"),
    ],
)
def test_until_tomorrow_is_eight_o_clock_where_the_reader_is(zone, now, until):
    end = end_of_snooze("morning", datetime.fromisoformat(now), ZoneInfo(zone))
    assert end == datetime.fromisoformat(until)
