"""The backlog of background work: at /metrics, at /healthz, and on the status page of administrators."""

from __future__ import annotations

import uuid
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from web_helpers import client_of, log_in, make_kit, make_user

from waiting import PATIENCE_SECONDS

_HOURS = """
INSERT INTO series_touched_hours (kit_id, hour)
SELECT kit, hour FROM generate_series(1, 3) AS kit, generate_series(1, 3) AS note, (
    SELECT date_bin('1 hour', now(), 'epoch') - ago * interval '1 hour' FROM generate_series(1, 4) AS ago
    -- One that is not over, also if the next hour begins while the test runs.
    UNION ALL SELECT date_bin('1 hour', now() + interval '30 minutes', 'epoch')
) AS hours (hour)
"""
_MESSAGE = """
INSERT INTO messages (user_id, transport, kind, recipient, subject, state, failure,
                      created_at, next_attempt_at, give_up_at)
VALUES (:user, 'mail', :kind, 'ada@example.org', 'Hello', :state, :failure,
        now() - interval '1 hour', now() + :due * interval '1 s', now() + interval '1 day')
"""
_COMMAND = """
INSERT INTO kit_commands (kit_id, method, state, requested_at, give_up_at)
VALUES (:kit, 'version', :state, now() - interval '2 minutes', now() - interval '1 minute')
"""
_DELETION = """
INSERT INTO queue_media_pending_deletion
    (media_id, kit_serial, media_datetime, media_size, created_at, next_attempt_at, failure, object_deleted_at)
VALUES (gen_random_uuid(), 'k-1', now(), 1, now() - interval '3 hours', now() + :due * interval '1 s',
        :failure, CASE WHEN :done THEN now() END)
"""
_PICTURE = """
INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, received_at, datetime, name, type, metadata,
                   size, thumbnail, thumbnail_retry_at)
SELECT :id, id, kit_id, kit_configuration_id, now() - interval '20 minutes', now(), 'a.png', 'image/png',
       'null', 1, :thumbnail, now() + CAST(:retry AS int) * interval '1 s'
FROM peripherals WHERE id = :peripheral
"""


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Allow for a slow machine, on which the database may take longer than a page waits for it."""
    monkeypatch.setattr("hortus.http.monitoring.backlog._ANSWER_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
async def busy(own_engine):
    """A database in which each queue has waiting and finished work."""
    async with own_engine.begin() as connection:
        user = await make_user(connection, "root", is_admin=True)
        kit = await make_kit(connection, "Basil")
        await connection.execute(text(_HOURS))
        for kind, state, failure, due in (
            *(("test", "waiting", None, -30), ("test", "waiting", "It is full.", 600)),
            *(("test", "given-up", "It is gone.", -900), ("test", "accepted", None, -900)),
            ("alert", "given-up", "The alert was over before this message could be sent.", -900),
        ):
            values = {"user": user.id, "kind": kind, "state": state, "failure": failure, "due": due}
            await connection.execute(text(_MESSAGE), values)
        for state in ("waiting", "answered"):
            await connection.execute(text(_COMMAND), {"kit": kit.id, "state": state})
        for failure, due, done in ((None, -5, False), ("Locked.", 900, False), (None, -9000, True)):
            await connection.execute(text(_DELETION), {"failure": failure, "due": due, "done": done})
        for thumbnail, retry in ((None, None), (None, 60), ("made", None)):
            await connection.execute(
                text(_PICTURE),
                {
                    "id": uuid.uuid4(),
                    "peripheral": kit.peripherals[0].id,
                    "thumbnail": thumbnail,
                    "retry": retry,
                },
            )
    return own_engine


@pytest.fixture
def monotonic(monkeypatch):
    """The monotonic clock of the backlog, set by the test."""
    moment = [1000.0]
    # Replaces the module only there, because the event loop needs the real clock.
    monkeypatch.setattr("hortus.http.monitoring.backlog.time", SimpleNamespace(monotonic=lambda: moment[0]))
    return moment


async def figures(client):
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name.removeprefix("hortus_"), sample.labels.get("queue")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_metrics_count_the_series_that_send_what_cannot_be(busy):
    async with busy.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO series_hours "
                "(hour, sum, count, implausible, peripheral_id, quantity_type_id, sealed) "
                "SELECT date_bin('1 hour', now() - h * interval '1 hour', 'epoch'), "
                "0, 0, wrong, p.id, 1, false "
                "FROM (SELECT id FROM peripherals ORDER BY id LIMIT 2) AS p, "
                "(VALUES (1, 0), (2, 3), (3, 1), (300, 7)) AS hours (h, wrong)"
            )
        )
    async with client_of(busy) as client:
        assert (await figures(client))["implausible_series", None] == 2


async def test_metrics_tell_what_waits_what_fails_and_since_when(busy):
    async with client_of(busy) as client:
        found = await figures(client)
    assert found["backlog_known", None] == 1
    waiting = {queue: value for (name, queue), value in found.items() if name == "backlog_waiting"}
    assert waiting == {
        "rollups": 12,  # four hours of each of three kits; the current hour is not over
        "messages": 2,
        "kit-commands": 1,
        "media-deletion": 2,
        "thumbnails": 2,
    }
    failing = {queue: value for (name, queue), value in found.items() if name == "backlog_failing"}
    assert failing == {"messages": 1, "media-deletion": 1, "thumbnails": 1}
    assert found["messages_given_up", None] == 1
    assert found["backlog_oldest_seconds", "rollups"] >= 3 * 3600
    assert found["backlog_oldest_seconds", "messages"] >= 3600
    assert found["backlog_oldest_seconds", "kit-commands"] >= 120
    assert found["backlog_oldest_seconds", "media-deletion"] >= 3 * 3600
    assert found["backlog_oldest_seconds", "thumbnails"] >= 1200
    # A message to be retried later is not overdue, however old it is.
    assert 30 <= found["backlog_overdue_seconds", "messages"] < 600
    assert 60 <= found["backlog_overdue_seconds", "kit-commands"] < 600
    assert 5 <= found["backlog_overdue_seconds", "media-deletion"] < 600
    assert found["backlog_overdue_seconds", "thumbnails"] >= 1200


async def test_where_nothing_waits_all_figures_are_there_and_zero(engine):
    async with client_of(engine) as client:
        found = await figures(client)
        health = (await client.get("/healthz")).json()
    values = {
        value for (name, _), value in found.items() if name.startswith("backlog_") and "known" not in name
    }
    assert values == {0}
    assert health["parts"]["background"]["state"] == "Background work is up to date."


async def test_health_names_the_work_that_is_overdue_and_stays_healthy(busy):
    async with client_of(busy) as client:
        answer = await client.get("/healthz")
    background = answer.json()["parts"]["background"]
    assert answer.status_code == 200  # another process may be the one at fault
    assert "waiting for thumbnails" in background["state"]
    assert "Messages" not in background["state"]
    assert background["media-deletion"]["failing"] == 1


async def test_rollups_are_overdue_while_they_do_not_become_fewer(busy, monotonic):
    async with client_of(busy) as client:

        async def overdue_after(seconds):
            monotonic[0] += seconds
            return (await figures(client))["backlog_overdue_seconds", "rollups"]

        assert await overdue_after(0) == 0
        assert [await overdue_after(250) for _ in range(3)] == [250, 500, 750]
        assert (
            "Hourly figures are behind" in (await client.get("/healthz")).json()["parts"]["background"]["state"]
        )
        async with busy.begin() as connection:
            await connection.execute(text("DELETE FROM series_touched_hours WHERE kit_id = 2"))
        assert await overdue_after(20) == 0
        assert await overdue_after(20) == 20
        assert await overdue_after(3600) == 0  # nobody looked for an hour: there may have been progress
        async with busy.begin() as connection:
            await connection.execute(text("TRUNCATE series_touched_hours"))
        assert [await overdue_after(100) for _ in range(2)] == [0, 0]


async def test_a_very_long_queue_is_counted_up_to_a_bound(own_engine, monkeypatch):
    monkeypatch.setattr("hortus.http.monitoring.backlog.MOST_COUNTED", 5)
    async with own_engine.begin() as connection:
        await connection.execute(text(_HOURS))
        for _ in range(8):
            await connection.execute(text(_DELETION), {"failure": None, "due": -5, "done": False})
    async with client_of(own_engine) as client:
        found = await figures(client)
    assert found["backlog_waiting", "rollups"] == 5
    assert found["backlog_waiting", "media-deletion"] == 5


async def test_a_database_that_does_not_tell_leaves_all_other_figures(own_engine, monkeypatch):
    monkeypatch.setattr("hortus.http.monitoring.backlog._ANSWER_SECONDS", 0.1)
    async with own_engine.begin() as connection:
        await connection.execute(text("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE"))
        async with client_of(own_engine) as client:
            found = await figures(client)
            background = (await client.get("/healthz")).json()["parts"]["background"]
    assert found["backlog_known", None] == 0
    assert ("build_info", None) in found
    assert not [name for name, _ in found if name == "backlog_waiting"]
    assert background == {"state": "The state of background work cannot be read from the database."}


@pytest.mark.parametrize(("who", "told"), [("root", True), ("ada", False)])
async def test_the_status_page_tells_administrators_what_is_overdue(busy, who, told):
    async with busy.begin() as connection:
        await make_user(connection, "ada")
    async with client_of(busy) as client:
        await log_in(client, who)
        page = (await client.get("/")).text
    assert ("Pictures are waiting for thumbnails." in page) is told
