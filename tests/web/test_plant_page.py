"""The page of a plant: who may see it, its contents, the button of an alert, and the way there by log-in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from PIL import Image
from sqlalchemy import insert, text
from web_helpers import PASSWORD, MadeKit, add_readings, client_of, log_in, make_kit, make_member, make_user

from hortus.domain.alerts.tables import AlertRow
from hortus.domain.plants.links import MeasuringSource, link_plant
from hortus.domain.plants.photos import prepare_photo, put_photo
from hortus.domain.plants.store import create_plant
from hortus.http.pages.requests import local_path

MONSTERA, TEMPERATURE = 1, 1
ABSENT = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Garden:
    """Kits and a plant of flora's on each; `own` is a plant of hers that nothing measures."""

    kits: dict[str, MadeKit]
    plants: dict[str, int]


@pytest.fixture
async def garden(engine) -> Garden:
    """Ada is a member of the kit `members`; flora of none; root is an administrator."""
    async with engine.begin() as connection:
        kits = {
            "public": await make_kit(connection, "Public kit", public=True),
            "members": await make_kit(connection, "Kit of members"),
            "private": await make_kit(connection, "Private kit"),
        }
        people = {name: await make_user(connection, name) for name in ("ada", "bob", "flora")}
        await make_user(connection, "root", is_admin=True)
        await make_member(connection, people["ada"], kits["members"])
        plants = {}
        for name in (*kits, "own"):
            plants[name] = await create_plant(
                connection, people["flora"].id, name=f"Monty, {name}", species_id=MONSTERA
            )
        for name, kit in kits.items():
            await link(connection, plants[name], kit)
    return Garden(kits=kits, plants=plants)


async def link(connection, plant_id, kit):
    now = datetime.now(UTC)
    source = MeasuringSource(kit_id=kit.id)
    await link_plant(connection, plant_id, source, since=now - timedelta(days=1), now=now)


async def alert(engine, plant_id, kit, *, hours_ago=1, over=False):
    opened_at = datetime.now(UTC) - timedelta(hours=hours_ago)
    statement = insert(AlertRow).values(
        kind="range",
        plant_id=plant_id,
        quantity_type_id=TEMPERATURE,
        kit_id=kit.id,
        condition="low",
        value=16.5,
        minimum=18,
        maximum=27,
        began_at=opened_at,
        opened_at=opened_at,
        over_at=opened_at + timedelta(minutes=30) if over else None,
        ending="recovered" if over else None,
    )
    async with engine.begin() as connection:
        return await connection.scalar(statement.returning(AlertRow.id))


async def seen(engine, alert_id):
    async with engine.connect() as connection:
        return await connection.scalar(
            text(
                "SELECT u.username FROM alerts a JOIN users u ON u.id = a.seen_by_id"
                " WHERE a.id = :id AND a.seen_at IS NOT NULL"
            ),
            {"id": alert_id},
        )


@pytest.mark.parametrize(
    ("who", "visible"),
    [
        (None, {"public"}),
        ("bob", {"public"}),
        ("ada", {"public", "members"}),
        ("flora", {"public", "members", "private", "own"}),
        ("root", {"public", "members", "private", "own"}),
    ],
)
async def test_each_viewer_sees_exactly_the_plants_that_the_api_shows_them(engine, garden, who, visible):
    async with client_of(engine) as client:
        if who:
            await log_in(client, who)
        absent = await client.get(f"/plants/{ABSENT}")
        for name, plant_id in garden.plants.items():
            answer = await client.get(f"/plants/{plant_id}")
            if name in visible:
                assert answer.status_code == 200
                assert f"<h1><bdi>Monty, {name}</bdi></h1>" in answer.text
                continue
            # A hidden plant cannot be distinguished from one that does not exist.
            assert answer.status_code == absent.status_code == (404 if who else 303)
            assert answer.text == absent.text
            if not who:
                assert answer.headers["location"] == f"/login?next=/plants/{plant_id}"
                assert absent.headers["location"] == f"/login?next=/plants/{ABSENT}"


async def test_the_page_says_what_is_wrong_with_a_sensor(engine, garden, database_url):
    kit = garden.kits["public"]
    measured_at = datetime.now(UTC) - timedelta(minutes=5)
    await add_readings(database_url, kit, [(measured_at, 21.0), (measured_at + timedelta(minutes=4), -127.0)])
    async with client_of(engine) as client:
        page = (await client.get(f"/plants/{garden.plants['public']}")).text
    assert "Sensor reports −127 °C, which is outside what is possible for temperature" in page
    assert ">21.0</data>" in page
    assert "In range" in page


