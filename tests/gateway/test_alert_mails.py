"""From a board's request to the mail that its owner reads: gateway, spool, pipeline, judge, queue, SMTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gateway_harness import gateway, reading, send
from sqlalchemy import text

from garden import add_person
from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.domain.alerts.judge import AlertJudge, JudgeLimits
from hortus.domain.alerts.message_ends import note_message_end
from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.delivery import DeliveryLimits, MessageDelivery
from hortus.domain.messages.mail_account import MailAccount, Security
from hortus.domain.messages.sealing import Seal
from hortus.domain.plants.built_in_species import load_species
from hortus.flow.gateway.boards import register_board
from hortus.flow.gateway.service import to_local_installation
from ingest_world import World
from mail_server import mail_server, text_of
from programs import free_port
from waiting import until

SEAL = Seal(b"the key of an installation, for tests")
JUDGE = JudgeLimits(gather_seconds=0.01, sweep_seconds=0.5, standby_seconds=0.05)
DELIVERY = DeliveryLimits(first_pause_seconds=0.05, longest_pause_seconds=0.1, poll_seconds=0.02)


def simulated(sensor_id: int, *, temperature: float, humidity: int, light: int) -> bytes:
    """The request of PlantKeeper's simulator: its order of keys, its spaces, its headers."""
    body = json.dumps(
        {"temperature": temperature, "humidity": humidity, "light": light, "id": sensor_id}
    ).encode()
    return (
        b"POST /sensor-data HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: python-requests/2.28.2\r\n"
        b"Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n"
        b"Content-Length: %d\r\nContent-Type: application/json\r\n\r\n%s" % (len(body), body)
    )


async def plant_by_board(world: World) -> int:
    """Register board 7 of flora's, which measures a Monstera named Monty; return the plant's id."""
    async with world.engine.begin() as connection:
        await load_species(connection)
        board = await register_board(connection, name="Window sill", sensor_id=7)
        user_id = await add_person(connection, "flora")
        statement = text(
            "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure) "
            "SELECT :owner, id, now(), true, true FROM kits WHERE serial = :serial"
        )
        await connection.execute(statement, {"owner": user_id, "serial": board.serial})
        statement = text(
            "INSERT INTO plants (owner_id, name, species_id) "
            "SELECT :owner, :name, id FROM species WHERE key = 'monstera' RETURNING id"
        )
        parameters = {"owner": user_id, "name": "Monty\nBcc: x@example.org"}
        plant_id = await connection.scalar(statement, parameters)
        await connection.execute(
            text(
                "INSERT INTO plant_links (plant_id, kit_id, linked_from) "
                "SELECT :plant, id, now() - interval '1 hour' FROM kits WHERE serial = :serial"
            ),
            {"plant": plant_id, "serial": board.serial},
        )
        await connection.execute(
            text("INSERT INTO plant_alert_settings (plant_id, hold_seconds) VALUES (:plant, 0)"),
            {"plant": plant_id},
        )
    assert plant_id is not None
    return int(plant_id)


@asynccontextmanager
async def working(world: World, directory: Path, account: MailAccount) -> AsyncIterator[int]:
    """Run gateway, judge and delivery on the world's database; yield the gateway's port."""
    access = MessageAccess(seal=SEAL, mail=account, public_url="https://garden.example")
    connect = connector(DatabaseUrl.parse(world.url), "hortus alerts")
    judge = AlertJudge(connect, world.engine, access, limits=JUDGE)
    delivery = MessageDelivery(world.engine, SEAL, access.carriers(), limits=DELIVERY, ended=note_message_end)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(
            gateway(directory, to_local_installation(world.engine, world.pipeline))
        )
        tasks = [asyncio.create_task(judge.run()), asyncio.create_task(delivery.run())]
        try:
            yield port
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_dry_plant_makes_one_mail_that_says_everything(world: World, tmp_path: Path) -> None:
    await plant_by_board(world)
    async with mail_server(tmp_path) as server, working(world, tmp_path, server.account()) as port:
        reply = await send(port, simulated(7, temperature=22.5, humidity=23, light=900))
        assert (reply.status, reply.body) == (200, {"message": "Data successfully received"})
        await until(lambda: len(server.mails) == 1)
        for _ in range(3):  # it stays dry: one alert, and no further mail within the pause
            await send(port, simulated(7, temperature=22.5, humidity=22, light=900))

        async def all_judged() -> bool:
            return bool(
                await world.connection.fetchval(
                    "SELECT (SELECT count(*) FROM raw_measurements) = 12 AND NOT EXISTS ("
                    " SELECT 1 FROM alert_states AS s JOIN raw_measurements AS r "
                    " ON r.peripheral_id = s.peripheral_id AND r.quantity_type_id = s.quantity_type_id "
                    " AND r.datetime > s.judged_until)"
                )
            )

        await until(all_judged)
    [mail] = server.mails
    assert server.envelopes == [("hortus@garden.example", ["flora@example.org"])]
    assert mail["Subject"] == "Monty Bcc: x@example.org: soil moisture 23 %, below 40 %"
    assert mail["Bcc"] is None
    alert_id, began_at = await world.connection.fetchrow("SELECT id, began_at FROM alerts")
    assert text_of(mail) == (
        "Monty Bcc: x@example.org: soil moisture 23 %, below 40 %.\n"
        "The soil is too dry.\n"
        "\n"
        "Target range: 40 to 60 %\n"
        "Measured by: Window sill\n"
        f"Out of range since: {began_at:%Y-%m-%d %H:%M} UTC\n"
        "\n"
        f"https://garden.example/alerts/{alert_id}\n"
    )
    assert await world.connection.fetchval("SELECT count(*) FROM alerts") == 1


async def test_the_board_is_answered_and_the_mail_waits_while_the_mail_server_is_away(
    world: World, tmp_path: Path
) -> None:
    await plant_by_board(world)
    async with mail_server(tmp_path, port=free_port()) as server:
        account = server.account()
    async with working(world, tmp_path, account) as port:
        assert (await send(port, reading(7, humidity=90))).status == 200

        async def tried() -> bool:
            return bool(await world.connection.fetchval("SELECT bool_or(attempts >= 2) FROM messages"))

        await until(tried)
        state = await world.connection.fetchrow("SELECT * FROM alert_states WHERE open IS NOT NULL")
        assert (state["message_waiting"], state["quiet_until"]) == (True, None)  # no pause has begun
        async with mail_server(tmp_path, security=Security.STARTTLS, port=account.port) as server:
            await until(lambda: len(server.mails) == 1)
            assert "soil moisture 90 %, above 60 %.\nThe soil is too wet.\n" in text_of(server.mails[0])

            async def paused() -> bool:
                return bool(
                    await world.connection.fetchval(
                        "SELECT bool_and(NOT message_waiting AND quiet_until > now() + interval '11 hours') "
                        "FROM alert_states WHERE open IS NOT NULL"
                    )
                )

            await until(paused)


async def test_a_mail_server_that_hangs_keeps_no_reading_waiting(world: World, tmp_path: Path) -> None:
    await plant_by_board(world)
    async with mail_server(tmp_path) as server, working(world, tmp_path, server.account()) as port:
        server.hangs.set()
        await send(port, reading(7, humidity=10))
        await until(lambda: server.attempts == 1)
        await send(port, reading(7, humidity=50))

        async def over() -> bool:
            return bool(await world.connection.fetchval("SELECT bool_and(over_at IS NOT NULL) FROM alerts"))

        await until(over)
        assert server.mails == []
        server.released.set()
        await until(lambda: len(server.mails) == 1)
