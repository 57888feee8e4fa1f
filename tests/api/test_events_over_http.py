"""What happened at a kit, as the API lists it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_client import Installation, Person, assert_problem

from hortus.domain.kits.store import CreatedKit

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
AROUND = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}


@pytest.fixture
async def kit(api: Installation) -> CreatedKit:
    return await api.kit()


async def listed(api: Installation, kit: CreatedKit, person: Person, **query: str) -> Any:
    answer = await api.client.get(f"/kits/{kit.serial}/events", params=AROUND | query, headers=person.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def add_silence_alert(
    api: Installation, kit: CreatedKit, opened: datetime, over: datetime | None
) -> None:
    await api.run(
        "INSERT INTO alerts (kind, kit_id, condition, began_at, opened_at, over_at, ending)"
        " VALUES ('silence', :kit, 'silent', :opened, :opened, :over, :ending)",
        kit=kit.id,
        opened=opened,
        over=over,
        ending="recovered" if over else None,
    )


async def add_command(api: Installation, kit: CreatedKit, at: datetime, state: str = "succeeded") -> None:
    await api.run(
        "INSERT INTO kit_commands (id, kit_id, method, peripheral, command_json, state, error, requested_at,"
        " give_up_at, finished_at) VALUES ((SELECT coalesce(max(id), 0) + 1 FROM kit_commands), :kit,"
        " 'peripheralCommand', 'Heater', '1', :state, :error, :at, :at, :finished)",
        kit=kit.id,
        at=at,
        state=state,
        error="x" if state == "failed" else None,
        finished=None if state in {"waiting", "sent"} else at + timedelta(seconds=2),
    )


async def add_intervals(api: Installation, kit: CreatedKit, *intervals: tuple[str, datetime]) -> None:
    ends = [*(since for _, since in intervals[1:]), None]
    for (state, since), until in zip(intervals, ends, strict=True):
        await api.run(
            "INSERT INTO presence_intervals (kit_id, state, since, until)"
            " VALUES (:kit, :state, :since, :until)",
            kit=kit.id,
            state=state,
            since=since,
            until=until,
        )


async def test_events_of_all_kinds_are_listed_newest_first(api: Installation, kit: CreatedKit) -> None:
    configurer = await api.member(kit, access_configure=True)
    await add_silence_alert(api, kit, NOON, NOON + HOUR)
    await add_command(api, kit, NOON + 2 * HOUR)
    await add_intervals(
        api,
        kit,
        *(("online", NOON - 5 * HOUR), ("late", NOON + 3 * HOUR), ("offline", NOON + 4 * HOUR)),
        *(("online", NOON + 5 * HOUR), ("late", NOON + 6 * HOUR)),
    )
    await api.run("UPDATE kits SET created_at = :at", at=NOON - 20 * HOUR)
    await api.run(
        "INSERT INTO listening_outages VALUES (:since, :until)", since=NOON + 7 * HOUR, until=NOON + 8 * HOUR
    )
    await api.run(
        "INSERT INTO configuration_activations (kit_id, name, since, fetched_at, running_at)"
        " VALUES (:kit, 'Winter', :since, :fetched, NULL)",
        kit=kit.id,
        since=NOON + 9 * HOUR,
        fetched=NOON + 10 * HOUR,
    )
    answer = await listed(api, kit, configurer)
    assert [
        (each["what"], each["start"][11:16], each["end"] and each["end"][11:16]) for each in answer["events"]
    ] == [
        ("fetched", "22:00", "22:00"),
        ("activated", "21:00", "21:00"),
        ("outage", "19:00", "20:00"),
        ("late", "18:00", None),
        # Late and then offline is one silence.
        ("silent", "15:00", "17:00"),
        ("succeeded", "14:00", "14:00"),
        ("silent", "12:00", "13:00"),
    ]
    assert answer["total"] == 7
    assert [each["title"] for each in answer["events"]] == [
        "The kit fetched the configuration “Winter”",
        "Configuration “Winter” activated",
        "Hortus was not listening",
        "The kit was late",
        "The kit was silent",
        "Heater: command done",
        "Alert: the kit is silent",
    ]
    assert answer["events"][-1] == {
        "id": answer["events"][-1]["id"],
        "kind": "alerts",
        "what": "silent",
        "start": "2026-11-20T12:00:00Z",
        "end": "2026-11-20T13:00:00Z",
        "title": "Alert: the kit is silent",
        "page": f"/kits/{kit.serial}",
    }
    some = await listed(api, kit, configurer, kinds="commands,outages")
    assert [each["kind"] for each in some["events"]] == ["outages", "commands"]
    assert some["total"] == 2


async def test_events_that_reach_into_the_range_are_listed(api: Installation, kit: CreatedKit) -> None:
    person = await api.member(kit)
    long_ago = NOON - timedelta(days=9)
    await add_silence_alert(api, kit, long_ago, long_ago + HOUR)
    await add_silence_alert(api, kit, long_ago + HOUR, None)
    answer = await listed(api, kit, person)
    assert [(each["start"], each["end"]) for each in answer["events"]] == [("2026-11-11T13:00:00Z", None)]


async def test_pages_have_every_event_once(api: Installation, kit: CreatedKit) -> None:
    configurer = await api.member(kit, access_configure=True)
    # Many at the same moment, so that the time alone does not tell where a page ends.
    for number in range(230):
        await add_command(api, kit, NOON if number % 2 else NOON + timedelta(seconds=number))
    address, ids, totals = (
        f"/kits/{kit.serial}/events?from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z",
        [],
        set(),
    )
    while address:
        answer = await api.client.get(address, headers=configurer.headers)
        assert answer.status_code == 200, answer.text
        ids += [each["id"] for each in answer.json()["events"]]
        totals.add(answer.json()["total"])
        address = answer.links["next"]["url"] if "next" in answer.links else ""
    assert (len(ids), len(set(ids)), totals) == (230, 230, {230})


async def test_commands_are_for_those_who_configure_the_kit(api: Installation, kit: CreatedKit) -> None:
    member = await api.member(kit)
    await add_command(api, kit, NOON)
    assert await listed(api, kit, member) == {**AROUND, "total": 0, "events": []}
    assert (await listed(api, kit, member, kinds="commands"))["events"] == []


async def test_alerts_about_a_plant_are_for_those_who_see_the_plant(api: Installation, kit: CreatedKit) -> None:
    member, owner = await api.member(kit), await api.member(kit)
    await api.run(
        "INSERT INTO plants (owner_id, name) SELECT id, 'Chilli' FROM users WHERE username = :name",
        name=owner.username,
    )
    await api.run(
        "INSERT INTO alerts (kind, plant_id, quantity_type_id, kit_id, condition, began_at, opened_at)"
        " SELECT 'range', id, 1, :kit, 'low', :at, :at FROM plants",
        kit=kit.id,
        at=NOON,
    )
    assert (await listed(api, kit, member))["total"] == 0
    (event,) = (await listed(api, kit, owner))["events"]
    assert event["title"] == "Chilli: Temperature below its range"
    await api.run(
        "INSERT INTO plant_links (plant_id, kit_id, linked_from) SELECT id, :kit, :at FROM plants",
        kit=kit.id,
        at=NOON,
    )
    assert (await listed(api, kit, member))["total"] == 1


async def test_what_cannot_be_listed_is_refused(api: Installation, kit: CreatedKit) -> None:
    member, stranger = await api.member(kit), await api.person()
    for query in (
        {"kinds": "alerts,meals"},
        {"before": "7"},
        {"before": '["2026-11-20T00:00:00Z", 7]'},
        {"from": "2020-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
    ):
        answer = await api.client.get(f"/kits/{kit.serial}/events", params=query, headers=member.headers)
        assert_problem(answer, 400)
    hidden = await api.client.get(f"/kits/{kit.serial}/events", headers=stranger.headers)
    unknown = await api.client.get("/kits/k-3467-bcdf-ghjk/events", headers=stranger.headers)
    assert_problem(hidden, 404)
    assert hidden.content == unknown.content