async def test_a_person_comes_back_to_the_plant_after_logging_in(engine, garden):
    plant_id = garden.plants["members"]
    async with client_of(engine) as client:
        form = await client.get(f"/plants/{plant_id}", follow_redirects=True)
        assert f'<input type="hidden" name="next" value="/plants/{plant_id}">' in form.text
        sent = {"username": "ada", "password": "wrong", "next": f"/plants/{plant_id}"}
        again = await client.post("/login", data=sent)
        assert (again.status_code, f'value="/plants/{plant_id}"' in again.text) == (403, True)
        done = await client.post("/login", data={**sent, "password": PASSWORD})
        assert (done.status_code, done.headers["location"]) == (303, f"/plants/{plant_id}")
        assert "<h1><bdi>Monty, members</bdi></h1>" in (await client.get(done.headers["location"])).text
        # A visitor who is already logged in is redirected at once.
        shown = await client.get("/login", params={"next": f"/plants/{plant_id}"})
        assert (shown.status_code, shown.headers["location"]) == (303, f"/plants/{plant_id}")


FOREIGN = [
    "//evil.test",
    "/\\evil.test",
    "https://evil.test/",
    "evil.test",
    "javascript:alert(1)",
    "/\t/evil.test",
    "\n//evil.test",
    "/plants/1\r\nX-Header: 1",
    "/plänts/1",
    "/" + "x" * 600,
    "",
]


async def test_a_log_in_never_leads_to_another_site(engine, garden):
    assert [local_path(path) for path in FOREIGN] == ["/"] * len(FOREIGN)
    async with client_of(engine) as client:
        for path in FOREIGN:
            assert 'name="next"' not in (await client.get("/login", params={"next": path})).text
        for path in FOREIGN[:2]:
            done = await client.post("/login", data={"username": "ada", "password": PASSWORD, "next": path})
            assert (done.status_code, done.headers["location"]) == (303, "/")
        for path in FOREIGN:
            shown = await client.get("/login", params={"next": path})
            assert (shown.status_code, shown.headers["location"]) == (303, "/")


@pytest.mark.parametrize("path", ["/", "/plants/7", "/?page=2", "/plants/7#alerts"])
def test_paths_of_ours_are_kept(path):
    assert local_path(path) == path


async def test_what_is_no_plants_number_is_not_found(engine):
    async with client_of(engine) as client:
        for plant_id in ("x", "0x1", "-1", "²", "1.0", "99999999999", "2147483648", "1%00"):
            for end in ("", "/photo", "/status"):
                assert (await client.get(f"/plants/{plant_id}{end}")).status_code == 404


async def test_it_says_how_each_quantity_is_and_what_measures_it(engine, garden, database_url):
    await add_readings(database_url, garden.kits["public"], [(datetime.now(UTC) - timedelta(minutes=3), 17.25)])
    async with client_of(engine) as client:
        page = " ".join((await client.get(f"/plants/{garden.plants['public']}")).text.split())
        start = (await client.get("/")).text
    assert "Monstera" in page
    assert "Too cold" in page
    assert '<data class="value" value="17.25">17.2</data> <span class="unit">°C</span>' in page
    assert "18–27 °C" in page
    assert f"Temperature, {garden.kits['public'].serial}" in page
    assert "3 min ago" in page
    for word in ("Low", "No recent readings", "No target range"):
        assert f"<span>{word}</span></span>" in page
    assert "Public kit" in page
    assert '<a href="/">Home</a>' in page
    # And on the card of its kit.
    assert "Monty, public" in start
    assert "Too cold" in start
    assert "Monty, members" not in start


async def test_the_status_page_names_the_plants_of_each_kit_that_the_viewer_sees(engine, garden):
    async with client_of(engine) as client:
        await log_in(client, "ada")
        start = (await client.get("/")).text
    assert {name for name in garden.plants if f"Monty, {name}" in start} == {"public", "members"}


async def test_a_kit_with_many_plants_counts_them_and_says_how_the_worst_does(engine, garden):
    async with engine.begin() as connection:
        owner = await connection.scalar(text("SELECT id FROM users WHERE username = 'flora'"))
        for number in range(14):
            plant_id = await create_plant(connection, owner, name=f"aloe {number:02}")
            await link(connection, plant_id, garden.kits["public"])
    async with client_of(engine) as client:
        start = (await client.get("/")).text
    assert "aloe 00" not in start
    assert "15 plants" in start


async def test_values_of_a_kit_that_the_owner_may_not_see_are_not_shown(engine, garden, database_url):
    await add_readings(database_url, garden.kits["private"], [(datetime.now(UTC), 17.25)])
    alert_id = await alert(engine, garden.plants["private"], garden.kits["private"])
    async with client_of(engine) as client:
        await log_in(client, "flora")
        page = (await client.get(f"/plants/{garden.plants['private']}")).text
    for secret in ("17.2", "16.5", garden.kits["private"].serial, "Private kit", f"/alerts/{alert_id}"):
        assert secret not in page


