"""Accounts at a real Mosquitto, kept in sync with a real database."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hortus.domain.definitions.store import load_definitions
from hortus.domain.kits.broker_verifier import broker_verifier
from hortus.domain.kits.tables import KitRow
from hortus.flow.broker.accounts import Reconciliation
from hortus.flow.broker.changes import PasswordCipher, note_kit_deleted, note_password_set
from hortus.flow.broker.commands import seed, sync
from hortus.flow.broker.control import ControlClient
from hortus.flow.broker.synchroniser import BrokerSynchroniser, SynchroniserBusyError
from hortus.flow.broker.tables import BrokerAccountChangeRow
from hortus.flow.gateway.boards import register_board
from hortus.flow.migrations.migrate import upgrade
from hortus.protocol.mqtt.client import (
    BrokerAddress,
    BrokerUnreachableError,
    ClientLimits,
    MqttClient,
)
from mosquitto_process import SERVICES, Mosquitto
from programs import free_port
from waiting import until

CIPHER = PasswordCipher("a secret of the installation")
QUICK = ClientLimits(reconnect_first_seconds=0.05, reconnect_most_seconds=0.2)
RAW = "kit/{}/measurement/raw"


@pytest.fixture
async def engine(module_database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(module_database_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    await upgrade(engine)
    async with engine.begin() as connection:
        await connection.execute(text("TRUNCATE kits, broker_account_changes CASCADE"))
    yield engine
    await engine.dispose()


async def create_kit(
    engine: AsyncEngine, serial: str, password: str, *, note: bool = True, cipher: PasswordCipher = CIPHER
) -> None:
    async with engine.begin() as connection:
        verifier = broker_verifier(password)
        await connection.execute(
            insert(KitRow).values(serial=serial, password_hash="unused here", broker_password=verifier)
        )
        if note:
            await note_password_set(connection, cipher, serial, password)


async def change_password(engine: AsyncEngine, serial: str, password: str) -> None:
    async with engine.begin() as connection:
        await note_password_set(connection, CIPHER, serial, password)


async def delete_kit(engine: AsyncEngine, serial: str, *, note: bool = True) -> None:
    async with engine.begin() as connection:
        await connection.execute(delete(KitRow).where(KitRow.serial == serial))
        if note:
            await note_kit_deleted(connection, serial)


async def waiting(engine: AsyncEngine) -> list[tuple[str, str | None]]:
    row = BrokerAccountChangeRow
    async with engine.connect() as connection:
        found = await connection.execute(select(row.serial, row.failure).order_by(row.id))
        return [(serial, failure) for serial, failure in found]


async def can_publish(broker: Mosquitto, serial: str, password: str) -> bool:
    code = await broker.publish(serial, password, RAW.format(serial), [b"x"], "-V", "mqttv311")
    return code == 0


@contextlib.asynccontextmanager
async def synchronising(engine: AsyncEngine, address: BrokerAddress) -> AsyncIterator[BrokerSynchroniser]:
    synchroniser = BrokerSynchroniser(
        engine,
        address,
        CIPHER,
        poll_seconds=0.02,
        retry_most_seconds=0.1,
        connect_patience_seconds=0.5,
        limits=QUICK,
    )
    running = asyncio.create_task(synchroniser.run())
    try:
        yield synchroniser
    finally:
        synchroniser.stop()
        await running


async def test_a_new_kit_can_log_in_and_its_note_is_gone(mosquitto: Mosquitto, engine: AsyncEngine) -> None:
    async with synchronising(engine, mosquitto.control_address) as synchroniser:
        await until(lambda: synchroniser.last_reconciliation)
        await create_kit(engine, "k-new", "first")
        await until(lambda: synchroniser.applied == 1)
        assert await can_publish(mosquitto, "k-new", "first")
        assert not await can_publish(mosquitto, "k-new", "other")
        assert await waiting(engine) == []


async def test_a_new_password_replaces_the_old_one_and_cuts_its_connections(
    mosquitto: Mosquitto, engine: AsyncEngine
) -> None:
    await create_kit(engine, "k-new", "old")
    async with synchronising(engine, mosquitto.control_address) as synchroniser:
        await until(lambda: synchroniser.applied == 1)
        kit = MqttClient(mosquitto.address("k-new", "old"), client_id="kit", limits=QUICK)
        running = asyncio.create_task(kit.run())
        await kit.wait_until_ready()
        await change_password(engine, "k-new", "new")
        await until(lambda: synchroniser.applied == 2)
        await until(lambda: kit.last_failure and "rejected the account 'k-new'" in kit.last_failure)
        await kit.stop()
        await running
        assert await can_publish(mosquitto, "k-new", "new")
        assert not await can_publish(mosquitto, "k-new", "old")


async def test_a_deleted_kit_is_cut_off(mosquitto: Mosquitto, engine: AsyncEngine) -> None:
    await create_kit(engine, "k-new", "pw")
    async with synchronising(engine, mosquitto.control_address) as synchroniser:
        await until(lambda: synchroniser.applied == 1)
        kit = MqttClient(mosquitto.address("k-new", "pw"), client_id="kit", limits=QUICK)
        running = asyncio.create_task(kit.run())
        await kit.wait_until_ready()
        await delete_kit(engine, "k-new")
        await until(lambda: kit.last_failure and "rejected the account 'k-new'" in kit.last_failure)
        await kit.stop()
        await running
        await until(lambda: synchroniser.applied == 2)
    assert "k-new" not in mosquitto.security_file.read_text()


async def test_changes_are_applied_in_their_order(mosquitto: Mosquitto, engine: AsyncEngine) -> None:
    await create_kit(engine, "k-new", "first")
    await delete_kit(engine, "k-new")
    await create_kit(engine, "k-new", "second")
    await change_password(engine, "k-new", "third")
    async with synchronising(engine, mosquitto.control_address) as synchroniser:
        await until(lambda: synchroniser.applied == 4)
        assert await can_publish(mosquitto, "k-new", "third")
        assert not await can_publish(mosquitto, "k-new", "second")


async def test_the_database_never_holds_a_readable_password(engine: AsyncEngine) -> None:
    await create_kit(engine, "k-new", "plain-as-day")
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT t::text FROM broker_account_changes t"))
        content = rows.scalars().all()
        raw = (await connection.execute(select(BrokerAccountChangeRow.encrypted_password))).scalar_one()
    assert raw is not None
    assert b"plain-as-day" not in raw
    assert "plain-as-day" not in str(content)
    assert CIPHER.decrypt(raw) == "plain-as-day"


async def test_changes_wait_while_the_broker_is_away(
    mosquitto: Mosquitto, engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with synchronising(engine, mosquitto.control_address) as synchroniser:
        await until(lambda: synchroniser.last_reconciliation)
        mosquitto.stop(signal.SIGKILL)
        await create_kit(engine, "k-new", "pw")
        await until(lambda: synchroniser.last_failure)
        assert await waiting(engine) == [("k-new", None)]
        mosquitto.start()
        await until(lambda: synchroniser.applied == 1)
        assert await can_publish(mosquitto, "k-new", "pw")
        await until(lambda: synchroniser.last_failure is None)
    assert await waiting(engine) == []


async def test_accounts_survive_a_kill_of_the_broker(mosquitto: Mosquitto, engine: AsyncEngine) -> None:
    await create_kit(engine, "k-new", "pw")
    await sync(engine, mosquitto.control_address, CIPHER)
    mosquitto.stop(signal.SIGKILL)
    mosquitto.start()
    assert await can_publish(mosquitto, "k-new", "pw")


async def test_a_broker_that_comes_back_with_another_file_is_compared_again(
    mosquitto: Mosquitto, engine: AsyncEngine
) -> None:
    await create_kit(engine, "k-one", "one", note=False)
    async with synchronising(engine, mosquitto.control_address) as synchroniser:
        await until(lambda: synchroniser.last_reconciliation == Reconciliation())
        mosquitto.stop()
        mosquitto.seed([("k-one", "one"), ("k-left-over", "x")])
        mosquitto.start()
        await until(lambda: synchroniser.last_reconciliation == Reconciliation(deleted=("k-left-over",)))
    assert not await can_publish(mosquitto, "k-left-over", "x")


async def test_a_full_comparison_puts_everything_right_and_says_what_it_cannot(
    mosquitto: Mosquitto, engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    mosquitto.stop()
    mosquitto.seed([("k-one", "one"), ("k-wide", "wide"), ("k-gone", "gone")])
    document = json.loads(mosquitto.security_file.read_text())
    roles = {role["rolename"]: role for role in document["roles"]}
    everything = {"acltype": "publishClientSend", "topic": "#", "priority": 0, "allow": True}
    roles["hortus-kit:k-wide"]["acls"].append(everything)
    roles["hortus-server"]["acls"].pop()
    document["roles"].append({"rolename": "hortus-kit:k-orphan", "acls": []})
    document["clients"].append({"username": "k-conflict", "roles": [{"rolename": "hortus-server"}]})
    document["defaultACLAccess"]["publishClientReceive"] = True
    mosquitto.security_file.write_text(json.dumps(document))
    mosquitto.start()
    for serial in ("k-one", "k-wide", "k-missing", "k-conflict"):
        await create_kit(engine, serial, "unknown", note=False)
    found = await sync(engine, mosquitto.control_address, CIPHER)
    assert found == Reconciliation(
        deleted=("k-gone",),
        corrected=("k-wide",),
        service_roles=("hortus-server", "default access"),
        missing=("k-missing",),
        conflicts=("k-conflict",),
    )
    assert "set new ones (hortus kit password)" in caplog.text
    assert await can_publish(mosquitto, "k-one", "one")
    assert await can_publish(mosquitto, "k-wide", "wide")
    assert not await can_publish(mosquitto, "k-gone", "gone")
    again = await sync(engine, mosquitto.control_address, CIPHER)
    assert again == Reconciliation(missing=("k-missing",), conflicts=("k-conflict",))
    async with ControlClient(mosquitto.control_address) as control:
        await control.wait_until_ready(5)
        listed = {role["rolename"]: role for role in await control.list_all("listRoles", "roles")}
    assert "hortus-kit:k-orphan" not in listed
    assert everything not in listed["hortus-kit:k-wide"]["acls"]


async def test_more_kits_than_a_page_are_compared(mosquitto: Mosquitto, engine: AsyncEngine) -> None:
    mosquitto.stop()
    mosquitto.seed([(f"k-{number}", "pw") for number in range(1201)])
    mosquitto.start()
    async with engine.begin() as connection:
        kits = [{"serial": f"k-{number}", "password_hash": ""} for number in range(1200)]
        await connection.execute(insert(KitRow), kits)
    found = await sync(engine, mosquitto.control_address, CIPHER)
    assert found == Reconciliation(deleted=("k-1200",))


async def test_boards_are_no_accounts_and_nobody_misses_them(
    mosquitto: Mosquitto, engine: AsyncEngine, tmp_path: Path
) -> None:
    async with engine.begin() as connection:
        await load_definitions(connection)
        board = await register_board(connection, name="Mint")
    await create_kit(engine, "k-missing", "unknown", note=False)
    assert (await sync(engine, mosquitto.control_address, CIPHER)).missing == ("k-missing",)
    seeded = await seed(engine, tmp_path / "seeded.json", SERVICES)
    assert (seeded.kits, seeded.without_password) == (1, ())
    assert board.serial not in (tmp_path / "seeded.json").read_text()


async def test_a_kit_never_takes_over_the_account_of_a_service(
    mosquitto: Mosquitto, engine: AsyncEngine
) -> None:
    await create_kit(engine, "hortus", "mine now")
    await create_kit(engine, "k-new", "pw")
    found = await sync(engine, mosquitto.control_address, CIPHER)
    assert found.conflicts == ("hortus",)
    assert await can_publish(mosquitto, "k-new", "pw")
    [(serial, failure)] = await waiting(engine)
    assert serial == "hortus"
    assert failure is not None
    assert "not a kit's" in failure
    server = MqttClient(mosquitto.address(), client_id="still-here")
    running = asyncio.create_task(server.run())
    await server.wait_until_ready()
    await server.stop()
    await running
    await delete_kit(engine, "hortus")
    await sync(engine, mosquitto.control_address, CIPHER)
    assert await waiting(engine) == []
    assert '"hortus"' in mosquitto.security_file.read_text()


async def test_a_password_that_cannot_be_read_is_set_aside_and_a_new_one_settles_it(
    mosquitto: Mosquitto, engine: AsyncEngine
) -> None:
    await create_kit(engine, "k-new", "lost", cipher=PasswordCipher("another secret"))
    found = await sync(engine, mosquitto.control_address, CIPHER)
    assert found.missing == ("k-new",)
    [(_, failure)] = await waiting(engine)
    assert failure is not None
    assert "give the kit a new password" in failure
    await change_password(engine, "k-new", "found")
    assert (await sync(engine, mosquitto.control_address, CIPHER)).missing == ()
    assert await can_publish(mosquitto, "k-new", "found")
    assert await waiting(engine) == []


async def test_only_one_synchroniser_works_and_the_next_takes_over(
    mosquitto: Mosquitto, engine: AsyncEngine
) -> None:
    async with synchronising(engine, mosquitto.control_address) as second:
        await until(lambda: second.last_reconciliation)
        with pytest.raises(SynchroniserBusyError):
            await sync(engine, mosquitto.control_address, CIPHER)
        async with synchronising(engine, mosquitto.control_address) as third:
            await create_kit(engine, "k-new", "pw")
            await until(lambda: second.applied == 1)
            assert not third.active
            second.stop()
            await until(lambda: third.active)
            await change_password(engine, "k-new", "next")
            await until(lambda: third.applied == 1)
    assert await can_publish(mosquitto, "k-new", "next")


async def test_a_broken_database_connection_hands_on_the_lock_and_work_goes_on(
    mosquitto: Mosquitto, engine: AsyncEngine
) -> None:
    async with synchronising(engine, mosquitto.control_address) as synchroniser:
        await until(lambda: synchroniser.last_reconciliation)
        async with engine.connect() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks "
                    "WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                )
            )
        await until(lambda: synchroniser.last_failure)
        assert synchroniser.last_failure is not None
        assert "\n" not in synchroniser.last_failure
        await create_kit(engine, "k-new", "pw")
        await until(lambda: synchroniser.applied == 1)


async def test_a_broker_seeded_from_the_database_knows_every_kit(tmp_path: Path, engine: AsyncEngine) -> None:
    await create_kit(engine, "k-a", "password a", note=False)
    await create_kit(engine, "k-b", "password b", note=False)
    async with engine.begin() as connection:
        await connection.execute(insert(KitRow).values(serial="k-old", password_hash="of another system"))
    broker = Mosquitto(tmp_path)
    report = await seed(engine, broker.security_file, SERVICES, overwrite=True)
    assert (report.kits, report.without_password) == (2, ("k-old",))
    with broker.start():
        assert await can_publish(broker, "k-a", "password a")
        assert await can_publish(broker, "k-b", "password b")
        assert not await can_publish(broker, "k-a", "password b")
        found = await sync(engine, broker.control_address, CIPHER)
        assert found == Reconciliation(missing=("k-old",))


async def test_a_broker_that_is_not_there_is_said(engine: AsyncEngine) -> None:
    address = BrokerAddress(host="127.0.0.1", port=free_port(), username="x", password="y")
    synchroniser = BrokerSynchroniser(engine, address, CIPHER, connect_patience_seconds=0.1, limits=QUICK)
    with pytest.raises(BrokerUnreachableError, match="no connection to the broker"):
        await synchroniser.sync_once()


async def test_an_account_without_rights_to_control_is_said(mosquitto: Mosquitto, engine: AsyncEngine) -> None:
    synchroniser = BrokerSynchroniser(
        engine, mosquitto.address(), CIPHER, connect_patience_seconds=3.0, limits=QUICK
    )
    with pytest.raises(BrokerUnreachableError, match="not authorized"):
        await synchroniser.sync_once()
