"""The pictures of a kit: by day, one large, deleting them, and asking a camera for one."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, time, timedelta
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import text
from test_pictures import add_picture
from web_helpers import app_of, client_of, client_to, log_in, make_kit, make_user

from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.lapse import Every, TooManyFrames, slots_of
from hortus.domain.media.objects import MediaObjects

CAMERA = 13


@pytest.fixture
def objects(tmp_path: Path) -> MediaObjects:
    return MediaObjects.in_folder(tmp_path / "media")


@pytest.fixture
async def kit(own_engine):
    """A kit with a camera, and people: mia a member, cora who may configure, sam with full access."""
    async with own_engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        for name, (access_super, access_configure) in {
            "mia": (False, False),
            "cora": (False, True),
            "sam": (True, True),
        }.items():
            user = await make_user(connection, name)
            await connection.execute(
                text(
                    "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super,"
                    " access_configure) VALUES (:user, :kit, now(), :super, :configure)"
                ),
                {"user": user.id, "kit": kit.id, "super": access_super, "configure": access_configure},
            )
        await make_user(connection, "eve")
    return kit


async def add_camera(engine, kit, name="Eye"):
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO peripherals (kit_id, kit_configuration_id, peripheral_definition_id, name,"
                " configuration) SELECT c.kit_id, c.id, d.id, :name, '{}' FROM kit_configurations c,"
                " peripheral_definitions d WHERE c.kit_id = :kit AND c.active"
                " AND d.name = 'Virtual random camera'"
            ),
            {"kit": kit.id, "name": name},
        )


async def somebody_sends(engine):
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO kit_command_sending (id, sending_until) VALUES (1, clock_timestamp())"
                " ON CONFLICT (id) DO UPDATE SET sending_until = clock_timestamp()"
            )
        )


async def commands(engine):
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT id, peripheral, command_json FROM kit_commands ORDER BY id")
        )
        return [tuple(row) for row in rows]


def path(kit, suffix=""):
    return f"/kits/{kit.serial}/pictures{suffix}"


async def page_as(engine, objects, who, address, **parts):
    async with client_of(engine, media_objects=objects, **parts) as client:
        if who:
            await log_in(client, who)
        return await client.get(address)


async def test_the_newest_picture_is_large_and_its_day_is_listed(own_engine, kit, objects):
    now = datetime.now(UTC)
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
    ages = [now - noon + timedelta(minutes=minutes) for minutes in (0, 90, 24 * 60)]
    newest, earlier, day_before = [(await add_picture(own_engine, objects, kit, age=age))[0] for age in ages]
    page = (await page_as(own_engine, objects, "mia", path(kit))).text
    assert f'src="/pictures/{newest}/preview"' in page
    for shown in (newest, earlier):
        assert f'src="/pictures/{shown}/thumbnail"' in page
    assert str(day_before) not in page
    # The page's own zone is UTC: kits have none by default.
    assert f'href="{path(kit)}?day={(noon - timedelta(days=1)).date()}"' in page
    other = (await page_as(own_engine, objects, "mia", path(kit, f"?day={noon.date()}&picture={earlier}"))).text
    assert f'src="/pictures/{earlier}/preview"' in other
    dots = re.findall(r'<li><a href="#hour-(\d+)">', page)
    assert dots == ["10", "12"]


async def test_cameras_are_filters(own_engine, kit, objects):
    await add_picture(own_engine, objects, kit, age=timedelta(minutes=5))
    second = type(kit)(id=kit.id, serial=kit.serial, peripherals=kit.peripherals[1:])
    other, _ = await add_picture(own_engine, objects, second, age=timedelta(minutes=9))
    name = second.peripherals[0].name
    page = (await page_as(own_engine, objects, "mia", path(kit, f"?camera={name}"))).text
    assert f"/pictures/{other}/preview" in page
    assert page.count('loading="lazy"') == 1
    both = (await page_as(own_engine, objects, "mia", path(kit))).text
    assert f"camera={name}" in unescape(both)


async def test_a_kit_without_pictures_says_why(own_engine, kit, objects):
    page = (await page_as(own_engine, objects, "cora", path(kit))).text
    assert "The configuration that this kit runs has no camera." in page
    assert f'href="/kits/{kit.serial}/configuration"' in page
    assert "Add a camera" not in (await page_as(own_engine, objects, "mia", path(kit))).text
    await add_camera(own_engine, kit)
    page = (await page_as(own_engine, objects, "cora", path(kit))).text
    assert "Pictures appear here as soon as a camera of this kit sends one" in page


async def test_what_cannot_be_shown_says_why(own_engine, kit, objects):
    lost, _ = await add_picture(own_engine, objects, kit, age=timedelta(minutes=1))
    broken, _ = await add_picture(own_engine, objects, kit, age=timedelta(minutes=2), thumbnail="unsuitable")
    await add_picture(own_engine, objects, kit, age=timedelta(minutes=3), thumbnail=None)
    await objects.delete(ObjectKey(kit.serial, lost))
    async with own_engine.begin() as connection:
        await connection.execute(
            text("UPDATE media SET thumbnail_note = 'It is damaged.' WHERE id = :id"), {"id": broken}
        )
    page = (await page_as(own_engine, objects, "mia", path(kit))).text
    assert "The file is no longer in the store." in page
    assert "It is damaged." in page
    assert "Its small picture is being made." in page
    assert (await page_as(own_engine, objects, "mia", path(kit, "?day=2001-01-01"))).status_code == 200


@pytest.mark.parametrize("query", ["?day=today", "?day=1200-01-01"])
async def test_a_day_that_is_none_says_so(own_engine, kit, objects, query):
    assert (await page_as(own_engine, objects, "mia", path(kit, query))).status_code == 400


async def test_a_preview_is_for_those_who_may_see_the_kit(own_engine, kit, objects):
    medium, _ = await add_picture(own_engine, objects, kit, age=timedelta(minutes=1))
    answer = await page_as(own_engine, objects, "mia", f"/pictures/{medium}/preview")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert answer.headers["cache-control"].startswith("private")
    for who in (None, "eve"):
        assert (await page_as(own_engine, objects, who, f"/pictures/{medium}/preview")).status_code == 404
    for suffix in ("", "/lapse", f"/delete?m={medium}", "/asked/1", "/asked/1/picture"):
        assert (await page_as(own_engine, objects, "eve", path(kit, suffix))).status_code == 404
        assert (await page_as(own_engine, objects, None, path(kit, suffix))).status_code == 303


async def test_pictures_are_deleted_after_a_question(own_engine, kit, objects):
    first, second = [
        (await add_picture(own_engine, objects, kit, age=timedelta(minutes=minutes)))[0] for minutes in (1, 2)
    ]
    async with own_engine.begin() as connection:
        foreign_kit = await make_kit(connection, "Other")
    foreign, _ = await add_picture(own_engine, objects, foreign_kit, age=timedelta(minutes=1))
    async with client_of(own_engine, media_objects=objects) as client:
        await log_in(client, "cora")
        assert "Delete the ticked pictures" in (await client.get(path(kit))).text
        asked = (await client.get(path(kit, f"/delete?m={first}&m={foreign}"))).text
        assert "Delete 1 picture?" in asked
        done = await client.post(path(kit, "/delete"), data={"m": [str(first), str(foreign)]})
        assert done.headers["location"] == path(kit, "?said=deleted")
        page = (await client.get(done.headers["location"])).text
        assert ("The pictures were deleted." in page, str(first) in page, str(second) in page) == (
            True, False, True,
        )  # fmt: skip
        for wrong in ({}, {"m": "1"}, {"m": [str(uuid.uuid4()) for _ in range(101)]}):
            assert (await client.post(path(kit, "/delete"), data=wrong)).status_code == 400
        assert (await client.get(path(kit, "/delete"))).status_code == 400
    async with client_of(own_engine, media_objects=objects) as client:
        await log_in(client, "mia")
        assert "Delete the ticked pictures" not in (await client.get(path(kit))).text
        assert (await client.get(path(kit, f"/delete?m={second}"))).status_code == 403
        assert (await client.post(path(kit, "/delete"), data={"m": str(second)})).status_code == 403
    async with own_engine.connect() as connection:
        left = set(await connection.scalars(text("SELECT id FROM media")))
    assert left == {second, foreign}


async def test_a_picture_is_asked_for_once_and_the_page_says_how_far_it_is(own_engine, kit, objects):
    await add_camera(own_engine, kit)
    await somebody_sends(own_engine)
    async with client_of(own_engine, media_objects=objects) as client:
        await log_in(client, "sam")
        assert 'value="Eye/art"' in (await client.get(path(kit))).text
        asked = await client.post(path(kit, "/take"), data={"what": "Eye/art"})
        ((number, peripheral, command),) = await commands(own_engine)
        assert (peripheral, command) == ("Eye", '"art"')
        assert asked.headers["location"] == path(kit, f"?asked={number}")
        for _ in range(2):  # a reload asks for no second one
            page = (await client.get(asked.headers["location"])).text
            assert "Picture from Eye: Waiting for its turn" in page
        assert len(await commands(own_engine)) == 1

        await _update(own_engine, "state = 'sent', sent_at = now(), answer_by = now() + interval '30 s'")
        part = (await client.get(path(kit, f"/asked/{number}"))).text
        assert re.search(r"Asked \d\d:\d\d(:\d\d)?\. It takes up to 30 s\.", part)
        assert 'data-state="waiting"' in part

        await _update(
            own_engine,
            "state = 'succeeded', finished_at = now(), result_media_type = 'image/png', result_bytes = 5",
        )
        async with own_engine.begin() as connection:
            await connection.execute(
                text("INSERT INTO kit_command_results (command_id, part, data) VALUES (:id, 0, 'image')"),
                {"id": number},
            )
        part = (await client.get(path(kit, f"/asked/{number}"))).text
        assert f'src="{path(kit, f"/asked/{number}/picture")}"' in part
        assert 'data-state="over"' in part
        picture = await client.get(path(kit, f"/asked/{number}/picture"))
        assert (picture.content, picture.headers["content-type"]) == (b"image", "image/png")
        assert picture.headers["content-security-policy"] == "default-src 'none'; sandbox"


async def _update(engine, changes):
    async with engine.begin() as connection:
        await connection.execute(text(f"UPDATE kit_commands SET {changes}"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ("state = 'failed', error = 'KitOffline', finished_at = now()", "The kit is offline"),
        ("state = 'failed', error = 'TimedOut', finished_at = now()", "did not answer in time"),
        ("state = 'failed', error = 'NotSent', finished_at = now()", "The kit was not asked."),
        (
            "state = 'failed', error = 'CommandFailed', explanation = 'No film', finished_at = now()",
            "No film",
        ),
        ("state = 'cancelled', finished_at = now()", "cancelled before it was sent"),
        (
            "state = 'succeeded', finished_at = now(), result_media_type = 'text/plain', result_text = 'later'",
            ": later",
        ),
    ],
)
async def test_what_became_of_a_request_is_said(own_engine, kit, objects, changes, words):
    await add_camera(own_engine, kit)
    await somebody_sends(own_engine)
    async with client_of(own_engine, media_objects=objects) as client:
        await log_in(client, "sam")
        asked = await client.post(path(kit, "/take"), data={"what": "Eye/art"})
        await _update(own_engine, changes)
        assert words in unescape((await client.get(asked.headers["location"])).text)


async def test_only_full_access_takes_pictures_and_only_of_what_there_is(own_engine, kit, objects):
    await add_camera(own_engine, kit)
    await somebody_sends(own_engine)
    async with client_of(own_engine, media_objects=objects) as client:
        await log_in(client, "cora")
        page = (await client.get(path(kit))).text
        assert "Only members with full access can take a picture." in page
        assert (await client.post(path(kit, "/take"), data={"what": "Eye/art"})).status_code == 403
    async with client_of(own_engine, media_objects=objects) as client:
        await log_in(client, "sam")
        for what in ("Eye/cubism", "Nose/art", "", "Climate/art"):
            assert (await client.post(path(kit, "/take"), data={"what": what})).status_code == 400
        for _ in range(10):
            await client.post(path(kit, "/take"), data={"what": "Eye/art"})
        assert (await client.post(path(kit, "/take"), data={"what": "Eye/art"})).status_code == 429
    assert len(await commands(own_engine)) == 10


async def test_without_a_process_that_sends_nothing_is_promised(own_engine, kit, objects):
    await add_camera(own_engine, kit)
    async with client_of(own_engine, media_objects=objects) as client:
        await log_in(client, "sam")
        answer = await client.post(path(kit, "/take"), data={"what": "Eye/art"})
    assert (answer.status_code, "No process of this server can reach kits" in answer.text) == (503, True)
    assert await commands(own_engine) == []


async def test_a_time_lapse_shows_missing_hours_grey(own_engine, kit, objects):
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for hour in (1, 2, 4):
        at = today - timedelta(days=1) + timedelta(hours=hour, minutes=10)
        await add_picture(own_engine, objects, kit, age=now - at)
    day = (today - timedelta(days=1)).date()
    app = app_of(own_engine, media_objects=objects)
    async with client_to(app) as client:
        await log_in(client, "mia")
        page = (await client.get(path(kit, f"/lapse?from={day}&to={day}&every=hour&i=2"))).text
        frames = re.findall(r"<li><a [^>]*>.*?</li>", page.split('id="frames"')[1], re.DOTALL)
        assert ["data-src" in frame for frame in frames] == [True, True, False, True]
        assert "Frame 3 of 4" in page
        assert "1 without a picture, shown grey" in page
        assert re.search(r'<figure class="frame missing"', page)
        back, on = (re.search(rf'id="step-{way}" href="([^"]+)"', page) for way in ("back", "on"))
        assert "Frame 2 of 4" in (await client.get(unescape(back[1]))).text
        assert "Frame 4 of 4" in (await client.get(unescape(on[1]))).text
        every = (await client.get(path(kit, f"/lapse?from={day}&to={day}&every=picture"))).text
        assert "Frame 1 of 3" in every
        daily = (await client.get(path(kit, f"/lapse?from={day}&to={day}&every=day&at=04:00"))).text
        assert "Frame 1 of 1" in daily
        two = (await client.get(path(kit, f"/lapse?from={day}&to={day}&every=picture&i=0&beside=2"))).text
        assert two.count("<figure class=") == 2
        none = await client.get(path(kit, "/lapse?from=2001-01-01&to=2001-01-02"))
        assert (none.status_code, "No pictures in this range" in none.text) == (200, True)
        for wrong in (f"from={day}&to=2001-01-01", "from=2020-01-01&to=2020-12-31&every=hour"):
            refused = await client.get(path(kit, f"/lapse?{wrong}"))
            assert (refused.status_code, 'href="#to"' in refused.text) == (422, True)
        for wrong in ("every=minute", "at=noon", "from=now"):
            assert (await client.get(path(kit, f"/lapse?{wrong}"))).status_code == 400


def test_the_frames_of_hours_end_with_the_present_and_have_a_limit():
    now = datetime(2026, 11, 30, 5, 30, tzinfo=UTC)
    today = now.date()
    noon = time(12)
    hours = slots_of(Every.HOUR, today, today, noon, UTC, now)
    assert (len(hours), hours[-1].hour) == (6, 5)
    assert (
        len(slots_of(Every.HOUR, today - timedelta(days=30), today - timedelta(days=1), noon, UTC, now)) == 720
    )
    with pytest.raises(TooManyFrames):
        slots_of(Every.HOUR, today - timedelta(days=40), today, noon, UTC, now)
    days = slots_of(Every.DAY, today - timedelta(days=2), today, noon, UTC, now)
    assert [moment.day for moment in days] == [28, 29]
    with pytest.raises(TooManyFrames):
        slots_of(Every.DAY, today - timedelta(days=800), today, noon, UTC, now)
