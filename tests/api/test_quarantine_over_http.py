"""Quarantined messages, inspected and handled over the API."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from api_client import Installation, Person, assert_problem

from hortus.protocol.reasons import Reason
from ingest_world import World, now_ms
from waiting import PATIENCE_SECONDS

HOUR_SECONDS = 3600


@pytest.fixture
async def api(world: World, serve_at: Any) -> AsyncIterator[Installation]:
    """An API on the database that the pipeline writes to."""
    async with serve_at(world.url) as installation:
        yield installation


@pytest.fixture
async def gardener(api: Installation, world: World) -> Person:
    return await api.member(world.kit, access_configure=True)


def path(world: World, *parts: object) -> str:
    return "/".join(["", "kits", world.kit.serial, "quarantine", *map(str, parts)])


async def set_aside(world: World) -> list[bytes]:
    """Quarantine three messages of the kit and one of another kit; return those of the kit."""
    future = world.raw(datetime_ms=now_ms() + HOUR_SECONDS * 1000, value=21.5)
    await world.send(b"<script>alert(1)</script>")
    await world.send(future)
    await world.send(world.raw(peripheral=4321))
    other = world.kits[1][0].serial
    await world.send(b"", serial=other)
    return [b"<script>alert(1)</script>", future]


async def listed(api: Installation, world: World, person: Person, **query: str) -> list[dict[str, Any]]:
    answer = await api.client.get(path(world), params=query, headers=person.headers)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()
    return rows


async def test_what_was_set_aside_is_listed_with_its_reason(
    api: Installation, world: World, gardener: Person
) -> None:
    await set_aside(world)
    rows = await listed(api, world, gardener)
    assert [row["reason"] for row in rows] == ["unknown-peripheral", "time-in-future", "undecodable"]
    assert rows[2] == {
        "id": rows[2]["id"],
        "receivedAt": rows[2]["receivedAt"],
        "stream": "raw",
        "reason": "undecodable",
        "explanation": Reason.UNDECODABLE.explanation,
        "detail": rows[2]["detail"],
        "topic": world.topic(),
        "size": 25,
    }
    assert "1 hour ahead" in rows[1]["detail"] or "minutes ahead" in rows[1]["detail"]
    assert await listed(api, world, gardener, reason="time-in-future") == [rows[1]]
    wrong = await api.client.get(path(world), params={"reason": "bad-luck"}, headers=gardener.headers)
    assert_problem(wrong, 400)


async def test_long_lists_come_in_pages(api: Installation, world: World, gardener: Person) -> None:
    for _ in range(60):
        world.offer(b"")
    await world.settled()
    first = await api.client.get(path(world), params={"reason": "empty-payload"}, headers=gardener.headers)
    link = re.fullmatch(r'<([^>]+)>; rel="next"', first.headers["link"])
    assert link is not None
    assert link[1].endswith("&reason=empty-payload")
    second = await api.client.get(link[1], headers=gardener.headers)
    assert "link" not in second.headers
    ids = [row["id"] for row in first.json() + second.json()]
    assert (len(first.json()), len(ids)) == (50, 60)
    assert ids == sorted(set(ids), reverse=True)


async def test_a_message_is_shown_with_its_bytes_and_what_they_say(
    api: Installation, world: World, gardener: Person
) -> None:
    rubbish, future = await set_aside(world)
    rows = await listed(api, world, gardener)
    shown = (await api.client.get(path(world, rows[1]["id"]), headers=gardener.headers)).json()
    assert base64.b64decode(shown.pop("payload")) == future
    decoded = shown.pop("decoded")
    assert (decoded["peripheral"], decoded["quantityType"], decoded["value"]) == (world.peripheral, 1, 21.5)
    assert shown == {**rows[1], "payloadIsWhole": True, "keptSize": len(future)}
    shown = (await api.client.get(path(world, rows[2]["id"]), headers=gardener.headers)).json()
    assert (base64.b64decode(shown["payload"]), shown["decoded"]) == (rubbish, None)
    answer = await api.client.get(path(world, rows[2]["id"], "payload"), headers=gardener.headers)
    assert answer.content == rubbish
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_long_message_is_shown_in_part_and_downloaded_whole(
    api: Installation, world: World, gardener: Person
) -> None:
    long = bytes(range(256)) * 1000
    await world.send(long, channel="measurement/aggregate")
    (row,) = await listed(api, world, gardener)
    shown = (await api.client.get(path(world, row["id"]), headers=gardener.headers)).json()
    assert base64.b64decode(shown["payload"]) == long[: 64 * 1024]
    assert (shown["payloadIsWhole"], shown["size"]) == (False, len(long))
    whole = await api.client.get(path(world, row["id"], "payload"), headers=gardener.headers)
    assert whole.content == long


async def test_the_beginning_of_a_message_that_was_too_large_is_shown_as_such(
    api: Installation, world: World, gardener: Person
) -> None:
    head = world.raw()
    world.pipeline.offer_head(world.source, 1, world.topic(), head, 200_000_000)
    await world.settled()
    (row,) = await listed(api, world, gardener)
    assert (row["reason"], row["size"]) == ("payload-too-large", 200_000_000)
    assert "cannot be replayed" in row["detail"]
    shown = (await api.client.get(path(world, row["id"]), headers=gardener.headers)).json()
    assert base64.b64decode(shown["payload"]) == head
    assert (shown["payloadIsWhole"], shown["keptSize"], shown["decoded"]) == (False, len(head), None)


async def test_what_was_mended_is_stored_by_replaying(
    api: Installation, world: World, gardener: Person
) -> None:
    await set_aside(world)
    rows = await listed(api, world, gardener)
    one = await api.client.post(path(world, rows[1]["id"], "replay"), headers=gardener.headers)
    assert (one.status_code, one.json()) == (200, {"stored": 0, "duplicate": 0, "stillQuarantined": 1})
    api.clock.ahead_seconds += 2 * HOUR_SECONDS
    headers = (await api.member(world.kit, access_configure=True)).headers
    everything = await api.client.post(path(world, "replay"), headers=headers)
    assert everything.json() == {"stored": 1, "duplicate": 0, "stillQuarantined": 2}
    none = await api.client.post(path(world, "replay"), params={"reason": "bad-id"}, headers=headers)
    assert none.json() == {"stored": 0, "duplicate": 0, "stillQuarantined": 0}
    assert await world.count() == 1
    assert await world.count("quarantine") == 3  # the other kit's message was not touched
    counts = await world.ledger(world.kit.id)
    assert (counts.received, counts.stored, counts.quarantined) == (3, 1, 2)


async def test_messages_are_thrown_away_one_by_one_or_by_reason(
    api: Installation, world: World, gardener: Person
) -> None:
    await set_aside(world)
    rows = await listed(api, world, gardener)
    gone = await api.client.delete(path(world, rows[0]["id"]), headers=gardener.headers)
    assert (gone.status_code, gone.content) == (200, b"")
    assert_problem(await api.client.delete(path(world, rows[0]["id"]), headers=gardener.headers), 404)
    # All at once only by reason.
    assert_problem(await api.client.delete(path(world), headers=gardener.headers), 400)
    for reason in ("undecodable", "empty-payload"):
        query = {"reason": reason}
        assert (await api.client.delete(path(world), params=query, headers=gardener.headers)).status_code == 200
    assert [row["id"] for row in await listed(api, world, gardener)] == [rows[1]["id"]]
    assert await world.count("quarantine") == 2
    assert (await world.ledger(world.kit.id)).quarantined == 3


async def test_only_those_who_may_configure_the_kit_see_its_quarantine(
    api: Installation, world: World, gardener: Person
) -> None:
    await set_aside(world)
    mine = (await listed(api, world, gardener))[0]["id"]
    other = world.kits[1][0]
    foreign = await api.scalar("SELECT max(id) FROM quarantine WHERE kit_id = :kit", kit=other.id)
    member, stranger = (await api.member(world.kit)).headers, (await api.person()).headers
    for method, parts in (
        ("GET", ()),
        ("GET", (mine,)),
        ("GET", (mine, "payload")),
        ("POST", (mine, "replay")),
        ("POST", ("replay",)),
        ("DELETE", (mine,)),
        ("DELETE", ()),
    ):
        query = {"reason": "undecodable"} if not any(map(str.isdigit, map(str, parts))) else {}
        for headers, status in ((member, 403), (stranger, 404)):
            refused = await api.client.request(method, path(world, *parts), params=query, headers=headers)
            assert_problem(refused, status)
        anonymous = await api.client.request(method, path(world, *parts), params=query)
        assert_problem(anonymous, 401, "/probs/authorization-header", category="missing")
    # A message of another kit counts as absent, although this person may configure that one's neighbour.
    for method, parts in (
        ("GET", (foreign,)),
        ("GET", (foreign, "payload")),
        ("POST", (foreign, "replay")),
        ("DELETE", (foreign,)),
    ):
        assert_problem(await api.client.request(method, path(world, *parts), headers=gardener.headers), 404)
    assert await world.count("quarantine") == 4


async def test_one_person_replays_once_at_a_time(api: Installation, world: World, gardener: Person) -> None:
    await set_aside(world)
    async with world.connection.transaction():
        await world.connection.execute("SELECT id FROM quarantine FOR UPDATE")
        first = asyncio.create_task(api.client.post(path(world, "replay"), headers=gardener.headers))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await api.scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock'"
            ):
                await asyncio.sleep(0.02)
        second = await api.client.post(path(world, "replay"), headers=gardener.headers)
        assert_problem(second, 429, "/probs/rate-limit", waitTimeMillis=15_000)
    assert (await first).json() == {"stored": 0, "duplicate": 0, "stillQuarantined": 3}
