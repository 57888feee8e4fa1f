"""Alerts over HTTP: who sees them, marking them as seen, and the settings of a plant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from api_client import Installation, Person, assert_invalid, assert_problem
from sqlalchemy import insert

from hortus.domain.alerts.tables import AlertRow
from hortus.domain.kits.store import CreatedKit

BEGAN = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
DEFAULTS = {"enabled": True, "hysteresisPercent": 5.0, "holdSeconds": 300, "pauseSeconds": 43200}


async def planted(api: Installation, kit: CreatedKit, owner: Person) -> int:
    plant_id = await api.scalar(
        "INSERT INTO plants (owner_id, name) VALUES (:owner, 'Monty') RETURNING id", owner=owner.id
    )
    await api.run(
        "INSERT INTO plant_links (plant_id, kit_id, linked_from) VALUES (:plant, :kit, now())",
        plant=plant_id,
        kit=kit.id,
    )
    return int(plant_id)


async def alert(api: Installation, kit: CreatedKit, plant_id: int | None, *, over: bool = False) -> int:
    statement = insert(AlertRow).values(
        kind="silence" if plant_id is None else "range",
        plant_id=plant_id,
        quantity_type_id=None if plant_id is None else 1,
        kit_id=kit.id,
        condition="silent" if plant_id is None else "low",
        value=16.5,
        minimum=18,
        maximum=27,
        began_at=BEGAN,
        opened_at=BEGAN,
        over_at=BEGAN if over else None,
        ending="recovered" if over else None,
    )
    async with api.engine.begin() as connection:
        return int(await connection.scalar(statement.returning(AlertRow.id)) or 0)


async def listed(api: Installation, person: Person, path: str = "/alerts") -> list[int]:
    response = await api.client.get(path, headers=person.headers)
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()]


async def test_an_alert_is_listed_in_full(api: Installation) -> None:
    kit = await api.kit()
    owner = await api.member(kit, access_super=True)
    plant_id = await planted(api, kit, owner)
    alert_id = await alert(api, kit, plant_id)
    response = await api.client.get("/alerts", headers=owner.headers)
    assert response.json() == [
        {
            "id": alert_id,
            "kind": "range",
            "condition": "low",
            "state": "open",
            "plant": {"id": plant_id, "name": "Monty"},
            "kit": {"serial": kit.serial, "name": "Basil"},
            "quantityType": {
                "id": 1,
                "physicalQuantity": "Temperature",
                "physicalUnit": "Degrees Celsius",
                "physicalUnitSymbol": "°C",
            },
            "value": 16.5,
            "minimum": 18.0,
            "maximum": 27.0,
            "beganAt": "2026-02-03T04:05:06Z",
            "openedAt": "2026-02-03T04:05:06Z",
            "seenAt": None,
            "overAt": None,
            "ending": None,
            "messageAcceptedAt": None,
            "snoozedAt": None,
            "snoozedUntil": None,
        }
    ]


async def test_open_alerts_are_listed_and_all_if_asked_for_in_pages(api: Installation) -> None:
    kit = await api.kit()
    owner = await api.member(kit, access_super=True)
    plant_id = await planted(api, kit, owner)
    over = [await alert(api, kit, plant_id, over=True) for _ in range(101)]
    current, silent = await alert(api, kit, plant_id), await alert(api, kit, None)
    assert await listed(api, owner) == [silent, current]
    assert await listed(api, owner, f"/plants/{plant_id}/alerts") == [current]
    every = [silent, current, *reversed(over)]
    page = await api.client.get("/alerts?state=all", headers=owner.headers)
    assert [each["id"] for each in page.json()] == every[:100]
    assert page.headers["x-next"] == f"/alerts?state=all&before={every[99]}"
    assert await listed(api, owner, page.headers["x-next"]) == every[100:]
    assert_problem(await api.client.get("/alerts?state=other", headers=owner.headers), 400)


async def test_only_who_may_see_the_kit_sees_its_alerts(api: Installation) -> None:
    kit, member, stranger = await api.kit(), await api.person(), await api.person()
    await api.join(kit, member)
    plant_id = await planted(api, kit, stranger)  # the owner of the plant may not see the kit
    alert_id = await alert(api, kit, plant_id)
    assert await listed(api, member) == [alert_id]
    assert await listed(api, member, f"/plants/{plant_id}/alerts") == [alert_id]
    assert await listed(api, stranger) == []
    assert await listed(api, stranger, f"/plants/{plant_id}/alerts") == []
    nobody = await api.person()
    assert_problem(await api.client.get(f"/plants/{plant_id}/alerts", headers=nobody.headers), 404)
    assert_problem(await api.client.get("/alerts"), 401, "/probs/authorization-header", category="missing")
    for path in (f"/alerts/{alert_id}/seen", f"/alerts/{alert_id + 1000}/seen"):
        assert_problem(await api.client.post(path, headers=stranger.headers), 404)
    await api.run("UPDATE kits SET privacy_public_dashboard = true WHERE id = :id", id=kit.id)
    assert await listed(api, stranger) == [alert_id]
    assert await listed(api, nobody) == []


async def test_who_has_seen_an_alert_is_noted_once_and_announced(api: Installation, migrated_url: str) -> None:
    kit = await api.kit()
    owner = await api.member(kit, access_super=True)
    alert_id = await alert(api, kit, await planted(api, kit, owner))
    told: list[Any] = []
    listener = await asyncpg.connect(migrated_url)
    try:
        await listener.add_listener("hortus_alerts", lambda *event: told.append(event[3]))
        first = await api.client.post(f"/alerts/{alert_id}/seen", headers=owner.headers)
        assert (first.status_code, first.json()["state"]) == (200, "open")
        assert datetime.now(UTC) - datetime.fromisoformat(first.json()["seenAt"]) < timedelta(hours=1)
        again = await api.client.post(f"/alerts/{alert_id}/seen", headers=owner.headers)
        assert again.json() == first.json()
        await listener.execute("SELECT 1")
        assert told == [f"seen {alert_id} {kit.id}"]
    finally:
        await listener.close()


async def test_seeing_an_alert_is_undone_by_whoever_it_concerns(api: Installation) -> None:
    kit, stranger = await api.kit(), await api.person()
    owner, member = await api.member(kit, access_super=True), await api.member(kit)
    alert_id = await alert(api, kit, await planted(api, kit, owner))
    path = f"/alerts/{alert_id}/seen"
    assert (await api.client.post(path, headers=owner.headers)).json()["seenAt"] is not None
    assert_problem(await api.client.delete(path, headers=stranger.headers), 404)
    for _ in range(2):
        undone = await api.client.delete(path, headers=member.headers)
        assert (undone.status_code, undone.json()["seenAt"]) == (200, None)
    assert await api.scalar("SELECT seen_by_id FROM alerts WHERE id = :id", id=alert_id) is None


async def test_an_alert_is_snoozed_until_a_time_or_until_somebody_ends_it(api: Installation) -> None:
    kit, stranger = await api.kit(), await api.person()
    owner, member = await api.member(kit, access_super=True), await api.member(kit)
    plant_id = await planted(api, kit, owner)
    alert_id = await alert(api, kit, plant_id)
    path = f"/alerts/{alert_id}/snooze"
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    snoozed = (await api.client.put(path, json={"until": until}, headers=owner.headers)).json()
    assert (snoozed["snoozedAt"] is None, snoozed["snoozedUntil"], snoozed["seenAt"]) == (False, until, None)
    endless = (await api.client.put(path, json={}, headers=member.headers)).json()
    assert (endless["snoozedAt"] is None, endless["snoozedUntil"]) == (False, None)
    assert await api.scalar("SELECT snoozed_by_id FROM alerts WHERE id = :id", id=alert_id) == member.id
    for _ in range(2):
        ended = (await api.client.delete(path, headers=owner.headers)).json()
        assert (ended["snoozedAt"], ended["snoozedUntil"]) == (None, None)
    assert_problem(await api.client.put(path, json={}, headers=stranger.headers), 404)
    assert_problem(await api.client.delete(path, headers=stranger.headers), 404)
    past = {"until": "2026-02-03T04:05:06Z"}
    assert_invalid(await api.client.put(path, json=past, headers=owner.headers), until=["other"])
    over = await alert(api, kit, plant_id, over=True)
    closed = await api.client.put(f"/alerts/{over}/snooze", json={}, headers=owner.headers)
    assert_problem(closed, 409)
    assert await api.scalar("SELECT snoozed_at FROM alerts WHERE id = :id", id=over) is None


async def test_settings_of_a_plant_are_changed_one_by_one_by_who_may_edit_it(api: Installation) -> None:
    kit = await api.kit()
    owner, member = await api.member(kit, access_super=True), await api.member(kit)
    plant_id = await planted(api, kit, owner)
    path = f"/plants/{plant_id}/alert-settings"
    assert (await api.client.get(path, headers=member.headers)).json() == DEFAULTS
    assert_problem(await api.client.patch(path, json={}, headers=member.headers), 403)
    expected = dict(DEFAULTS)
    for change in ({"holdSeconds": 0}, {"pauseSeconds": 60, "hysteresisPercent": 0.5}, {"enabled": None}):
        changed = await api.client.patch(path, json=change, headers=owner.headers)
        expected |= {key: value for key, value in change.items() if value is not None}
        assert changed.json() == expected
    wrong = {"holdSeconds": -1, "pauseSeconds": 2_592_001, "hysteresisPercent": 51.0}
    assert_invalid(
        await api.client.patch(path, json=wrong, headers=owner.headers),
        hysteresisPercent=[{"mustBeInRange": {"min": 0, "max": 50.0}}],
        holdSeconds=[{"mustBeInRange": {"min": 0, "max": 86_400}}],
        pauseSeconds=[{"mustBeInRange": {"min": 0, "max": 2_592_000}}],
    )


async def test_switching_alerts_off_ends_what_is_open(api: Installation) -> None:
    kit = await api.kit()
    owner = await api.member(kit, access_super=True)
    plant_id = await planted(api, kit, owner)
    alert_id = await alert(api, kit, plant_id)
    path = f"/plants/{plant_id}/alert-settings"
    await api.client.patch(path, json={"enabled": False}, headers=owner.headers)
    [found] = (await api.client.get("/alerts?state=all", headers=owner.headers)).json()
    assert (found["id"], found["state"], found["ending"]) == (alert_id, "over", "withdrawn")


async def test_a_plant_that_was_moved_away_is_no_more_shown_to_those_who_share_the_kit(
    api: Installation,
) -> None:
    kit, elsewhere = await api.kit(), await api.kit()
    owner, member = await api.member(kit, access_super=True), await api.member(kit)
    plant_id = await planted(api, kit, owner)
    about_plant = await alert(api, kit, plant_id, over=True)
    about_kit = await alert(api, kit, None, over=True)
    assert await listed(api, member, "/alerts?state=all") == [about_kit, about_plant]
    await api.run("UPDATE plant_links SET linked_until = now() WHERE plant_id = :plant", plant=plant_id)
    await api.run(
        "INSERT INTO plant_links (plant_id, kit_id, linked_from) VALUES (:plant, :kit, now())",
        plant=plant_id,
        kit=elsewhere.id,
    )
    assert await listed(api, member, "/alerts?state=all") == [about_kit]
    assert await listed(api, owner, "/alerts?state=all") == [about_kit, about_plant]
    seen = await api.client.post(f"/alerts/{about_plant}/seen", headers=member.headers)
    assert_problem(seen, 404)
