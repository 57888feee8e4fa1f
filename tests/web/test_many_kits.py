"""Many kits at once: all or none, and a sheet of labels that is shown once."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text
from web_helpers import client_of, log_in, make_user

from hortus.base.quotas import Quotas
from hortus.http.access.doors import Door, Doors

_FORM = re.compile(r'name="form" value="([^"]+)"')
_LABEL = re.compile(r'class="label-name"><bdi>([^<]+)</bdi>')


@pytest.fixture
async def ada(engine):
    async with engine.begin() as connection:
        await make_user(connection, "ada")
    doors = Doors(kits=Door(host="10.0.0.1", port=1884), is_built_in=True)
    async with client_of(engine, doors=lambda: doors, quotas=Quotas(kits_per_person=5)) as client:
        await log_in(client, "ada")
        yield client


async def fields(client, names):
    [form] = _FORM.findall((await client.get("/kits/new/many")).text)
    return {"form": form, "names": names, "preset": "standard", "time_zone": "Europe/Amsterdam"}


async def kits(engine):
    async with engine.connect() as connection:
        return (await connection.scalars(text("SELECT name FROM kits ORDER BY id"))).all()


@pytest.mark.parametrize(
    "names", ["Basil\r\n\r\n Fern \r\n", "Basil,north\r\nFern,south", "Basil;1\r\nFern;2", '"Basil"\r\n"Fern"']
)
async def test_a_list_or_the_first_column_of_a_csv_file_gives_the_names(ada, engine, names):
    made = await ada.post("/kits/new/many", data=await fields(ada, names))
    sheet = await ada.get(made.headers["location"])
    assert _LABEL.findall(sheet.text) == await kits(engine) == ["Basil", "Fern"]
    assert sheet.text.count('class="qr"') == 2
    assert "2 kits created" in sheet.text
    again = (await ada.get(made.headers["location"])).text
    assert _LABEL.findall(again) == []
    assert "These labels were shown already" in again


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("", "Names: enter at least one."),
        ("Basil\n" + "x" * 41, "Names: number 2,"),
        ("\n".join(f"Kit {number}" for number in range(101)), "Names: at most 100 at once; these are 101."),
        ("\n".join(f"Kit {number}" for number in range(6)), "You manage as many kits as one person may."),
    ],
)
async def test_all_are_created_or_none(ada, engine, names, says):
    refused = await ada.post("/kits/new/many", data=await fields(ada, names))
    assert refused.status_code == 422
    assert says in refused.text
    assert await kits(engine) == []


async def test_a_form_that_is_sent_twice_creates_its_kits_once(ada, engine):
    sent = await fields(ada, "Basil\nFern")
    await ada.post("/kits/new/many", data=sent)
    again = await ada.post("/kits/new/many", data=sent)
    assert again.headers["location"] == "/kits/new/many/labels"
    assert await kits(engine) == ["Basil", "Fern"]


async def test_nobody_else_gets_the_labels(ada, engine):
    made = await ada.post("/kits/new/many", data=await fields(ada, "Basil"))
    async with engine.begin() as connection:
        await make_user(connection, "eve")
    async with client_of(engine) as eve:
        await log_in(eve, "eve")
        assert _LABEL.findall((await eve.get(made.headers["location"])).text) == []
    assert _LABEL.findall((await ada.get(made.headers["location"])).text) == ["Basil"]
