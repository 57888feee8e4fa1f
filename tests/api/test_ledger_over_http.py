"""The outcome of every message of a kit, as the API reports it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_client import Installation, Person, assert_problem

from hortus.domain.kits.store import CreatedKit
from hortus.protocol.reasons import Reason

HOUR = datetime(2026, 11, 20, 7, tzinfo=UTC)


@pytest.fixture
async def kit(api: Installation) -> CreatedKit:
    kit = await api.kit()
    for other in (kit, await api.kit()):
        await add_hour(api, other, 0, stored=90, duplicate=5, quarantined={Reason.TIME_IN_FUTURE: 4})
        await add_hour(api, other, 2, stored=7, refused={Reason.TOPIC_NOT_ALLOWED: 3}, purged=2)
    return kit


async def add_hour(
    api: Installation,
    kit: CreatedKit,
    number: int,
    *,
    stored: int,
    duplicate: int = 0,
    quarantined: dict[Reason, int] | None = None,
    refused: dict[Reason, int] | None = None,
    purged: int = 0,
) -> None:
    sums = {"quarantined": sum((quarantined or {}).values()), "refused": sum((refused or {}).values())}
    key = {"kit": kit.id, "hour": HOUR + timedelta(hours=number)}
    await api.run(
        "INSERT INTO ingest_ledger (kit_id, hour, stream, received, stored, duplicate, quarantined, refused) "
        "VALUES (:kit, :hour, 'raw', :received, :stored, :duplicate, :quarantined, :refused)",
        **key,
        received=stored + duplicate + sum(sums.values()),
        stored=stored,
        duplicate=duplicate,
        **sums,
    )
    reasons = [("quarantined", reason, count) for reason, count in (quarantined or {}).items()]
    reasons += [("refused", reason, count) for reason, count in (refused or {}).items()]
    reasons += [("purged", Reason.QUARANTINE_FULL, purged)]
    for outcome, reason, count in reasons:
        await api.run(
            "INSERT INTO ingest_ledger_reasons (kit_id, hour, stream, outcome, reason, count) "
            "VALUES (:kit, :hour, 'raw', :outcome, :reason, :count)",
            **key,
            outcome=outcome,
            reason=str(reason),
            count=count,
        )


async def ledger(api: Installation, kit: CreatedKit, person: Person, **query: str) -> Any:
    answer = await api.client.get(
        f"/kits/{kit.serial}/ledger",
        params={name.rstrip("_"): value for name, value in query.items()},
        headers=person.headers,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def reason(outcome: str, what: Reason, count: int) -> dict[str, Any]:
    return {"outcome": outcome, "reason": str(what), "explanation": what.explanation, "count": count}


async def test_hours_with_reasons_and_a_sum_that_adds_up(api: Installation, kit: CreatedKit) -> None:
    told = await ledger(
        api,
        kit,
        await api.member(kit, access_configure=True),
        from_="2026-11-20T07:30:00Z",
        to="2026-11-20T10:00:00+00:00",
    )
    future = reason("quarantined", Reason.TIME_IN_FUTURE, 4)
    purged = reason("purged", Reason.QUARANTINE_FULL, 2)
    refused = reason("refused", Reason.TOPIC_NOT_ALLOWED, 3)
    first = {"received": 99, "stored": 90, "duplicate": 5, "quarantined": 4, "refused": 0}
    second = {"received": 10, "stored": 7, "duplicate": 0, "quarantined": 0, "refused": 3}
    assert told == {
        "from": "2026-11-20T07:00:00Z",
        "to": "2026-11-20T10:00:00Z",
        "addsUp": True,
        **{name: first[name] + second[name] for name in first},
        "reasons": [purged, future, refused],
        "hours": [
            {"hour": "2026-11-20T07:00:00Z", "stream": "raw", **first, "reasons": [future]},
            {"hour": "2026-11-20T09:00:00Z", "stream": "raw", **second, "reasons": [purged, refused]},
        ],
    }


async def test_without_a_range_it_is_the_last_day(api: Installation, kit: CreatedKit) -> None:
    person = await api.member(kit, access_configure=True)
    now = api.clock()
    api.clock.ahead_seconds += (HOUR + timedelta(hours=25, minutes=59) - now).total_seconds()
    told = await ledger(api, kit, person)
    assert (told["from"], told["to"]) == ("2026-11-20T09:00:00Z", "2026-11-21T09:00:00Z")
    assert told["received"] == 10
    assert (await ledger(api, kit, person, to="2026-11-20T07:00:00.5Z"))["received"] == 99
    assert (await ledger(api, kit, person, from_="2026-11-21T08:30:00Z"))["hours"] == []


async def test_who_may_configure_a_kit_may_see_its_ledger(api: Installation, kit: CreatedKit) -> None:
    path = f"/kits/{kit.serial}/ledger"
    missing = await api.client.get(path)
    assert_problem(missing, 401, "/probs/authorization-header", category="missing")
    assert_problem(await api.client.get(path, headers=(await api.person()).headers), 404)
    assert_problem(await api.client.get(path, headers=(await api.member(kit)).headers), 403)
    headers = (await api.member(kit, access_configure=True)).headers
    for query in (
        {"from": "2026-11-20T07:00:00Z", "to": "2026-11-20T06:00:00Z"},
        {"from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
        {"from": "today"},
    ):
        refused = await api.client.get(path, params=query, headers=headers)
        assert_problem(refused, 400)
        assert refused.json()["detail"]
