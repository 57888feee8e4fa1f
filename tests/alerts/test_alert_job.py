"""The job that judges: it follows what is stored, one process at a time, and nothing holds it up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from alert_garden import ATTENTION, QUICK, ago, judging, opened

from garden import Garden
from hortus.app.supervision import process_supervisor
from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.base.supervision import RestartPauses
from hortus.domain.alerts.judge import AlertJudge
from hortus.domain.kits.store import KitStore, NewKit, add_standard_configuration
from waiting import until


async def test_what_was_stored_while_nobody_judged_and_what_comes_then_is_judged(garden: Garden) -> None:
    await garden.measure(10, at=ago(minutes=2))
    async with judging(garden):
        await until(lambda: opened(garden))
        await garden.measure(20, at=ago(minutes=1))

        async def over() -> bool:
            return await garden.alerts() == [("low", False)]

        await until(over)


async def test_of_two_judges_one_stands_by_and_takes_over(garden: Garden) -> None:
    async with judging(garden), judging(garden):

        async def one_listens() -> bool:
            return await holders(garden) == 1

        await until(one_listens)
        await garden.run(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        await garden.measure(10)
        await until(lambda: opened(garden))
    assert await garden.messages() == [ATTENTION]


async def test_a_judge_that_lost_its_connection_is_started_again_and_hears_what_comes_then(
    garden: Garden,
) -> None:
    """Nothing but the lost connection wakes it: no reading comes meanwhile, and no sweep is due."""
    connect = connector(DatabaseUrl.parse(garden.url), "hortus alerts")
    judge = AlertJudge(connect, garden.engine, garden.access, limits=replace(QUICK, sweep_seconds=3600))
    async with process_supervisor(RestartPauses(first_seconds=0.01)) as supervisor:
        supervisor.start("alerts", judge.run)
        await garden.measure(20)

        async def judged() -> bool:
            return bool(await garden.value("SELECT count(*) FROM alert_states WHERE judged_until IS NOT NULL"))

        await until(judged)
        await garden.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hortus alerts' "
            "AND datname = current_database()"
        )
        await until(lambda: supervisor.look()[0].restarts == 1, "the judge is started again")
        await garden.measure(10)
        await until(lambda: opened(garden))


async def holders(garden: Garden) -> int:
    return int(
        await garden.value(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    )


async def test_readings_that_nothing_judges_hold_up_no_other_kit(
    garden: Garden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hortus.domain.alerts.judged_quantities.MOST_READINGS_PER_KIT", 3)
    chatty = await garden.value(
        "SELECT id FROM peripherals WHERE kit_id = :kit AND id <> :id LIMIT 1",
        kit=garden.kit.id,
        id=garden.thermometer.id,
    )
    for minutes in range(20, 0, -1):
        await garden.measure(5, at=ago(minutes=minutes), thermometer=replace(garden.thermometer, id=chatty))
    await garden.measure(10, at=ago(seconds=10))
    async with judging(garden):
        await until(lambda: opened(garden))


async def test_a_kit_that_cannot_be_judged_holds_up_no_other_kit(
    garden: Garden, caplog: pytest.LogCaptureFixture
) -> None:
    async with garden.engine.begin() as connection:
        other = await KitStore().create(connection, NewKit(name="Cellar"))
        thermometer, *_ = await add_standard_configuration(connection, other.id)
    ill = await garden.value(
        "INSERT INTO plants (owner_id, name) VALUES (:flora, 'Ill') RETURNING id", flora=garden.flora
    )
    await garden.run("INSERT INTO plant_ranges VALUES (:plant, 1, 18, 27)", plant=ill)
    await garden.run(
        "INSERT INTO plant_links (plant_id, kit_id, linked_from) VALUES (:plant, :kit, :since)",
        plant=ill,
        kit=other.id,
        since=ago(days=10),
    )
    await garden.connection.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '22008'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON alert_states "
        f"FOR EACH ROW WHEN (NEW.plant_id = {ill}) EXECUTE FUNCTION refuse()"
    )

    async def said_so() -> bool:
        return f"cannot judge the readings of the kit with id {other.id}" in caplog.text

    try:
        await garden.measure(10, at=ago(minutes=2), thermometer=thermometer)
        await garden.measure(10, at=ago(minutes=2))
        async with judging(garden) as task:
            await until(lambda: opened(garden))
            await until(said_so)  # the kits are judged in the order of their ids: the ill one comes last
            assert not task.done()
        assert await garden.messages() == [ATTENTION]
    finally:
        await garden.connection.execute("DROP TRIGGER refuse ON alert_states; DROP FUNCTION refuse")
