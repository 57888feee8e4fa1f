"""One's account on the pages: profile, password, how pages look, one's data, the end of the account."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from importlib import resources

import pytest
from chart_helpers import make_chart_kit, measure, series_id
from sqlalchemy import text
from web_helpers import PASSWORD, add_readings, app_of, client_to, log_in, make_kit, make_user

from hortus.base.language.appearance import TemperatureUnit
from hortus.domain.definitions.units import CONVERSIONS

LOOK = {
    "language": "",
    "time_zone": "",
    "temperature_unit": "celsius",
    "clock": "24h",
    "theme": "system",
    "shortcuts": "yes",
}


@pytest.fixture
async def app(engine):
    async with engine.begin() as connection:
        await make_user(connection, "root", is_admin=True)
        await make_user(connection, "ada")
        await make_user(connection, "bob")
    return app_of(engine)


@pytest.fixture
async def ada(app):
    async with client_to(app) as client:
        await log_in(client, "ada")
        yield client


async def test_a_stranger_is_sent_to_the_log_in(app):
    async with client_to(app) as client:
        assert (await client.get("/account")).headers["location"] == "/login?next=/account"
        assert (await client.post("/account/delete", data={"username": "ada"})).status_code == 303


async def test_name_and_address_are_changed_and_faults_stand_at_their_fields(ada):
    changed = await ada.post(
        "/account/profile", data={"display_name": "Ada L.", "email_address": "new@example.org"}
    )
    assert (changed.status_code, changed.headers["location"]) == (303, "/account")
    page = (await ada.get("/account")).text
    assert ('value="Ada L."' in page, 'value="new@example.org"' in page) == (True, True)
    refused = await ada.post("/account/profile", data={"display_name": "", "email_address": "bob@example.org"})
    assert (refused.status_code, "1 to 40 characters" in refused.text) == (422, True)
    taken = await ada.post("/account/profile", data={"display_name": "A", "email_address": "bob@example.org"})
    assert (taken.status_code, "belongs to another account" in taken.text) == (422, True)


async def test_a_new_password_needs_the_present_one_and_ends_other_log_ins(app, ada):
    form = {"current_password": PASSWORD, "new_password": "lemon balm and thyme"}
    wrong = await ada.post("/account/password", data=form | {"current_password": "guessed"})
    assert (wrong.status_code, "This is not your present password." in wrong.text) == (422, True)
    short = await ada.post("/account/password", data=form | {"new_password": "short"})
    assert (short.status_code, 'href="#new_password"' in short.text) == (422, True)
    async with client_to(app) as other:
        await log_in(other, "ada")
        changed = await ada.post("/account/password", data=form)
        assert changed.headers["location"] == "/account?said=password"
        assert "logged out everywhere else" in (await ada.get("/account?said=password")).text
        assert (await other.get("/account")).status_code == 303
        assert (await log_in(other, "ada", "lemon balm and thyme")).status_code == 303


async def test_pages_look_as_chosen(engine, database_url, ada):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil", public=True)
    await add_readings(database_url, kit, [(datetime.now(UTC) - timedelta(seconds=5), 20.0)])
    before = (await ada.get("/")).text
    assert ("20.0" in before, "°F" in before) == (True, False)
    chosen = LOOK | {
        "language": "de",
        "temperature_unit": "fahrenheit",
        "theme": "dark",
        "clock": "12h",
        "shortcuts": "",
    }
    assert (await ada.post("/account/appearance", data=chosen)).status_code == 303
    after = (await ada.get("/", headers={"Accept-Language": "nl"})).text
    assert '<html lang="de" dir="ltr" data-theme="dark" data-clock="12h" data-no-shortcuts>' in after
    # German writes a comma.
    assert ("68,0" in after, "°F" in after, "20,0" in after) == (True, True, False)


async def test_times_are_those_of_the_persons_zone_and_clock(engine, ada):
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE refresh_tokens SET created_at = '2026-01-02T18:04:05Z', last_used_at = now()")
        )
    chosen = LOOK | {"time_zone": "Asia/Kolkata", "clock": "12h"}
    await ada.post("/account/appearance", data=chosen)
    page = (await ada.get("/account/sessions")).text
    assert "11:34:05 pm (Asia/Kolkata)" in page


@pytest.mark.parametrize(
    ("field", "value"),
    [("time_zone", "Mars/Olympus"), ("language", "tlh"), ("clock", "13h"), ("theme", ""), ("theme", "pink")],
)
async def test_what_cannot_be_chosen_is_refused_at_its_field(ada, field, value):
    refused = await ada.post("/account/appearance", data=LOOK | {field: value})
    assert (refused.status_code, f'href="#{field}"' in refused.text) == (422, True)


def test_temperatures_convert_by_the_table_that_scripts_get():
    celsius = CONVERSIONS[TemperatureUnit.FAHRENHEIT]["°C"]
    assert [round(celsius.of(value), 6) for value in (-40, 0, 37, 100)] == [-40, 32, 98.6, 212]


async def test_charts_and_their_points_are_in_the_chosen_unit(engine, database_url, ada):
    kit = await make_chart_kit(engine, "Air")
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    await measure(database_url, kit, [(now - timedelta(minutes=5), 20.0)])
    series = await series_id(engine, kit, "Air")
    await ada.post("/account/appearance", data=LOOK | {"temperature_unit": "fahrenheit"})
    page = (await ada.get(f"/kits/{kit.serial}/charts")).text
    assert ('data-unit="°F"' in page, "&#34;factor&#34;:1.8" in page) == (True, True)
    since = f"{now - timedelta(hours=1):%Y-%m-%dT%H:%MZ}"
    query = {"series": series, "from": since, "to": f"{now:%Y-%m-%dT%H:%MZ}"}
    points = (await ada.get(f"/kits/{kit.serial}/points.json", params=query)).json()
    assert [(each["unit"], each["mean"]) for each in points["series"]] == [("°F", [68.0])]


async def test_ones_own_data_is_one_file_without_secrets(engine, ada):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        user = await connection.scalar(text("SELECT id FROM users WHERE username = 'ada'"))
        await connection.execute(
            text(
                "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure)"
                " VALUES (:user, :kit, now(), true, true)"
            ),
            {"user": user, "kit": kit.id},
        )
        await connection.execute(
            text("INSERT INTO plants (name, owner_id) VALUES ('Basil', :user)"), {"user": user}
        )
    answer = await ada.get("/account/data")
    assert 'filename="hortus ada.json"' in answer.headers["content-disposition"]
    document = json.loads(answer.content)
    assert document["profile"]["emailAddress"] == "ada@example.org"
    assert [each["kit"]["serial"] for each in document["memberships"]] == [kit.serial]
    assert [(each["name"], each["alertSettings"]["enabled"]) for each in document["plants"]] == [
        ("Basil", True)
    ]
    assert [each["place"] for each in document["logIns"]] == ["pages"]
    assert "password" not in answer.text.lower()


async def test_an_account_is_deleted_by_its_typed_name(engine, app, ada):
    page = (await ada.get("/account/delete")).text
    assert ("What goes" in page, "What stays" in page) == (True, True)
    wrong = await ada.post("/account/delete", data={"username": "bob"})
    assert (wrong.status_code, "This is not your user name." in wrong.text) == (422, True)
    done = await ada.post("/account/delete", data={"username": "Ada"})
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert "Log out" not in (await ada.get("/")).text
    async with engine.connect() as connection:
        names = (await connection.scalars(text("SELECT username FROM users ORDER BY username"))).all()
    assert names == ["bob", "root"]


async def test_an_account_on_which_others_depend_is_not_deleted(engine, app, ada):
    async with client_to(app) as root:
        await log_in(root, "root")
        refused = await root.post("/account/delete", data={"username": "root"})
        assert (refused.status_code, "only administrator of this server" in refused.text) == (409, True)
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        for name in ("ada", "bob"):
            user = await connection.scalar(text("SELECT id FROM users WHERE username = :name"), {"name": name})
            await connection.execute(
                text(
                    "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, "
                    "access_configure) VALUES (:user, :kit, now(), :full, true)"
                ),
                {"user": user, "kit": kit.id, "full": name == "ada"},
            )
    refused = await ada.post("/account/delete", data={"username": "ada"})
    assert (refused.status_code, kit.serial in refused.text) == (409, True)


def test_both_dark_themes_are_the_same():
    source = (resources.files("hortus.http.pages") / "styles/10-tokens.css").read_text("utf-8")
    by_device, by_choice = (
        re.search(re.escape(selector) + r" \{(.*?)\}", source, re.DOTALL)[1].split()
        for selector in (':root:where(:not([data-theme="light"]))', ':root:where([data-theme="dark"])')
    )
    assert by_device == by_choice
