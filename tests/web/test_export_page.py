"""The export of a kit: its form, how large it is, the file, and what happens when all places are taken."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import text
from web_helpers import (
    SECRET_KEY,
    add_readings,
    app_of,
    client_of,
    client_to,
    log_in,
    make_kit,
    make_member,
    make_user,
)

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.domain.series.rollups import roll_up
from hortus.http.access.slots import ExportLimits
from hortus.http.app import WebDependencies, create_app
from web_services import services_on


@pytest.fixture
async def kit(engine, database_url):
    """A private kit with 50 readings, its member ada, and bob, who is none."""
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        await make_member(connection, await make_user(connection, "ada"), kit)
        await make_user(connection, "bob")
    now = datetime.now(UTC)
    await add_readings(database_url, kit, [(now - timedelta(minutes=10 * back), 21.5) for back in range(50)])
    connection = await connector(DatabaseUrl.parse(database_url), "test")()
    try:
        await connection.execute(
            "INSERT INTO series_touched_hours (kit_id, hour)"
            " SELECT DISTINCT kit_id, date_bin('1 hour', datetime, 'epoch') FROM raw_measurements"
        )
        await roll_up(connection, now + timedelta(hours=1))
    finally:
        await connection.close()
    return kit


@pytest.fixture
async def ada(engine, kit):
    async with client_of(engine) as client:
        await log_in(client, "ada")
        yield client


def path(kit, suffix=""):
    return f"/kits/{kit.serial}/export{suffix}"


def told(page):
    """Return the rows and bytes of the estimate."""
    found = re.search(r'data-rows="(\d+)" data-bytes="(\d+)"', page)
    return (int(found[1]), int(found[2])) if found else None


def download_of(page):
    (address,) = re.findall(r'href="([^"]+/export/download\?[^"]*)"', page)
    return unescape(address)


async def test_the_form_tells_the_size_and_links_to_the_file(kit, ada):
    page = (await ada.get(path(kit))).text
    rows, size = told(page)
    assert rows == pytest.approx(50, abs=1)
    assert re.search(rf"About {rows} rows, \d+ kB", page)
    answer = await ada.get(download_of(page))
    assert (answer.status_code, answer.headers["content-type"]) == (
        200, "text/csv; charset=utf-8; header=present",
    )  # fmt: skip
    assert len(list(csv.DictReader(io.StringIO(answer.text)))) == 50
    assert size == pytest.approx(len(answer.content), rel=0.1)
    assert "curl -OJ" in page
    assert f"/api/kits/{kit.serial}/export?format=csv" in unescape(page)


@pytest.mark.parametrize(
    ("query", "begins"),
    [
        ("format=ndjson", b'{"datetime":'),
        ("format=sheet", b"\xef\xbb\xbfdatetime;"),
        ("what=aggregate", b"datetimeStart"),
        ("format=parquet&r=all", b"PAR1"),
        ("what=archive", b"PK"),
    ],
)
async def test_every_answer_leads_to_its_file(kit, ada, query, begins):
    page = (await ada.get(path(kit, f"?{query}"))).text
    answer = await ada.get(download_of(page))
    assert (answer.status_code, answer.content[: len(begins)]) == (200, begins)
    assert answer.headers["content-disposition"].startswith(f"attachment; filename={kit.serial}_")


async def test_the_archive_is_whole_and_may_be_asked_for_again(kit, ada):
    page = (await ada.get(path(kit, "?what=archive"))).text
    assert "curl" not in page
    for _ in range(2):
        content = (await ada.get(download_of(page))).content
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            assert archive.read("raw_measurements.csv").count(b"\n") == 51


async def test_a_range_is_that_of_the_kits_clock(kit, ada):
    now = datetime.now(UTC)
    ends = {"r": "fixed", "from": f"{now - timedelta(hours=3):%Y-%m-%dT%H:%M}", "to": f"{now:%Y-%m-%dT%H:%M}"}
    page = (await ada.get(path(kit), params=ends)).text
    rows = (await ada.get(download_of(page))).text.count("\n") - 1
    assert rows in {17, 18, 19}
    assert told(page)[0] == pytest.approx(rows, abs=3)


async def test_what_makes_no_sense_is_said_at_its_field(kit, ada):
    query = "?what=secrets&r=2h&from=noon&format=xlsx"
    page = await ada.get(path(kit, query))
    assert page.status_code == 422
    for field in ("what", "r", "from", "format"):
        assert f'href="#{field}"' in page.text
    assert "data-takes-focus" in page.text
    assert (await ada.get(path(kit, f"/download{query}"))).status_code == 400
    backwards = {"r": "fixed", "from": "2026-11-02T00:00", "to": "2026-11-01T00:00"}
    page = await ada.get(path(kit), params=backwards)
    assert (page.status_code, "The range ends before it begins." in page.text) == (422, True)


async def test_an_empty_range_says_so(kit, ada):
    query = {"r": "fixed", "from": "2020-01-01T00:00", "to": "2020-01-02T00:00"}
    assert "There is nothing in this range." in (await ada.get(path(kit), params=query)).text


async def test_those_who_may_not_see_the_kit_get_nothing(engine, kit):
    for suffix in ("", "/download"):
        async with client_of(engine) as client:
            assert (await client.get(path(kit, suffix))).status_code == 303
            await log_in(client, "bob")
            assert (await client.get(path(kit, suffix))).status_code == 404


async def test_when_all_places_are_taken_a_page_says_when_to_try_again(engine, kit):
    services = services_on(engine, exports=ExportLimits(at_once=2, per_person=1))
    app = create_app(WebDependencies(services=services, secret_key=SECRET_KEY))
    async with client_to(app) as client:
        await log_in(client, "ada")
        page = (await client.get(path(kit))).text
        address = download_of(page)
        with services.exports.taken(-1, ""), services.exports.taken(-2, ""):
            full = await client.get(address)
        assert (full.status_code, full.headers["retry-after"]) == (503, "15")
        assert "All places for downloads are taken: 2 can run at once." in full.text
        assert "Try again in 15 s." in full.text
        assert unescape(full.text).count(address) == 1
        async with engine.connect() as connection:
            ada = await connection.scalar(text("SELECT id FROM users WHERE username = 'ada'"))
        with services.exports.taken(ada, ""):
            own = await client.get(address)
        assert own.status_code == 429
        assert "1 download of yours is running." in own.text
        assert (await client.get(address)).status_code == 200


async def test_a_public_kit_is_exported_by_anybody(engine, kit):
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE kits SET privacy_public_dashboard = true"))
    async with client_to(app_of(engine)) as client:
        assert (await client.get(download_of((await client.get(path(kit))).text))).status_code == 200
