"""From readings to alerts: each opens, is reported once and ends, however many judges run and how often."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from alert_garden import ATTENTION, COLD, ago, judging, opened, settle

from deleting import bring_back, delete_configuration_of
from garden import Garden
from hortus.base.database.url import DatabaseUrl
from hortus.domain.alerts.judge import judge_kits
from hortus.domain.alerts.judged_quantities import LookingBack, judged_quantities, new_readings
from hortus.domain.alerts.judging import JudgedReading, judge_all
from hortus.domain.alerts.lost_messages import forget_lost_messages
from hortus.domain.alerts.outcomes import JudgementOutcome, write_eventful
from hortus.domain.alerts.silence import SilenceWatch
from hortus.domain.alerts.withdrawal import withdraw_unjudged
from hortus.domain.kits.store import KitStore, NewKit, add_standard_configuration
from waiting import until


async def test_a_reading_out_of_range_opens_one_alert_and_queues_one_message(garden: Garden) -> None:
    garden.access = replace(garden.access, public_url="https://garden.example")
    at = ago(minutes=1)
    await garden.measure(16.5, at=at)
    for _ in range(3):
        await garden.judge()
    assert await garden.alerts() == [("low", True)]
    assert await garden.messages() == [("flora@example.org", "Monty: temperature 16.5 °C, below 18 °C")]
    [body] = await garden.bodies()
    alert_id = await garden.value("SELECT id FROM alerts")
    assert body == (
        "Monty: temperature 16.5 °C, below 18 °C.\n"
        "It is too cold.\n"
        "\n"
        "Target range: 18 to 27 °C\n"
        "Measured by: Roof\n"
        f"Out of range since: {at:%Y-%m-%d %H:%M} UTC\n"
        "\n"
        f"https://garden.example/alerts/{alert_id}\n"
    )


async def test_each_person_reads_times_in_their_own_zone(garden: Garden) -> None:
    mint = await garden.person("mint")
    await garden.join(mint, access_super=True)
    await garden.run(
        "INSERT INTO notification_preferences (user_id, of_shared_kits) VALUES (:id, true)", id=mint
    )
    await garden.run("UPDATE users SET time_zone = 'Asia/Kathmandu' WHERE id = :id", id=mint)
    at = ago(minutes=1)
    await garden.measure(10, at=at)
    await garden.judge()
    local = at.astimezone(ZoneInfo("Asia/Kathmandu"))
    assert sorted(line for body in await garden.bodies() for line in body.splitlines() if "since" in line) == [
        f"Out of range since: {at:%Y-%m-%d %H:%M} UTC",
        f"Out of range since: {local:%Y-%m-%d %H:%M} (Asia/Kathmandu)",
    ]


async def test_readings_in_range_are_judged_and_nothing_is_said(garden: Garden) -> None:
    await garden.measure(18)
    await garden.measure(27)
    await garden.judge()
    assert await garden.alerts() == []
    assert await garden.value("SELECT judged_until IS NOT NULL FROM alert_states WHERE quantity_type_id = 1")


async def test_two_that_judge_at_once_make_one_alert_and_one_message(garden: Garden) -> None:
    other = await asyncpg.connect(**DatabaseUrl.parse(garden.url).asyncpg_arguments())
    try:
        for round_ in range(5):
            value = 10.0 if round_ % 2 == 0 else 20.0
            await garden.measure(value)
            now = datetime.now(UTC)
            await asyncio.gather(
                *(
                    judge_kits(connection, garden.engine, garden.access, {garden.kit.id}, now)
                    for connection in (garden.connection, other)
                )
            )
            if round_ == 0:
                await settle(garden, accepted=True)
    finally:
        await other.close()
    assert await garden.alerts() == [("low", False), ("low", False), ("low", True)]
    assert await garden.messages() == [ATTENTION]


async def test_a_plant_that_is_deleted_while_it_is_judged_holds_nobody_up(garden: Garden) -> None:
    await garden.measure(10)
    [quantity] = await judged_quantities(garden.connection, {garden.kit.id})
    state, events = judge_all(
        quantity.state, quantity.rule, [JudgedReading(at=datetime.now(UTC), value=10)], datetime.now(UTC)
    )
    outcome = JudgementOutcome(quantity, garden.thermometer.id, state, events)
    await garden.run("DELETE FROM peripherals WHERE id = :id", id=garden.thermometer.id)
    await write_eventful(garden.engine, garden.access, outcome, datetime.now(UTC))
    await garden.run("DELETE FROM plants")
    await write_eventful(garden.engine, garden.access, outcome, datetime.now(UTC))
    assert (await garden.alerts(), await garden.messages()) == ([], [])


async def test_the_pause_begins_when_the_message_was_accepted(garden: Garden) -> None:
    now = datetime.now(UTC)
    await garden.measure(10, at=now - timedelta(minutes=3))
    await garden.judge(now)
    await garden.measure(10, at=now - timedelta(minutes=2))
    await garden.judge(now + timedelta(minutes=30))
    assert await garden.messages() == [ATTENTION]  # it still waits to be sent
    await settle(garden, accepted=True)
    for hours, messages in ((11.9, 1), (12.1, 2)):
        later = datetime.now(UTC) + timedelta(hours=hours)
        await garden.run("DELETE FROM raw_measurements")
        await garden.measure(10, at=later)
        await garden.judge(later)
        assert len(await garden.messages()) == messages
    assert await garden.alerts() == [("low", True)]
    assert await garden.value("SELECT message_accepted_at IS NOT NULL FROM alerts")


async def test_a_message_that_was_given_up_is_tried_anew_an_hour_later(garden: Garden) -> None:
    await garden.measure(10, at=ago(minutes=2))
    await garden.judge()
    await settle(garden, accepted=False)
    await garden.measure(10, at=ago(minutes=1))
    await garden.judge()
    assert len(await garden.messages()) == 1
    later = datetime.now(UTC) + timedelta(minutes=61)
    await garden.measure(10, at=later)
    await garden.judge(later)
    assert len(await garden.messages()) == 2


async def test_who_has_seen_an_alert_is_not_reminded(garden: Garden) -> None:
    await garden.measure(10)
    await garden.judge()
    await settle(garden, accepted=True)
    await garden.run("UPDATE alerts SET seen_at = now()")
    later = datetime.now(UTC) + timedelta(hours=13)
    await garden.measure(10, at=later)
    await garden.judge(later)
    assert len(await garden.messages()) == 1


async def test_it_is_over_when_the_value_is_well_inside_and_those_who_want_are_told(garden: Garden) -> None:
    await garden.run(
        "INSERT INTO notification_preferences (user_id, when_over) VALUES (:flora, true)", flora=garden.flora
    )
    await garden.measure(10, at=ago(minutes=5))
    await garden.judge()
    await settle(garden, accepted=True)
    await garden.measure(18.44, at=ago(minutes=4))  # 5 % of the range are 0.45
    await garden.judge()
    assert await garden.alerts() == [("low", True)]
    back_at = ago(minutes=3)
    await garden.measure(18.45, at=back_at)
    await garden.judge()
    assert await garden.alerts() == [("low", False)]
    assert await garden.messages() == [ATTENTION, ("flora@example.org", "Monty: temperature back in range")]
    assert (await garden.bodies())[-1] == (
        "Monty: temperature back in range, now 18.45 °C.\n"
        "\n"
        "Target range: 18 to 27 °C\n"
        f"Back in range since: {back_at:%Y-%m-%d %H:%M} UTC\n"
    )


async def test_late_data_and_old_backlogs_do_not_alarm(garden: Garden) -> None:
    await garden.measure(20, at=ago(minutes=5))
    await garden.judge()
    await garden.measure(10, at=ago(minutes=6))  # older than what was judged
    await garden.judge()
    await garden.run("DELETE FROM alert_states")
    await garden.run("DELETE FROM raw_measurements")
    for hours in (3, 2, 1.1):
        await garden.measure(10, at=ago(hours=hours))
    await garden.judge()
    assert await garden.alerts() == []


async def test_a_reading_ahead_of_its_time_blinds_nobody(garden: Garden) -> None:
    await garden.measure(22, at=datetime.now(UTC) + timedelta(seconds=280))
    await garden.judge()
    await garden.measure(2)
    await garden.judge()
    assert await garden.alerts() == [("low", True)]


async def test_an_open_alert_does_not_end_by_a_reading_of_tomorrow(garden: Garden) -> None:
    await garden.measure(2)
    await garden.judge()
    await garden.measure(22, at=datetime.now(UTC) + timedelta(hours=23))
    await garden.judge()
    assert await garden.alerts() == [("low", True)]


async def test_a_reading_ahead_of_its_time_is_judged_when_it_has_come_although_nothing_else_comes(
    garden: Garden,
) -> None:
    async with judging(garden):
        await garden.measure(20)
        await until(lambda: garden.value("SELECT judged_until FROM alert_states"))
        await garden.measure(10, at=datetime.now(UTC) + timedelta(seconds=2))
        await until(lambda: opened(garden))
    assert await garden.value("SELECT began_at <= now() FROM alerts")


async def test_a_judgement_of_the_future_from_an_earlier_version_blinds_nobody(garden: Garden) -> None:
    await garden.measure(20)
    await garden.judge()
    await garden.run("UPDATE alert_states SET judged_until = now() + interval '20 hours'")
    await garden.measure(20)
    await garden.judge()
    assert await garden.value("SELECT judged_until <= now() FROM alert_states WHERE quantity_type_id = 1")
    await garden.measure(2)
    await garden.judge()
    assert await garden.alerts() == [("low", True)]


async def test_a_backlog_of_many_readings_is_judged_to_its_end(
    garden: Garden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hortus.domain.alerts.judged_quantities.MOST_READINGS_PER_KIT", 3)
    for minutes in range(10, 0, -1):
        await garden.measure(10 if minutes == 1 else 20, at=ago(minutes=minutes))
    async with judging(garden):
        await until(lambda: opened(garden))


async def test_the_preferred_sensor_judges_and_the_other_only_when_it_is_silent(garden: Garden) -> None:
    second = await garden.value(
        "INSERT INTO peripherals (kit_id, kit_configuration_id, peripheral_definition_id, name, configuration) "
        "SELECT kit_id, kit_configuration_id, peripheral_definition_id, 'zzz', configuration "
        "FROM peripherals WHERE id = :id RETURNING id",
        id=garden.thermometer.id,
    )
    other = replace(garden.thermometer, id=second)
    await garden.measure(20, at=ago(minutes=10))
    await garden.judge()
    await garden.measure(10, at=ago(minutes=9), thermometer=other)
    await garden.judge()
    assert await garden.alerts() == []
    later = datetime.now(UTC) + timedelta(hours=1)
    await garden.measure(10, at=later, thermometer=other)
    await garden.judge(later)
    assert await garden.alerts() == [("low", True)]


async def test_a_kit_that_the_owner_may_see_goes_before_one_of_which_sight_was_lost(garden: Garden) -> None:
    async with garden.engine.begin() as connection:
        kit = await KitStore().create(connection, NewKit(name="Balcony"))
        own, *_ = await add_standard_configuration(connection, kit.id)
    await garden.join(garden.flora, kit_id=kit.id)
    await garden.run(
        "INSERT INTO plant_links (plant_id, kit_id, linked_from) VALUES (:plant, :kit, :since)",
        plant=garden.plant,
        kit=kit.id,
        since=ago(days=1),
    )

    async def judged(celsius: float) -> list[tuple[str, bool]]:
        """Measure this on the balcony, and a value in range on the roof, whose sensor is preferred."""
        at = datetime.now(UTC)
        await garden.measure(20, at=at)
        await garden.measure(celsius, at=at, thermometer=own)
        await judge_kits(garden.connection, garden.engine, garden.access, {garden.kit.id, kit.id}, at)
        return await garden.alerts()

    assert await judged(5) == []
    await garden.run("DELETE FROM kit_memberships WHERE kit_id = :kit", kit=garden.kit.id)
    assert await judged(5) == [("low", True)]
    assert await garden.messages() == [("flora@example.org", "Monty: temperature 5 °C, below 18 °C")]
    # A kit with a public dashboard may be seen by everyone.
    await garden.run("UPDATE kits SET privacy_public_dashboard = true WHERE id = :kit", kit=garden.kit.id)
    assert await judged(5) == [("low", False)]
    # A quantity that no other kit measures is still judged, for members who asked for it.
    await garden.run("UPDATE kits SET privacy_public_dashboard = false")
    await garden.run("DELETE FROM plant_links WHERE kit_id = :kit", kit=kit.id)
    await garden.measure(5)
    await garden.judge()
    assert (await garden.alerts())[-1] == ("low", True)


async def test_for_a_silent_sensor_the_last_hour_is_read_once_in_a_while_and_whole_when_it_speaks(
    garden: Garden,
) -> None:
    pressure = await garden.value(
        "SELECT id FROM peripherals WHERE kit_id = :kit AND name = 'Pressure'", kit=garden.kit.id
    )
    other = replace(garden.thermometer, id=pressure)  # which nothing judges
    start = datetime.now(UTC) - timedelta(minutes=30)
    for minutes in range(60):
        await garden.measure(1, at=start - timedelta(minutes=minutes, seconds=1), thermometer=other)
    looking_back = LookingBack()

    async def read(seconds: float) -> int:
        """Return how many readings are read at this time after the start; they are judged, too."""
        now = start + timedelta(seconds=seconds)
        kits = {garden.kit.id}
        quantities = await judged_quantities(garden.connection, kits)
        found = await new_readings(garden.connection, kits, quantities, now, {}, looking_back)
        await judge_kits(garden.connection, garden.engine, garden.access, kits, now)
        return sum(map(len, found.by_series.values()))

    assert await read(0) == 60
    assert [await read(seconds) for seconds in (2, 30, 58)] == [2, 2, 2]
    assert await read(60) == 59
    # Readings of the period in between are not missed, although the first is older than the look-back.
    for minutes in (10, 1):
        await garden.measure(5, at=start + timedelta(seconds=61) - timedelta(minutes=minutes))
    assert await read(61) == 59 + 2
    assert await garden.value("SELECT began_at FROM alerts") == start + timedelta(seconds=61, minutes=-10)


async def test_what_came_late_is_judged_with_the_next_look_back_although_nothing_else_comes(
    garden: Garden,
) -> None:
    async with judging(garden):
        await garden.measure(20, at=ago(minutes=40))
        await until(lambda: garden.value("SELECT judged_until FROM alert_states"))
        await garden.measure(10, at=ago(minutes=30))
        await until(lambda: opened(garden))


async def test_only_who_may_see_the_kit_is_told_and_members_if_they_want(garden: Garden) -> None:
    member, silent_member = await garden.person("member"), await garden.person("silent")
    await garden.join(member)
    await garden.join(silent_member)
    await garden.run(
        "INSERT INTO notification_preferences (user_id, of_shared_kits) VALUES (:member, true)", member=member
    )
    await garden.run("DELETE FROM kit_memberships WHERE user_id = :flora", flora=garden.flora)
    await garden.measure(10)
    await garden.judge()
    assert await garden.messages() == [("member@example.org", COLD)]
    await garden.run("UPDATE kits SET privacy_public_dashboard = true")
    later = datetime.now(UTC) + timedelta(hours=13)
    await settle(garden, accepted=True)
    await garden.measure(10, at=later)
    await garden.judge(later)
    assert (await garden.messages())[1:] == [ATTENTION, ("member@example.org", COLD)]


async def test_without_anybody_to_tell_the_alert_is_there_and_somebody_is_looked_for_again(
    garden: Garden,
) -> None:
    with_mail, garden.access = garden.access, replace(garden.access, mail=None)
    await garden.measure(10, at=ago(minutes=1))
    await garden.judge()
    assert (await garden.alerts(), await garden.messages()) == ([("low", True)], [])
    garden.access = with_mail
    later = datetime.now(UTC) + timedelta(minutes=11)
    await garden.measure(10, at=later)
    await garden.judge(later)
    assert await garden.messages() == [ATTENTION]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE plant_links SET linked_until = now()",
        "UPDATE plant_alert_settings SET enabled = false",
        "DELETE FROM plant_ranges",
    ],
)
async def test_an_alert_that_nothing_judges_any_more_is_withdrawn(garden: Garden, statement: str) -> None:
    await garden.measure(10)
    await garden.judge()
    await withdraw_unjudged(garden.engine)
    assert await garden.alerts() == [("low", True)]
    await garden.run(statement)
    await withdraw_unjudged(garden.engine)
    assert await garden.alerts() == [("low", False)]
    assert await garden.value("SELECT ending FROM alerts") == "withdrawn"


async def test_a_service_that_is_deleted_with_its_messages_leaves_nobody_untold(garden: Garden) -> None:
    await garden.measure(10, at=ago(minutes=2))
    await garden.judge()
    assert await garden.messages() == [ATTENTION]
    await garden.run("DELETE FROM messages")  # as the deletion of a service, or of a person, does
    watch = SilenceWatch(garden.engine, garden.access, since=datetime.now(UTC))
    await watch.look(datetime.now(UTC) + timedelta(minutes=16))
    await garden.run("DELETE FROM messages")
    await forget_lost_messages(garden.engine)
    await garden.measure(10, at=ago(minutes=1))
    await garden.judge()
    await watch.look(datetime.now(UTC) + timedelta(minutes=17))
    assert sorted(await garden.messages()) == [ATTENTION, ("flora@example.org", "Roof is silent")]


async def test_a_message_that_waits_is_not_asked_for_again(garden: Garden) -> None:
    await garden.measure(10, at=ago(minutes=2))
    await garden.judge()
    await forget_lost_messages(garden.engine)
    await garden.measure(10, at=ago(minutes=1))
    await garden.judge()
    assert await garden.messages() == [ATTENTION]


async def test_an_alert_of_a_deleted_configuration_ends_and_is_judged_anew_when_it_is_back(
    garden: Garden,
) -> None:
    await garden.measure(10)
    await garden.judge()
    assert await garden.alerts() == [("low", True)]
    configuration_id = await delete_configuration_of(garden.engine, garden.thermometer.id)
    await garden.judge()
    assert await garden.alerts() == [("low", True)]
    await withdraw_unjudged(garden.engine)
    assert await garden.alerts() == [("low", False)]
    assert await garden.value("SELECT ending FROM alerts") == "withdrawn"
    assert await garden.value("SELECT count(*) FROM alert_states WHERE quantity_type_id = 1") == 0
    await bring_back(garden.engine, configuration_id)
    await garden.measure(20)
    await garden.judge()
    assert not any(is_open for _, is_open in await garden.alerts())
    await garden.measure(10)
    await garden.judge()
    assert (await garden.alerts())[-1] == ("low", True)


async def test_what_was_read_before_its_configuration_was_deleted_opens_no_alert(garden: Garden) -> None:
    [quantity] = await judged_quantities(garden.connection, {garden.kit.id})
    now = datetime.now(UTC)
    state, events = judge_all(quantity.state, quantity.rule, [JudgedReading(at=now, value=10)], now)
    assert events
    await delete_configuration_of(garden.engine, garden.thermometer.id)
    for some in (events, events[:1]):
        outcome = JudgementOutcome(quantity, garden.thermometer.id, state, some)
        await write_eventful(garden.engine, garden.access, outcome, now)
    assert await garden.alerts() == []
    assert await garden.messages() == []
