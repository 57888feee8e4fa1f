"""The presence of kits: the judgement by itself, and the records and notifications of real connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from rpc_world import RpcWorld, running_kit

from hortus.domain.kits.store import NewPeripheral
from hortus.domain.presence.judgement import Facts, Judgement, Listening, PresenceState, judge
from hortus.domain.presence.keeper import PresenceKeeper, watch_presence
from hortus.domain.presence.listening import keep_listening
from hortus.domain.presence.store import PRESENCE_CHANNEL, OwnWord, next_kits, read_presences
from waiting import until

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALWAYS = Listening(since=NOW - timedelta(days=30), until=NOW)


def ago(**duration: float) -> datetime:
    return NOW - timedelta(**duration)


def said(facts: Facts, listening: Listening | None = ALWAYS, now: datetime = NOW) -> PresenceState:
    return judge(facts, listening, now).state


@pytest.mark.parametrize(
    ("silence_seconds", "state"),
    [
        (0, PresenceState.ONLINE),
        (149, PresenceState.ONLINE),
        (150, PresenceState.LATE),
        (299, PresenceState.LATE),
        (300, PresenceState.OFFLINE),
    ],
)
def test_silence_is_judged_against_the_kits_own_interval(silence_seconds: float, state: PresenceState) -> None:
    assert said(Facts(last_contact_at=ago(seconds=silence_seconds), reporting_seconds=60)) is state


def test_a_kit_that_measures_once_an_hour_is_not_late_after_an_hour() -> None:
    assert said(Facts(last_contact_at=ago(hours=1), reporting_seconds=3600)) is PresenceState.ONLINE
    assert said(Facts(last_contact_at=ago(hours=5), reporting_seconds=3600)) is PresenceState.OFFLINE


def test_a_kit_that_measures_nothing_has_an_hour_before_it_is_late() -> None:
    assert said(Facts(last_contact_at=ago(minutes=59))) is PresenceState.ONLINE
    assert said(Facts(last_contact_at=ago(minutes=62))) is PresenceState.LATE


def test_a_kit_that_was_never_heard_is_not_called_offline() -> None:
    assert judge(Facts(), ALWAYS, NOW) == Judgement(state=PresenceState.NEVER, since=None, last_contact_at=None)


def test_a_kit_whose_connection_ended_is_offline_since_then() -> None:
    facts = Facts(
        last_contact_at=ago(seconds=9),
        is_connected=False,
        connection_changed_at=ago(seconds=5),
        reporting_seconds=60,
    )
    assert judge(facts, ALWAYS, NOW) == Judgement(
        state=PresenceState.OFFLINE, since=ago(seconds=5), last_contact_at=ago(seconds=9)
    )


def test_a_kit_that_is_heard_after_its_connection_ended_is_connected_elsewhere() -> None:
    facts = Facts(
        last_contact_at=ago(seconds=5),
        is_connected=False,
        connection_changed_at=ago(seconds=9),
        reporting_seconds=60,
    )
    assert said(facts) is PresenceState.ONLINE


def test_a_connected_kit_that_sends_nothing_is_late_and_never_offline() -> None:
    facts = Facts(
        last_contact_at=ago(hours=9), is_connected=True, connection_changed_at=ago(days=1), reporting_seconds=60
    )
    assert said(facts) is PresenceState.LATE


def test_a_connected_kit_that_measures_nothing_is_online() -> None:
    facts = Facts(last_contact_at=ago(hours=9), is_connected=True, connection_changed_at=ago(hours=9))
    assert said(facts) is PresenceState.ONLINE


def test_a_board_is_judged_by_what_was_set_for_it() -> None:
    assert said(Facts(last_contact_at=ago(seconds=400), silent_after_seconds=900)) is PresenceState.ONLINE
    assert said(Facts(last_contact_at=ago(seconds=500), silent_after_seconds=900)) is PresenceState.LATE
    assert said(Facts(last_contact_at=ago(seconds=901), silent_after_seconds=900)) is PresenceState.OFFLINE


def test_after_our_own_outage_nobody_is_accused_until_kits_had_time_to_return() -> None:
    def restarted(seconds_ago: float) -> Listening:
        since = ago(seconds=seconds_ago)
        return Listening(since=since, until=NOW, previous_until=since - timedelta(hours=3))

    def heard_shortly_before(listening: Listening) -> Facts:
        assert listening.previous_until is not None
        return Facts(last_contact_at=listening.previous_until - timedelta(seconds=10), reporting_seconds=60)

    for seconds_ago, state in (
        (0, PresenceState.ONLINE),
        (200, PresenceState.ONLINE),
        (290, PresenceState.LATE),
        (500, PresenceState.OFFLINE),
    ):
        listening = restarted(seconds_ago)
        assert said(heard_shortly_before(listening), listening) is state


def test_a_kit_that_was_offline_before_our_outage_stays_offline_after_it() -> None:
    listening = Listening(since=NOW, until=NOW, previous_until=ago(hours=3))
    assert said(Facts(last_contact_at=ago(days=2), reporting_seconds=60), listening) is PresenceState.OFFLINE


def test_while_nobody_listens_nothing_changes() -> None:
    listening = Listening(since=ago(days=9), until=ago(hours=3))
    facts = Facts(
        last_contact_at=ago(hours=3, seconds=20),
        is_connected=True,
        connection_changed_at=ago(days=1),
        reporting_seconds=60,
    )
    assert said(facts, listening) is PresenceState.ONLINE


@pytest.fixture
async def announced(migrated_database_url: str) -> Any:
    """The presence notifications, in order."""
    heard: list[str] = []
    connection = await asyncpg.connect(migrated_database_url)
    await connection.add_listener(PRESENCE_CHANNEL, lambda _c, _p, _channel, payload: heard.append(payload))
    yield heard
    await connection.close()


async def test_coming_and_going_is_noted_announced_and_shown(
    rpc_installation: RpcWorld, announced: list[str]
) -> None:
    world = rpc_installation
    kit = await world.make_kit()

    async def shown() -> dict[str, Any]:
        return dict((await world.get(f"/kits/{kit.serial}/presence")).json())

    assert await shown() == {"state": "never", "since": None, "lastContact": None}
    online, offline = f"{kit.serial} online", f"{kit.serial} offline"
    async with running_kit(kit, world.mqtt_port):
        await until(lambda: announced == [online], "it is announced that the kit is there")
        assert (await shown())["state"] == "online"
    await until(lambda: announced == [online, offline], "it is announced that the kit is gone")
    gone = await shown()
    assert gone["state"] == "offline"
    refused = await world.get(f"/kit-rpc/{kit.serial}/version")
    assert refused.json()["offlineSince"] == gone["since"]
    await world.start(kit)
    await until(lambda: announced == [online, offline, online], "it is announced that the kit is back")


async def test_that_the_server_stops_makes_no_kit_offline(
    rpc_installation: RpcWorld, announced: list[str]
) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.start(kit)
    await until(lambda: announced == [f"{kit.serial} online"], "it is announced that the kit is there")
    keeper = PresenceKeeper(world.engine)
    keeper.close()
    keeper.connection_changed(kit.serial, False)
    keeper.heard(kit.serial)
    running = asyncio.create_task(keeper.run())
    before = await world.run_sql("SELECT last_contact_at FROM kit_presence")

    async def written() -> bool:
        return bool(await world.run_sql("SELECT last_contact_at FROM kit_presence") != before)

    await until(written, "the keeper has written")
    running.cancel()
    assert await world.run_sql("SELECT is_connected FROM kit_presence") == [(True,)]
    assert announced == [f"{kit.serial} online"]


async def test_what_a_kit_says_about_itself_is_kept_until_it_says_something_else(
    rpc_installation: RpcWorld,
) -> None:
    world = rpc_installation
    kit, other = await world.make_kit(), await world.make_kit()
    keeper = PresenceKeeper(world.engine)
    running = asyncio.create_task(keeper.run())

    async def words() -> dict[int, str]:
        records = await read_words(world)
        return {kit_id: word.text for kit_id, word in records.items()}

    keeper.said(kit.serial, "online")
    keeper.said("k-unknown", "online")
    await until(lambda: _is(words, {kit.id: "online"}), "the first word is kept")
    first = (await read_words(world))[kit.id].said_at
    keeper.said(other.serial, "booting")
    keeper.said(kit.serial, "offline")
    await until(lambda: _is(words, {kit.id: "offline", other.id: "booting"}), "the next words are kept")
    assert (await read_words(world))[kit.id].said_at > first
    # We close all connections when we stop: the wills that follow say nothing about the kits.
    keeper.close()
    keeper.said(kit.serial, "gone")
    keeper.heard(kit.serial)
    await until(lambda: _has_contact(world, kit.id), "the keeper has written")
    assert await words() == {kit.id: "offline", other.id: "booting"}
    running.cancel()


async def read_words(world: RpcWorld) -> dict[int, OwnWord]:
    async with world.engine.connect() as connection:
        kit_ids = await next_kits(connection, 0, 100)
        records = await read_presences(connection, datetime.now(UTC), kit_ids)
    return {kit_id: record.own_word for kit_id, record in records.items() if record.own_word}


async def _is(words: Callable[[], Awaitable[dict[int, str]]], expected: dict[int, str]) -> bool:
    return await words() == expected


async def _has_contact(world: RpcWorld, kit_id: int) -> bool:
    rows = await world.run_sql("SELECT last_contact_at FROM kit_presence WHERE kit_id = :kit", kit=kit_id)
    return rows[0][0] is not None


async def test_after_a_restart_nobody_is_taken_to_be_connected_still(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit, gone = await world.make_kit(), await world.make_kit()
    await world.run_sql(
        "INSERT INTO kit_presence (kit_id, is_connected) VALUES (:kit, true), (:gone, false)",
        kit=kit.id,
        gone=gone.id,
    )
    await PresenceKeeper(world.engine).begin()
    rows = await world.run_sql("SELECT kit_id, is_connected FROM kit_presence ORDER BY kit_id")
    assert rows == [(kit.id, None), (gone.id, False)]


async def test_a_kit_that_measures_nothing_has_no_interval(rpc_installation: RpcWorld) -> None:
    heater = NewPeripheral(definition="Virtual heater", name="Heater", configuration=None)
    kit = await rpc_installation.make_kit(peripherals=(heater,))
    await rpc_installation.run_sql(
        "INSERT INTO kit_last_seen VALUES (:kit, clock_timestamp() - interval '62 min')", kit=kit.id
    )
    assert (await rpc_installation.get(f"/kits/{kit.serial}/presence")).json()["state"] == "late"


@pytest.mark.parametrize("interval", ["1e15", "5" * 400, "0", "-1e300", '"often"', "null", "{}"])
async def test_whatever_interval_a_person_wrote_the_kit_can_be_judged(
    rpc_installation: RpcWorld, interval: str
) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.run_sql(
        "UPDATE peripherals SET configuration = CAST(:configuration AS json)",
        configuration=f'{{"intervals": {{"measurementInterval": {interval}}}}}',
    )
    await world.run_sql("INSERT INTO kit_last_seen VALUES (:kit, clock_timestamp())", kit=kit.id)
    shown = await world.get(f"/kits/{kit.serial}/presence")
    assert (shown.status_code, shown.json()["state"]) == (200, "online")


async def test_a_kit_that_turns_out_absent_again_is_offline_again(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()

    async def state() -> Any:
        return (await world.get(f"/kits/{kit.serial}/presence")).json()["state"]

    async def is_offline() -> bool:
        return bool(await state() == "offline")

    for _ in range(2):
        # By way of a broker that does not tell who comes.
        await world.run_sql(
            "INSERT INTO kit_last_seen VALUES (:kit, clock_timestamp()) "
            "ON CONFLICT (kit_id) DO UPDATE SET datetime_last_seen = excluded.datetime_last_seen",
            kit=kit.id,
        )
        assert await state() == "online"
        assert (await world.get(f"/kit-rpc/{kit.serial}/version")).status_code == 502
        await until(is_offline, "the kit is known to be away")


async def test_a_kit_that_sends_only_pictures_is_heard(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.run_sql(
        """
        INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, datetime, received_at, name, type,
                           metadata, size)
        SELECT gen_random_uuid(), id, kit_id, kit_configuration_id, now(), now(), 'art.png', 'image/png',
               'null', 1
        FROM peripherals WHERE kit_id = :kit AND name = 'Camera'
        """,
        kit=kit.id,
    )
    assert (await world.get(f"/kits/{kit.serial}/presence")).json()["state"] == "online"


async def test_a_kit_that_falls_silent_is_announced_once_by_two_watchers(
    rpc_installation: RpcWorld, announced: list[str]
) -> None:
    world = rpc_installation
    kit = await world.make_kit()
    await world.run_sql(
        "INSERT INTO kit_last_seen VALUES (:kit, clock_timestamp() - interval '1 day')", kit=kit.id
    )
    watchers = [asyncio.create_task(watch_presence(world.engine)) for _ in range(2)]
    await until(lambda: announced, "it is announced")
    await until(
        lambda: world.run_sql("SELECT 1 FROM kit_presence WHERE announced_state = 'offline'"), "it is noted"
    )
    for watcher in watchers:
        watcher.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)
    # What was announced before comes before this.
    await world.run_sql(f"NOTIFY {PRESENCE_CHANNEL}, 'end'")
    await until(lambda: "end" in announced, "all announcements are there")
    assert announced == [f"{kit.serial} offline", "end"]


async def test_listening_is_noted_and_a_pause_begins_anew(rpc_installation: RpcWorld) -> None:
    world = rpc_installation
    statement = "SELECT listening_since, listening_until, previous_until FROM presence_listening"

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(**world.url.asyncpg_arguments())

    async def listened_once() -> Any:
        before = await world.run_sql(statement)
        task = asyncio.create_task(keep_listening(connect))

        async def noted() -> bool:
            return bool(await world.run_sql(statement) != before)

        await until(noted, "listening is noted")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return (await world.run_sql(statement))[0]

    first = await listened_once()
    assert first.previous_until is None
    again = await listened_once()
    assert (again.listening_since, again.previous_until) == (first.listening_since, None)
    await world.run_sql("UPDATE presence_listening SET listening_until = now() - interval '1 h'")
    paused = (await world.run_sql(statement))[0].listening_until
    after_pause = await listened_once()
    assert after_pause.previous_until == paused
    assert after_pause.listening_since == after_pause.listening_until
