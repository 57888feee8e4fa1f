"""`/admin/set-aside`, `/admin/devices` and `/admin/storage`."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from web_helpers import client_of, log_in, make_kit, make_user

from hortus.base.database.partitions import Month
from hortus.domain.administration.log import list_deeds
from hortus.domain.administration.storage import growth
from hortus.domain.kits.identity import verify_password
from hortus.flow.gateway.gateways import add_gateway

_MESSAGE = text(
    "INSERT INTO quarantine (received_at, kit_id, stream, reason, detail, topic, payload, payload_bytes) "
    "VALUES (now(), :kit, 'raw', :reason, 'Something is wrong.', :topic, '\\x0102', 2)"
)
_BOARD = text(
    "INSERT INTO waiting_boards (gateway_id, sensor_id, first_contact_at, last_contact_at, kept, dropped) "
    "SELECT id, :sensor, now() - interval '3 days', now(), 0, 4 FROM gateways WHERE name = 'greenhouse'"
)


@pytest.fixture
async def client(own_engine):
    async with own_engine.begin() as connection:
        await make_user(connection, "root", is_admin=True)
    async with client_of(own_engine) as client:
        await log_in(client, "root")
        yield client


async def set_aside(engine, *messages: tuple[int, str, str]) -> None:
    async with engine.begin() as connection:
        for kit, reason, topic in messages:
            await connection.execute(_MESSAGE, {"kit": kit, "reason": reason, "topic": topic})


async def count(engine, table: str) -> int:
    async with engine.connect() as connection:
        return await connection.scalar(text(f"SELECT count(*) FROM {table}"))


async def deeds(engine) -> list[tuple[str, str, int]]:
    async with engine.connect() as connection:
        found = await list_deeds(connection, before_id=None, most=20)
    return [(each.deed, each.subject, each.count) for each in found]


# Set aside


async def test_messages_of_all_kits_are_listed_and_filtered(client, own_engine):
    async with own_engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
    await set_aside(
        own_engine,
        (kit.id, "time-in-future", f"kit/{kit.serial}/measurement/raw"),
        (0, "unknown-kit", "kit/k-1/measurement/raw"),
    )
    page = (await client.get("/admin/set-aside")).text
    assert kit.serial in page
    assert "No kit with this serial is registered here." in page
    assert "Something is wrong." in page
    page = (await client.get("/admin/set-aside?reason=time-in-future")).text
    assert "No kit with this serial is registered here." not in page
    assert (await client.get("/admin/set-aside?reason=nonsense&before=x")).status_code == 200


async def test_a_message_is_shown_with_its_bytes(client, own_engine):
    await set_aside(own_engine, (0, "unknown-kit", "kit/k-1/measurement/raw"))
    page = (await client.get("/admin/set-aside/1")).text
    assert "01 02" in page
    content = await client.get("/admin/set-aside/1/content")
    assert content.content == b"\x01\x02"
    assert content.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in content.headers["content-security-policy"]
    assert (await client.get("/admin/set-aside/99")).status_code == 404
    assert (await client.get("/admin/set-aside/99/content")).status_code == 404


async def test_trying_again_says_what_became_of_the_messages(client, own_engine):
    await set_aside(own_engine, *[(0, "unknown-kit", "kit/k-1/measurement/raw")] * 2)
    answer = await client.post("/admin/set-aside/try-again", data={"reason": "unknown-kit"})
    assert answer.status_code == 200
    assert "Tried 2. Stored: 0. Known already: 0. Still wrong: 2." in answer.text
    assert await deeds(own_engine) == [("messages-tried-again", "unknown-kit", 2)]


async def test_discarding_asks_and_then_deletes(client, own_engine):
    await set_aside(own_engine, (0, "unknown-kit", "kit/k-1/measurement/raw"), (0, "undecodable", "kit/k-1/x"))
    question = (await client.get("/admin/set-aside/discard?reason=undecodable")).text
    assert "Discard 1 message?" in question
    answer = await client.post("/admin/set-aside/discard", data={"reason": "undecodable"})
    assert answer.status_code == 303
    assert await count(own_engine, "quarantine") == 1
    await client.post("/admin/set-aside/discard", data={"number": "1"})
    assert await count(own_engine, "quarantine") == 0
    assert await deeds(own_engine) == [("messages-discarded", "1", 1), ("messages-discarded", "undecodable", 1)]


async def test_a_device_that_no_kit_stands_for_becomes_one(client, own_engine):
    await set_aside(own_engine, *[(0, "unknown-kit", "kit/k-7/measurement/raw")] * 3)
    page = (await client.get("/admin/set-aside")).text
    row = page.partition('data-serial="k-7"')[2].partition("</tr>")[0]
    assert ">3<" in row
    made = (await client.post("/admin/set-aside/kits", data={"serial": "k-7"})).text
    assert "try the 3 messages that wait again" in made
    password = made.partition('<span class="copy"><code>')[2].partition("</code>")[0].replace("&amp;", "&")
    async with own_engine.connect() as connection:
        stored = await connection.scalar(text("SELECT password_hash FROM kits WHERE serial = 'k-7'"))
    assert verify_password(password.encode(), stored)
    again = (await client.post("/admin/set-aside/try-again", data={"serial": "k-7"})).text
    assert "Tried 3." in again
    assert await deeds(own_engine) == [("messages-tried-again", "k-7", 3), ("kit-made", "k-7", 0)]


@pytest.mark.parametrize("serial", ["", "a/b", "pk-7", "x" * 21, "k-7"])
async def test_no_kit_is_made_for_what_is_no_serial_or_taken(client, own_engine, serial):
    await client.post("/admin/set-aside/kits", data={"serial": "k-7"})
    answer = await client.post("/admin/set-aside/kits", data={"serial": serial})
    assert answer.status_code == 422
    assert await count(own_engine, "kits") == 1


# Devices


@pytest.fixture
async def boards(own_engine):
    async with own_engine.begin() as connection:
        await add_gateway(connection, "greenhouse")
        await connection.execute(_BOARD, {"sensor": 42})


async def test_a_gateway_gets_its_token_once(client, own_engine):
    answer = await client.post("/admin/devices/gateways", data={"gateway": "green/house"})
    assert "hortus_gateway_" in answer.text
    assert "hortus_gateway_" not in (await client.get("/admin/devices")).text
    for name in ("green/house", "", "x" * 41):
        assert (await client.post("/admin/devices/gateways", data={"gateway": name})).status_code == 422
    assert await deeds(own_engine) == [("gateway-added", "green/house", 0)]


async def test_a_gateway_is_removed_after_a_question(client, own_engine, boards):
    path = "/admin/devices/gateways/greenhouse/remove"
    assert "Remove the gateway greenhouse?" in (await client.get(path)).text
    assert (await client.post(path)).status_code == 303
    assert (await client.get(path)).status_code == 404
    assert (await client.post("/admin/devices/gateways/local/remove")).status_code == 404
    assert await deeds(own_engine) == [("gateway-removed", "greenhouse", 0)]


async def test_an_unknown_board_gets_a_name(client, own_engine, boards):
    page = (await client.get("/admin/devices")).text
    assert 'data-board="42"' in page
    assert "4 older ones dropped" in page
    path = "/admin/devices/boards/42/name"
    assert (await client.post(path, data={"name": "", "gateway": "greenhouse"})).status_code == 422
    answer = await client.post(path, data={"name": "Tomatoes", "gateway": "greenhouse"})
    assert answer.status_code == 303
    page = (await client.get("/admin/devices")).text
    assert "/kits/pk-42" in page
    assert (await client.post("/admin/devices/boards/7/name", data={"name": "x"})).status_code == 404
    assert await deeds(own_engine) == [("board-named", "42: Tomatoes", 0)]


async def test_an_unknown_board_is_forgotten_after_a_question(client, own_engine, boards):
    path = "/admin/devices/boards/42/forget"
    assert "Forget board 42?" in (await client.get(path)).text
    assert (await client.post(path)).status_code == 303
    assert (await client.post(path)).status_code == 404
    assert await count(own_engine, "waiting_boards") == 0


# Storage


async def pictures(engine, days: tuple[int, ...]) -> None:
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        for each in days:
            for minute in (1, 2, 3):
                await connection.execute(
                    text(
                        "INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, received_at, "
                        "datetime, name, type, metadata, size) "
                        "SELECT :id, id, kit_id, kit_configuration_id, :at, :at, 'a.png', 'image/png', 'null', "
                        "1000000 FROM peripherals WHERE id = :peripheral"
                    ),
                    {
                        "id": uuid.uuid4(),
                        "at": datetime.now(UTC).replace(minute=minute) - timedelta(days=each),
                        "peripheral": kit.peripherals[0].id,
                    },
                )


async def test_storage_shows_sizes_by_kind_and_month(client, own_engine):
    await pictures(own_engine, (0, 40))
    page = (await client.get("/admin/storage")).text
    assert "6 pictures and files" in page
    assert "6.0\u00a0MB" in page
    assert f"{datetime.now(UTC) - timedelta(days=40):%Y-%m}" in page


async def test_old_pictures_are_deleted_only_after_a_dry_run(client, own_engine):
    await pictures(own_engine, (0, 40, 50))
    days = {"all_days": "30", "hourly_days": "365"}
    page = (await client.get("/admin/storage", params=days)).text
    assert "This would delete 4 pictures, 4.0\u00a0MB. Readings: none." in page
    assert await count(own_engine, "media") == 9
    answer = await client.post("/admin/storage/thin", data=days)
    assert answer.headers["location"] == "/admin/storage?said=thinned"
    assert await count(own_engine, "media") == 5
    assert await deeds(own_engine) == [("pictures-thinned", "30 / 365", 4)]


@pytest.mark.parametrize(
    "days",
    [
        {"all_days": "0", "hourly_days": "9"},
        {"all_days": "x", "hourly_days": "9"},
        {"all_days": "9", "hourly_days": "8"},
    ],
)
async def test_days_that_make_no_sense_delete_nothing(client, own_engine, days):
    await pictures(own_engine, (40,))
    assert (await client.get("/admin/storage", params=days)).status_code == 422
    assert (await client.post("/admin/storage/thin", data=days)).status_code == 422
    assert await count(own_engine, "media") == 3


def test_growth_counts_the_last_thirty_days_by_their_share_of_each_month():
    sizes = {Month(2026, 11): 1500, Month(2026, 10): 3100, Month(2026, 9): 9000}
    assert growth(sizes, datetime(2026, 11, 15, tzinfo=UTC)) == 1500 + 1500
    assert growth(sizes, datetime(2026, 11, 30, tzinfo=UTC)) == 1500
    assert growth({}, datetime(2026, 11, 30, tzinfo=UTC)) == 0
