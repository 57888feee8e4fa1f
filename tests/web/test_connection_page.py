"""The connection of a kit: the first broken link in words, the chain with its proofs, and what can be done."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import text
from web_helpers import add_readings, client_of, log_in, make_kit, make_member, make_user

from hortus.base.database.url import DatabaseUrl
from hortus.domain.mqtt_accounts.log_ins import LogInReport, note_log_ins
from hortus.http.access.doors import Door, Doors

DOORS = Doors(kits=Door(host="0.0.0.0", port=1884), is_built_in=True)
_FIRST = re.compile(r"<div data-first>.*?<span>([^<]*)</span>", re.DOTALL)
_LINK = re.compile(r'data-link="([^"]+)" data-state="([^"]+)"')
_TROUBLE = re.compile(r'data-trouble="([^"]+)"')


@pytest.fixture
async def kit(engine):
    """A kit with a standard configuration, its owner ada, and the plain member ben."""
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        await make_member(connection, await make_user(connection, "ada"), kit)
        await connection.execute(
            text("UPDATE kit_memberships SET access_super = true, access_configure = true")
        )
        await make_member(connection, await make_user(connection, "ben"), kit)
    return kit


async def person(engine, name="ada"):
    client = client_of(engine, doors=lambda: DOORS)
    await log_in(client, name)
    return client


def path(kit, suffix=""):
    return f"/kits/{kit.serial}/connection{suffix}"


async def page_of(engine, kit, name="ada"):
    answer = await (await person(engine, name)).get(path(kit))
    assert answer.status_code == 200
    return answer.text


async def happens(engine, sql, kit, **values):
    async with engine.begin() as connection:
        await connection.execute(text(sql), {"kit_id": kit.id, **values})


async def connects(engine, kit, *, connected=True, minutes_ago=5):
    await happens(
        engine,
        "INSERT INTO kit_presence (kit_id, is_connected, connection_changed_at, last_contact_at) "
        "VALUES (:kit_id, :connected, now() - make_interval(mins => :minutes), "
        "now() - make_interval(mins => :minutes)) "
        "ON CONFLICT (kit_id) DO UPDATE SET is_connected = excluded.is_connected",
        kit,
        connected=connected,
        minutes=minutes_ago,
    )


async def log_in_report(engine, kit, **fields):
    async with engine.begin() as connection:
        await note_log_ins(connection, [LogInReport(**{"username": kit.serial, **fields})])


async def sends(database_url, kit, *, ahead=timedelta(), age=timedelta(), readings=5):
    """Store readings of the first sensor whose clock is ahead by this."""
    now = datetime.now(UTC) - age
    await add_readings(
        database_url, kit, [(now - timedelta(seconds=each) + ahead, 20.0) for each in range(readings)]
    )
    connection = await asyncpg.connect(**DatabaseUrl.parse(database_url).asyncpg_arguments())
    await connection.execute("UPDATE raw_measurements SET received_at = datetime - $1::interval", ahead)
    await connection.close()


async def test_of_a_new_kit_it_says_what_to_enter_and_what_is_not_known(engine, kit):
    page = await page_of(engine, kit)
    assert _FIRST.findall(page) == ["The kit has not connected yet."]
    assert "The kit has not logged in here yet." in page
    assert dict(_LINK.findall(page)) == {
        "you": "good",
        "hortus": "good",
        "door": "unknown",
        "kit": "unknown",
        "configuration": "unknown",
        "commands": "unknown",
        "clock": "unknown",
        "sensor": "unknown",
    }


async def test_a_wrong_password_is_named_with_its_attempts(engine, kit):
    now = datetime.now(UTC)
    await log_in_report(
        engine, kit, refused_at=now, refused_from="10.1.2.3", refused_reason="wrong-password", refused_times=3
    )
    page = await page_of(engine, kit)
    [first] = _FIRST.findall(page)
    assert first.startswith("The password is wrong (3 attempts, the last at ")
    assert ("door", "bad") in _LINK.findall(page)
    assert "10.1.2.3" in page
    assert "10.1.2.3" not in await page_of(engine, kit, "ben")


async def test_a_serial_in_capital_letters_is_named(engine, kit):
    await log_in_report(
        engine,
        kit,
        username=kit.serial.upper(),
        refused_at=datetime.now(UTC),
        refused_from="10.1.2.3",
        refused_reason="wrong-password",
        refused_times=1,
    )
    [first] = _FIRST.findall(await page_of(engine, kit))
    assert f"it logs in as “{kit.serial.upper()}”" in first


async def test_a_log_in_ends_what_was_refused_before(engine, kit):
    now = datetime.now(UTC)
    await log_in_report(
        engine,
        kit,
        refused_at=now - timedelta(minutes=1),
        refused_reason="wrong-password",
        refused_from="10.1.2.3",
        refused_times=1,
    )
    await log_in_report(engine, kit, logged_in_at=now, logged_in_from="10.1.2.4")
    await connects(engine, kit, minutes_ago=0)
    page = await page_of(engine, kit)
    assert "wrong-password" not in _TROUBLE.findall(page)
    assert ("door", "good") in _LINK.findall(page)
    assert "10.1.2.4" in page


async def test_a_wrong_topic_is_named(engine, kit):
    await log_in_report(
        engine, kit, topic_refused_at=datetime.now(UTC), topic_refused="kit/k-other/measurement/raw"
    )
    page = await page_of(engine, kit)
    assert "wrong-topic" in _TROUBLE.findall(page)
    assert "The topic is wrong: the kit publishes to kit/k-other/measurement/raw" in page


async def test_a_kit_without_a_configuration_measures_nothing(engine, kit):
    await happens(engine, "UPDATE kit_configurations SET active = false WHERE kit_id = :kit_id", kit)
    await connects(engine, kit)
    page = await page_of(engine, kit)
    assert _FIRST.findall(page) == ["The kit has no active configuration, so it measures nothing."]
    assert ("configuration", "bad") in _LINK.findall(page)


@pytest.mark.parametrize(
    ("ahead", "trouble", "says"),
    [
        (timedelta(seconds=42), "clock-ahead", "42 s ahead"),
        (timedelta(minutes=-3), "clock-behind", "3 min behind"),
    ],
)
async def test_a_clock_that_is_off_is_named(engine, database_url, kit, ahead, trouble, says):
    await connects(engine, kit)
    await sends(database_url, kit, ahead=ahead)
    page = await page_of(engine, kit)
    assert trouble in _TROUBLE.findall(page)
    assert ("clock", "bad") in _LINK.findall(page)
    assert says in page


async def test_a_clock_that_is_right_is_good(engine, database_url, kit):
    await connects(engine, kit)
    await sends(database_url, kit)
    page = await page_of(engine, kit)
    assert ("clock", "good") in _LINK.findall(page)
    assert "Right, by the last 5 readings." in page


async def test_readings_from_the_future_that_were_set_aside_are_the_clocks_fault(engine, kit):
    await connects(engine, kit)
    await happens(
        engine,
        "INSERT INTO quarantine (received_at, kit_id, stream, reason, detail, topic, payload, payload_bytes) "
        "VALUES (now(), :kit_id, 'raw', 'time-in-future', '', 'x', '', 0)",
        kit,
    )
    page = await page_of(engine, kit)
    assert _TROUBLE.findall(page)[0] == "clock-in-future"
    assert ("clock", "bad") in _LINK.findall(page)


async def test_one_silent_sensor_is_named_while_the_kit_is_online(engine, database_url, kit):
    await connects(engine, kit, minutes_ago=0)
    await add_readings(database_url, kit, [(datetime.now(UTC) - timedelta(seconds=5), 20.0)])
    await add_readings(database_url, kit, [(datetime.now(UTC) - timedelta(hours=2), 1000.0)], peripheral=1)
    await happens(
        engine,
        "UPDATE raw_measurements SET received_at = datetime, kit_configuration_id = "
        "(SELECT id FROM kit_configurations WHERE kit_id = :kit_id) WHERE kit_id = :kit_id",
        kit,
    )
    # As ingest notes for the figures, which otherwise know of no readings before this hour.
    await happens(
        engine,
        "INSERT INTO series_touched_hours (kit_id, hour) SELECT DISTINCT kit_id, "
        "date_bin('1 hour', datetime, 'epoch') FROM raw_measurements WHERE kit_id = :kit_id",
        kit,
    )
    page = await page_of(engine, kit)
    [first] = _FIRST.findall(page)
    assert first.startswith("Pressure has been silent since ")
    assert "sensor-silent" in _TROUBLE.findall(page)


async def test_where_connections_are_not_observed_only_traffic_counts(engine, database_url, kit):
    await add_readings(database_url, kit, [(datetime.now(UTC), 20.0)])
    async with client_of(engine) as client:  # a process that kits do not connect to
        await log_in(client, "ada")
        page = (await client.get(path(kit))).text
    assert ("door", "unknown") in _LINK.findall(page)
    assert "only traffic counts" in page
    assert ("kit", "good") in _LINK.findall(page)


async def test_strangers_get_one_sentence_that_tells_nothing_of_the_account(engine, kit):
    await log_in_report(
        engine,
        kit,
        refused_at=datetime.now(UTC),
        refused_from="10.1.2.3",
        refused_reason="wrong-password",
        refused_times=1,
    )
    async with client_of(engine) as client:
        assert (await client.get(path(kit))).status_code == 303
        await happens(engine, "UPDATE kits SET privacy_public_dashboard = true WHERE id = :kit_id", kit)
        page = (await client.get(path(kit))).text
        renewed = (await client.get(path(kit, "/findings"), params={"viewer": ""})).headers
    assert _FIRST.findall(page) == ["The kit has not connected yet."]
    assert _LINK.findall(page) == []
    assert "password" not in page.lower()
    assert "hx-refresh" in renewed


async def test_background_work_and_mail_are_for_administrators(engine, kit):
    async with engine.begin() as connection:
        await make_user(connection, "root", is_admin=True)
    assert {"jobs", "mail"} <= set(dict(_LINK.findall(await page_of(engine, kit, "root"))))
    assert not {"jobs", "mail"} & set(dict(_LINK.findall(await page_of(engine, kit))))


async def test_a_new_password_needs_the_serial_and_is_shown_once(engine, kit):
    client = await person(engine)
    before = await password_hash(engine, kit)
    refused = await client.post(path(kit, "/password"), data={"serial": "k-other"})
    assert refused.status_code == 422
    assert "Serial: type it exactly as it is shown." in refused.text
    assert await password_hash(engine, kit) == before
    made = await client.post(path(kit, "/password"), data={"serial": kit.serial})
    assert made.status_code == 303
    assert await password_hash(engine, kit) != before
    address = made.headers["location"].removesuffix("#new-password")
    assert "data-secret" in (await client.get(address)).text
    assert "data-secret" not in (await client.get(address)).text


async def password_hash(engine, kit):
    async with engine.connect() as connection:
        return await connection.scalar(text(f"SELECT password_hash FROM kits WHERE id = {kit.id}"))


async def test_others_read_who_can_make_a_password(engine, kit):
    page = await page_of(engine, kit, "ben")
    assert "Only members with full access can make a new password." in page
    ben = await person(engine, "ben")
    assert (await ben.post(path(kit, "/password"), data={"serial": kit.serial})).status_code == 403
    assert (await ben.post(path(kit, "/ask"))).status_code == 403


async def test_a_virtual_kit_gets_no_password_from_a_person(engine, kit):
    await happens(engine, "INSERT INTO virtual_kits (kit_id) VALUES (:kit_id)", kit)
    assert "A virtual kit runs inside Hortus" in await page_of(engine, kit)
    client = await person(engine)
    assert (await client.post(path(kit, "/password"), data={"serial": kit.serial})).status_code == 409


async def test_asking_a_kit_that_nobody_reaches_says_so(engine, kit):
    client = await person(engine)
    asked = await client.post(path(kit, "/ask"))
    assert asked.headers["location"] == path(kit) + "?said=offline"
    assert "nobody can send to kits right now" in (await client.get(asked.headers["location"])).text


async def test_the_answer_of_the_kit_has_its_round_trip_time(engine, kit):
    await happens(
        engine,
        "INSERT INTO kit_command_sending VALUES (1, now() + interval '1 min') "
        "ON CONFLICT (id) DO UPDATE SET sending_until = excluded.sending_until",
        kit,
    )
    client = await person(engine)
    asked = (await client.post(path(kit, "/ask"))).headers["location"]
    assert "Waiting to be sent to the kit." in (await client.get(asked)).text
    await happens(
        engine,
        "UPDATE kit_commands SET state = 'succeeded', sent_at = now(), "
        "finished_at = now() + interval '120 ms', result_text = '1.0.0b8' WHERE kit_id = :kit_id",
        kit,
    )
    page = (await client.get(asked)).text
    assert "The kit answered within 120 ms. Its program has the version 1.0.0b8." in page
