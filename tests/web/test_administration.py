"""Pages for administrators: who sees them, the parts, jobs, health, and the log."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from web_helpers import add_to_ledger, app_of, client_of, client_to, ledger_connection, log_in, make_user

from hortus.base.supervision import Supervisor, TaskReport
from hortus.domain.administration.log import KEPT_DEEDS, Deed, list_deeds, note_deed
from waiting import PATIENCE_SECONDS

PAGES = (
    "/admin",
    "/admin/backups",
    "/admin/definitions",
    "/admin/devices",
    "/admin/health",
    "/admin/jobs",
    "/admin/log",
    "/admin/people",
    "/admin/set-aside",
    "/admin/storage",
)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Allow for a slow machine, on which the database may take longer than a page waits for it."""
    monkeypatch.setattr("hortus.http.monitoring.backlog._ANSWER_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
async def root(engine):
    async with engine.begin() as connection:
        return await make_user(connection, "root", is_admin=True)


@pytest.fixture
async def client(engine, root):
    async with client_of(engine) as client:
        await log_in(client, "root")
        yield client


@pytest.mark.parametrize("path", PAGES)
async def test_an_administrator_sees_the_page(client, path):
    answer = await client.get(path)
    assert answer.status_code == 200
    assert "<h1" in answer.text


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("name", [None, "bob"])
async def test_for_others_it_looks_like_what_does_not_exist(engine, root, path, name):
    async with engine.begin() as connection:
        await make_user(connection, "bob")
    async with client_of(engine) as client:
        if name:
            await log_in(client, name)
        unknown = f"/nowhere{path}"
        for method in ("GET", "POST"):
            answer, nothing = [await client.request(method, each) for each in (path, unknown)]
            # A page that can only be read says so, as any other.
            if answer.status_code != 405:
                assert (answer.status_code, answer.text) == (404, nothing.text.replace(unknown, path))


async def part(client, key: str, path: str = "/admin") -> str:
    """Return the row of a part."""
    page = (await client.get(path)).text
    return page.partition(f'data-part="{key}"')[2].partition("</tr>")[0]


async def test_the_overview_says_how_each_part_is(client):
    page = (await client.get("/admin")).text
    keys = ("ingest", "jobs", "tasks", "database", "storage", "backups", "gateways", "boards", "set-aside")
    assert [key for key in keys if f'data-part="{key}"' not in page] == []
    assert "Hortus makes no backups yet" in page
    assert "1 of 12 parts needs you" in page
    assert "No mail server is set up" in page


async def test_the_overview_counts_what_arrived(client, database_url):
    async with ledger_connection(database_url) as connection:
        await add_to_ledger(connection, 0, stored=6000, hours_ago=1)
    assert "messages a minute" in await part(client, "ingest")


async def test_a_process_that_no_longer_listens_is_named(client, engine):
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO presence_listening (id, listening_since, listening_until) "
                "VALUES (1, now() - interval '1 day', now() - interval '20 minutes')"
            )
        )
    row = await part(client, "ingest")
    assert "No process has listened to kits" in row
    assert "20 min ago" in row
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM presence_listening"))


async def test_a_task_that_does_not_work_is_named(engine, root):
    broken = TaskReport(
        name="live-feed",
        last_success_age_seconds=3600,
        restarts=7,
        failure="It is gone.",
        fault="Has not worked for 3600 s.",
        serves_requests=True,
    )
    supervisor = Supervisor()
    supervisor.look = lambda: [broken]
    async with client_of(engine, supervisor=supervisor) as client:
        await log_in(client, "root")
        row = await part(client, "tasks")
        assert "The task live-feed does not do its work." in row
        assert "60 min ago" in row or "1 h" in row
        health = (await client.get("/admin/health")).text
        assert "Has not worked for 3600 s." in health


async def test_health_shows_the_last_day_by_hour(client, database_url):
    async with ledger_connection(database_url) as connection:
        await add_to_ledger(connection, 0, stored=7, hours_ago=1)
        await add_to_ledger(connection, 0, stored=5, quarantined=2, hours_ago=23)
        await add_to_ledger(connection, 0, stored=1000, hours_ago=25)
    page = (await client.get("/admin/health")).text
    row = page.partition('data-course="stored"')[2].partition("</tr>")[0]
    assert ">12<" in row
    assert ">7<" in row
    assert "<polyline" in row


async def test_the_database_that_does_not_answer_is_a_part_like_others(engine, root, monkeypatch):
    """Only the session needs it, so this is about a database that fails in between."""
    from hortus.http.pages.admin import overview
    from hortus.http.server.database_access import DatabaseNotAnswering

    async def failing(connection):
        raise DatabaseNotAnswering

    monkeypatch.setattr(overview, "read_figures", failing)
    async with client_to(app_of(engine)) as client:
        await log_in(client, "root")
        assert "The database does not answer." in await part(client, "database")


async def test_the_log_shows_who_did_what_and_pages(client, engine):
    async with engine.begin() as connection:
        for number in range(51):
            await note_deed(connection, "root", Deed.KIT_MADE, f"k-{number}")
        await note_deed(connection, "root", Deed.PICTURES_THINNED, "30 days", 1234)
    page = (await client.get("/admin/log")).text
    assert "Made a kit for the serial k-50." in page
    assert "Deleted 1,234 old pictures: 30 days." in page
    assert "k-1." not in page
    earlier = page.partition('href="/admin/log?before=')[2].partition('"')[0]
    older = (await client.get(f"/admin/log?before={earlier}")).text
    assert "k-1." in older
    assert "k-50." not in older


async def test_the_log_keeps_a_bounded_number(engine):
    async with engine.begin() as connection:
        await note_deed(connection, "root", Deed.KIT_MADE, "first")
        await connection.execute(
            text(
                "SELECT setval(seq, currval(seq) + :kept) "
                "FROM CAST('administration_log_id_seq' AS regclass) AS seq"
            ),
            {"kept": KEPT_DEEDS},
        )
        await note_deed(connection, "root", Deed.KIT_MADE, "x" * 1000)
        deeds = await list_deeds(connection, before_id=None, most=10)
    assert [deed.subject for deed in deeds] == ["x" * 255]
