"""Other topics than readings: each sends what is stored, and what changes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from hortus.domain.alerts.announcements import announce as announce_alert
from hortus.domain.kits.changes import say_who_changes
from hortus.domain.presence.store import announce_changes, note_connections
from live_world import LiveWorld


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


async def test_aggregates_are_told_as_the_api_shows_them(live: LiveWorld) -> None:
    kit = await live.kit()
    now = datetime.now(UTC).replace(microsecond=0)
    async with live.client() as client:
        subscription = await client.subscribe(kit, "aggregate_measurements")
        async with live.connection.transaction():
            aggregate_id = await live.connection.fetchval(
                "INSERT INTO aggregate_measurements (datetime_start, datetime_end, id, kit_id, peripheral_id, "
                "kit_configuration_id, quantity_type_id, values) "
                "VALUES ($1, $2, gen_random_uuid(), $3, $4, 1, 1, '{\"average\": 21}') RETURNING id",
                now - timedelta(minutes=30),
                now,
                kit.id,
                kit.peripheral,
            )
            await live.connection.execute("SELECT pg_notify('hortus_stored', '*')")
        message = await client.receive()
    assert message == {
        "jsonrpc": "2.0",
        "method": "aggregate_measurements",
        "params": {
            "subscription": subscription,
            "result": {
                "id": str(aggregate_id),
                "kitSerial": kit.serial,
                "kitId": kit.id,
                "kitConfigurationId": 1,
                "peripheralId": kit.peripheral,
                "quantityTypeId": 1,
                "datetimeStart": iso(now - timedelta(minutes=30)),
                "datetimeEnd": iso(now),
                "values": {"average": 21.0},
            },
        },
    }


async def test_media_are_told_and_told_again_once_they_have_a_thumbnail(live: LiveWorld) -> None:
    kit = await live.kit()
    at = datetime.now(UTC).replace(microsecond=0)
    configuration_id = await live.connection.fetchval(
        "SELECT id FROM kit_configurations WHERE kit_id = $1", kit.id
    )
    async with live.client() as client:
        subscription = await client.subscribe(kit, "media")
        async with live.connection.transaction():
            medium_id = await live.connection.fetchval(
                "INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, datetime, name, type, "
                "metadata, size) "
                "VALUES (gen_random_uuid(), $1, $2, $3, $4, 'leaf.jpg', 'image/jpeg', '{\"iso\": 100}', 7) "
                "RETURNING id",
                kit.peripheral,
                kit.id,
                configuration_id,
                at,
            )
            await live.connection.execute("SELECT pg_notify('hortus_stored', $1)", str(kit.id))
        await client.until(lambda: client.results(subscription))
        async with live.connection.transaction():
            await live.connection.execute("UPDATE media SET thumbnail = 'made' WHERE id = $1", medium_id)
            await live.connection.execute("SELECT pg_notify('hortus_stored', $1)", str(kit.id))
        await client.until(lambda: len(client.results(subscription)) == 2)
    expected = {
        "kitSerial": kit.serial,
        "id": str(medium_id),
        "kitId": kit.id,
        "kitConfigurationId": configuration_id,
        "peripheralId": kit.peripheral,
        "datetime": iso(at),
        "name": "leaf.jpg",
        "type": "image/jpeg",
        "metadata": {"iso": 100},
        "size": 7,
    }
    assert client.results() == [{**expected, "hasThumbnail": False}, {**expected, "hasThumbnail": True}]


async def test_presence_is_told_at_once_and_when_it_changes(live: LiveWorld) -> None:
    kit = await live.kit()

    async def connected(yes: bool) -> None:
        async with live.parts.engine.begin() as connection:
            await note_connections(connection, {kit.serial: yes})
            await announce_changes(connection, datetime.now(UTC), [kit.id])

    await connected(True)
    async with live.client() as client:
        await client.subscribe(kit, "presence")
        await client.until(lambda: len(client.results()) == 1)
        await connected(True)  # nothing new
        await connected(False)
        await client.until(lambda: len(client.results()) == 2)
        await connected(True)
        await client.until(lambda: len(client.results()) == 3)
        await client.nothing_more()
    assert [each["state"] for each in client.results()] == ["online", "offline", "online"]
    assert {each["kitSerial"] for each in client.results()} == {kit.serial}
    assert [each["since"] for each in client.results()] == sorted(each["since"] for each in client.results())


async def test_changes_of_a_kit_are_told_without_who_made_them(live: LiveWorld) -> None:
    kit = await live.kit()
    async with live.client() as client:
        await client.subscribe(kit, "changes")
        await client.until(lambda: [each["what"] for each in client.results()] == ["configuration"])
        async with live.parts.engine.begin() as connection:
            await say_who_changes(connection, None)
            await connection.execute(
                text("UPDATE kit_configurations SET description = 'Winter' WHERE kit_id = :kit"),
                {"kit": kit.id},
            )
        await client.until(lambda: len(client.results()) == 2)
        await client.nothing_more()
    first, second = client.results()
    assert second.keys() == {"kitSerial", "what", "changedAt"}
    assert (second["kitSerial"], second["what"]) == (kit.serial, "configuration")
    assert second["changedAt"] > first["changedAt"]


async def test_alerts_are_told_as_they_open_and_end(live: LiveWorld) -> None:
    kit = await live.kit()
    began_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=50)

    async def change(what: str, statement: str, **parameters: object) -> int:
        async with live.parts.engine.begin() as connection:
            alert_id = await connection.scalar(text(statement), {"kit": kit.id, **parameters})
            await announce_alert(connection, what, alert_id)
        assert isinstance(alert_id, int)
        return alert_id

    async with live.client() as client:
        await client.subscribe(kit, "alerts")
        alert_id = await change(
            "opened",
            "INSERT INTO alerts (kind, kit_id, condition, began_at) "
            "VALUES ('silence', :kit, 'silent', :began_at) RETURNING id",
            began_at=began_at,
        )
        await client.until(lambda: len(client.results()) == 1)
        await change("seen", "UPDATE alerts SET quiet_until = now() WHERE kit_id = :kit RETURNING id")
        await change(
            "over",
            "UPDATE alerts SET over_at = now(), ending = 'recovered' WHERE kit_id = :kit RETURNING id",
        )
        await client.until(lambda: len(client.results()) == 2)
        await client.nothing_more()
    opened, over = client.results()
    assert opened == {
        "id": alert_id,
        "kitSerial": kit.serial,
        "kind": "silence",
        "condition": "silent",
        "state": "open",
        "plantId": None,
        "quantityTypeId": None,
        "value": None,
        "minimum": None,
        "maximum": None,
        "beganAt": iso(began_at),
        "openedAt": opened["openedAt"],
        "seenAt": None,
        "overAt": None,
        "ending": None,
    }
    assert over == {**opened, "state": "over", "overAt": over["overAt"], "ending": "recovered"}
    assert over["overAt"] is not None


async def test_topics_of_one_connection_do_not_mix(live: LiveWorld) -> None:
    kit, other = await live.kit(), await live.kit()
    async with live.client() as client:
        readings = await client.subscribe(kit, "raw_measurements")
        elsewhere = await client.subscribe(other, "raw_measurements")
        aggregates = await client.subscribe(kit, "aggregate_measurements")
        await live.store(kit, 1.0)
        await live.store(other, 2.0)
        await client.until(lambda: len(client.results()) == 2)
    assert (client.values(readings), client.values(elsewhere)) == ([1.0], [2.0])
    assert client.results(aggregates) == []
