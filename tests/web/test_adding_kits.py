"""The pages that add kits, boards and virtual kits, step by step."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text
from web_helpers import client_of, log_in, make_user

from hortus.base.quotas import Quotas
from hortus.http.access.doors import Door, Doors

DOORS = Doors(kits=Door(host="0.0.0.0", port=1884), boards=Door(host="127.0.0.1", port=8091), is_built_in=True)
_PASSWORD = re.compile(r"<div data-secret>.*?<code>([^<]+)</code>", re.DOTALL)


def doors():
    return DOORS


@pytest.fixture
async def ada(engine):
    async with engine.begin() as connection:
        await make_user(connection, "ada")
    async with client_of(engine, doors=doors) as client:
        await log_in(client, "ada")
        yield client


@pytest.fixture
async def root(engine):
    async with engine.begin() as connection:
        await make_user(connection, "root", is_admin=True)
        await connection.execute(text("DELETE FROM waiting_boards"))
    async with client_of(engine, doors=doors) as client:
        await log_in(client, "root")
        yield client


async def begin(client, kind="kit", **fields):
    """Choose a kind, and return the fields that the form of the next step has."""
    answer = await client.post("/kits/new", data={"kind": kind, **fields})
    assert answer.status_code == 303
    address = answer.headers["location"]
    assert (await client.get(address)).status_code == 200
    hidden = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    return {**hidden, "name": "Basil", "preset": "standard"}


async def created(client, **fields):
    """Create a kit, and return the address that follows."""
    answer = await client.post("/kits/new/details", data=await begin(client) | fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def count_of_kits(engine):
    async with engine.connect() as connection:
        return await connection.scalar(text("SELECT count(*) FROM kits"))


async def test_strangers_are_sent_to_the_log_in(engine):
    async with client_of(engine) as client:
        answer = await client.get("/kits/new")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/kits/new")


async def test_home_and_go_to_lead_to_the_first_step(ada):
    assert '<a class="button primary" href="/kits/new">Add a kit</a>' in (await ada.get("/")).text
    assert 'href="/kits/new"' in (await ada.get("/search")).text


async def test_a_kit_is_created_with_its_details_and_a_configuration(ada, engine):
    await created(
        ada,
        name=" Basil by the window ",
        time_zone="Europe/Amsterdam",
        latitude="52,37",
        longitude="4.9",
        public="yes",
    )
    async with engine.connect() as connection:
        [kit] = (
            await connection.execute(
                text(
                    "SELECT name, time_zone, latitude, longitude, privacy_public_dashboard, "
                    "privacy_show_on_map, c.description, access_super FROM kits k "
                    "JOIN kit_configurations c ON c.kit_id = k.id AND c.active "
                    "JOIN kit_memberships m ON m.kit_id = k.id"
                )
            )
        ).all()
    assert kit[:2] == ("Basil by the window", "Europe/Amsterdam")
    assert (float(kit.latitude), float(kit.longitude)) == (52.37, 4.9)
    assert kit[4:] == (True, False, "Standard virtual sensors", True)


async def test_a_kit_may_begin_without_a_configuration(ada, engine):
    await created(ada, preset="none")
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM kit_configurations")) == 0


async def test_the_password_is_shown_once_and_is_the_kits(ada):
    address = await created(ada)
    assert (await ada.head(address)).status_code == 200  # does not use it up
    page = await ada.get(address)
    [password] = _PASSWORD.findall(page.text)
    serial = address.split("/")[3]
    for part in ("hortus.test", "1884", serial, "I have stored the password"):
        assert part in page.text
    assert 'class="qr"' in page.text
    assert page.headers["cache-control"] == "no-store"
    again = await ada.get(address)
    assert again.status_code == 200
    assert _PASSWORD.findall(again.text) == []
    assert "It was shown once, when the kit was created." in again.text
    file = await ada.post(f"/kits/new/{serial}/file", data={"password": password.replace("&amp;", "&")})
    assert file.headers["content-disposition"] == 'attachment; filename="kit_config.toml"'
    assert f'serial = "{serial}"\n' in file.text
    assert "port = 1884\n" in file.text


async def test_the_ticks_wait_for_the_log_in_where_it_is_seen_and_else_say_that_it_is_not(ada, engine):
    serial = (await created(ada)).split("/")[3]
    address = f"/kits/new/{serial}/first-reading"
    assert 'data-step="logged-in" data-state="next"' in (await ada.get(address)).text
    async with client_of(engine) as client:
        await log_in(client, "ada")
        page = (await client.get(address)).text
    assert 'data-step="logged-in" data-state="unseen"' in page
    assert 'data-step="fetched" data-state="next"' in page


async def test_what_is_shown_once_is_not_stored_in_plain_text(ada, engine):
    address = await created(ada)
    async with engine.connect() as connection:
        content = await connection.scalar(text("SELECT content FROM shown_once"))
    [password] = _PASSWORD.findall((await ada.get(address)).text)
    assert password.encode() not in content
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM shown_once")) == 0


async def test_nobody_else_is_shown_the_password(ada, engine):
    address = await created(ada, public="yes")
    async with engine.begin() as connection:
        await make_user(connection, "root", is_admin=True)
        await make_user(connection, "eve")
    async with client_of(engine, doors=doors) as client:
        await log_in(client, "eve")
        assert (await client.get(address)).status_code == 403
        await log_in(client, "root")
        assert _PASSWORD.findall((await client.get(address)).text) == []
    assert _PASSWORD.findall((await ada.get(address)).text)


async def test_a_form_that_is_sent_twice_creates_one_kit(ada, engine):
    fields = await begin(ada)
    first = await ada.post("/kits/new/details", data=fields)
    again = await ada.post("/kits/new/details", data=fields | {"name": "Basil, moved"})
    serial = first.headers["location"].split("/")[3]
    assert again.headers["location"] == f"/kits/new/{serial}/connect?said=created"
    assert await count_of_kits(engine) == 1
    back = await ada.get("/kits/new/details", params={"kind": "kit", "form": fields["form"]})
    assert 'value="Basil, moved"' in back.text


async def test_a_form_of_somebody_else_creates_a_kit_of_ones_own(ada, root, engine):
    fields = await begin(ada)
    await ada.post("/kits/new/details", data=fields)
    await root.post("/kits/new/details", data=fields)
    assert await count_of_kits(engine) == 2


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "", "Name: from 1 to 40 characters."),
        ("name", "x" * 41, "Name: from 1 to 40 characters."),
        ("name", "a\u202eb", "Name: one line of characters that can be seen."),
        ("time_zone", "Europe/Atlantis", "Time zone: choose one from the list"),
        ("latitude", "91", "Latitude: a number from −90 to 90."),
        ("latitude", "NaN", "Latitude: a number from −90 to 90."),
        ("longitude", "east", "Longitude: a number from −180 to 180."),
        ("latitude", "1", "Place: enter both numbers, or none."),
    ],
)
async def test_what_is_wrong_is_said_at_its_field(ada, engine, field, value, says):
    answer = await ada.post("/kits/new/details", data=await begin(ada) | {"name": "Basil", field: value})
    assert answer.status_code == 422
    assert says in answer.text
    assert 'class="errors"' in answer.text
    assert await count_of_kits(engine) == 0


async def test_the_quota_is_that_of_the_api(engine):
    async with engine.begin() as connection:
        await make_user(connection, "ada")
    async with client_of(engine, quotas=Quotas(kits_per_person=1)) as client:
        await log_in(client, "ada")
        await created(client)
        refused = await client.post("/kits/new/details", data=await begin(client))
    assert refused.status_code == 422
    assert "You manage as many kits as one person may." in refused.text


async def test_forms_of_other_sites_create_nothing(ada, engine):
    fields = await begin(ada)
    answer = await ada.post("/kits/new/details", data=fields, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, await count_of_kits(engine)) == (403, 0)


@pytest.mark.parametrize("query", ["", "?kind=kit", "?kind=goat&form=6d0b5f8e-7f0e-4b0a-8f7f-0d9a2f5a7f11"])
async def test_a_step_without_its_beginning_does_not_exist(ada, query):
    assert (await ada.get(f"/kits/new/details{query}")).status_code == 404


async def test_a_virtual_kit_has_devices_and_needs_no_password(ada, engine):
    answer = await ada.post("/kits/new/details", data=await begin(ada, "virtual"))
    assert answer.headers["location"].endswith("/first-reading")
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM virtual_kits")) == 1
        assert await connection.scalar(text("SELECT count(*) FROM peripherals")) == 7


async def test_there_are_only_so_many_virtual_kits(ada, engine):
    for _ in range(20):
        await ada.post("/kits/new/details", data=await begin(ada, "virtual"))
    refused = await ada.post("/kits/new/details", data=await begin(ada, "virtual"))
    assert refused.status_code == 422
    assert "There are 20 virtual kits already." in refused.text


async def test_without_an_endpoint_virtual_kits_are_not_offered_and_it_says_why(engine):
    async with engine.begin() as connection:
        await make_user(connection, "ada")
    async with client_of(engine) as client:
        await log_in(client, "ada")
        page = (await client.get("/kits/new")).text
        assert "Virtual kits run only where kits connect to Hortus itself." in page
        assert "Add a virtual kit" not in page
        refused = await client.post("/kits/new/details", data=await begin(client, "virtual"))
        assert refused.status_code == 409


async def test_a_new_board_is_told_its_number(ada):
    answer = await ada.post("/kits/new/details", data=await begin(ada, "board"))
    page = await ada.get(answer.headers["location"])
    number = answer.headers["location"].split("/")[3].removeprefix("pk-")
    assert f'<code data-entry="number">{number}</code>' in page.text
    assert "8091" in page.text
    assert "Password" not in page.text


async def waiting_board(engine, sensor_id=42, kept=118):
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO gateways (name) VALUES ('local') ON CONFLICT DO NOTHING"))
        await connection.execute(
            text(
                "INSERT INTO waiting_boards (gateway_id, sensor_id, first_contact_at, last_contact_at, "
                "last_address, kept) SELECT id, :sensor_id, now() - interval '2 h', now(), '10.0.0.3', :kept "
                "FROM gateways WHERE name = 'local'"
            ),
            {"sensor_id": sensor_id, "kept": kept},
        )


async def test_boards_that_knocked_are_offered_first_to_administrators(root, engine):
    await waiting_board(engine)
    page = (await root.get("/kits/new")).text
    assert "Board <strong>42</strong> has sent 118 readings since" in page
    assert page.index("These boards send already") < page.index("AstroPlant kit")
    fields = await begin(root, "board", sensor="42", gateway="local")
    assert (fields["sensor"], fields["gateway"]) == ("42", "local")
    made = await root.post("/kits/new/details", data=fields | {"name": "Fern"})
    assert made.headers["location"] == "/kits/new/pk-42/first-reading"


async def test_a_board_that_knocked_can_be_forgotten(root, engine):
    await waiting_board(engine, 43)
    forgotten = await root.post("/kits/new/boards/43/forget")
    assert forgotten.headers["location"] == "/kits/new?said=forgotten"
    assert "43" not in re.findall(r"data-board=\"(\d+)\"", (await root.get("/kits/new")).text)
    assert (await root.post("/kits/new/boards/43/forget")).status_code == 404


async def test_others_neither_see_nor_take_boards_that_knocked(ada, engine):
    await waiting_board(engine, 44)
    page = (await ada.get("/kits/new")).text
    assert "These boards send already" not in page
    assert "An administrator can give it a name." in page
    taken = await ada.post("/kits/new/details", data=await begin(ada, "board", sensor="44", gateway="local"))
    assert taken.status_code == 403
    assert (await ada.post("/kits/new/boards/44/forget")).status_code == 403