async def test_the_button_marks_an_alert_as_seen_by_whom_it_concerns(engine, garden):
    plant_id, kit = garden.plants["members"], garden.kits["members"]
    await alert(engine, plant_id, kit, hours_ago=5, over=True)
    open_id = await alert(engine, plant_id, kit)
    button = f'action="/alerts/{open_id}/seen"'
    async with client_of(engine) as client:
        await log_in(client, "ada")
        page = (await client.get(f"/plants/{plant_id}")).text
        assert page.count("/seen") == 1  # not for the closed one
        assert (button in page, "Open for <time" in page, "Closed <time" in page) == (True, True, True)
        answer = await client.post(f"/alerts/{open_id}/seen", data={"from": f"/plants/{plant_id}"})
        back = f"/plants/{plant_id}?alerts={open_id}&said=seen"
        assert (answer.status_code, answer.headers["location"]) == (303, back)
        page = (await client.get(f"/plants/{plant_id}")).text
        assert (button in page, "Seen <time" in page, "Open for <time" in page) == (False, True, True)
        again = await client.post(f"/alerts/{open_id}/seen")
        assert again.status_code == 303
    assert await seen(engine, open_id) == "ada"


async def test_who_only_may_look_has_no_button_and_marks_nothing(engine, garden):
    plant_id, kit = garden.plants["public"], garden.kits["public"]
    alert_id = await alert(engine, plant_id, kit)
    address = f"/alerts/{alert_id}/seen"
    async with client_of(engine) as client:
        page = (await client.get(f"/plants/{plant_id}")).text
        assert ("16.5" in page, "/seen" in page) == (True, False)
        answer = await client.post(address)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/")
        await log_in(client, "bob")
        assert "/seen" not in (await client.get(f"/plants/{plant_id}")).text
        assert (await client.post(address)).status_code == 404
    assert await seen(engine, alert_id) is None


async def test_a_button_on_another_site_does_nothing(engine, garden):
    alert_id = await alert(engine, garden.plants["members"], garden.kits["members"])
    async with client_of(engine) as client:
        await log_in(client, "ada")
        for headers in ({"origin": "http://evil.test"}, {"sec-fetch-site": "cross-site"}):
            answer = await client.post(f"/alerts/{alert_id}/seen", headers=headers)
            assert answer.status_code == 403
    assert await seen(engine, alert_id) is None


async def test_the_photo_is_shown_to_those_who_may_see_the_plant(engine, garden):
    written = BytesIO()
    Image.new("RGB", (64, 48), "green").save(written, "PNG")
    photo = await prepare_photo(written.getvalue())
    async with engine.begin() as connection:
        await put_photo(connection, garden.plants["members"], photo)
    address = f"/plants/{garden.plants['members']}/photo"
    async with client_of(engine) as client:
        hidden = await client.get(address)
        absent = await client.get(f"/plants/{ABSENT}/photo")
        assert (hidden.status_code, hidden.text) == (404, absent.text)
        await log_in(client, "ada")
        assert f'src="{address}?v=' in (await client.get(f"/plants/{garden.plants['members']}")).text
        shown = await client.get(address)
        assert (shown.content, shown.headers["content-type"]) == (photo.content, "image/jpeg")
        kept = await client.get(address, headers={"if-none-match": shown.headers["etag"]})
        assert (kept.status_code, kept.content) == (304, b"")
        assert (await client.get(f"/plants/{garden.plants['public']}/photo")).status_code == 404


async def test_the_part_that_renews_itself_asks_for_the_whole_page_when_more_changed(engine, garden):
    plant_id = garden.plants["members"]
    async with client_of(engine) as client:
        await log_in(client, "ada")
        page = (await client.get(f"/plants/{plant_id}")).text
        build = page.split("build=", 1)[1].split('"', 1)[0]
        asked = {"viewer": "ada", "build": build}
        fragment = await client.get(f"/plants/{plant_id}/status", params=asked)
        assert (fragment.status_code, "Monty, members" in fragment.text) == (200, True)
        assert "<html" not in fragment.text
        for plant, parameters in (
            (plant_id, {"viewer": "", "build": build}),
            (plant_id, {"viewer": "ada", "build": "0"}),
            (garden.plants["private"], asked),
        ):
            answer = await client.get(f"/plants/{plant}/status", params=parameters)
            assert (answer.headers.get("HX-Refresh"), answer.text) == ("true", "")


async def test_names_and_remarks_are_text_and_not_html(engine, garden):
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE plants SET name = '<b>Monty</b>', remark = '<i>x</i>' WHERE id = :id"),
            {"id": garden.plants["public"]},
        )
    async with client_of(engine) as client:
        pages = [(await client.get(path)).text for path in (f"/plants/{garden.plants['public']}", "/")]
    for page in pages:
        assert "&lt;b&gt;Monty&lt;/b&gt;" in page
        assert "<b>" not in page
        assert "<i>" not in page


async def test_what_turns_the_direction_of_a_page_is_written_out(engine, garden):
    values = {"id": garden.plants["public"], "name": "<Mon\u202eyt\x1b", "remark": "one\r\n\ttwo\u2066"}
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE plants SET name = :name, remark = :remark WHERE id = :id"), values
        )
    async with client_of(engine) as client:
        page, status = [(await client.get(path)).text for path in (f"/plants/{garden.plants['public']}", "/")]
    assert "&lt;Mon\\u202eyt\\x1b" in page
    assert "one\n\ttwo\\u2066" in page
    assert "&lt;Mon\\u202eyt\\x1b" in status
    assert not set("\u202e\u2066\x1b") & set(page + status)
