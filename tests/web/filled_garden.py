"""A garden in which every page has something to show, and the addresses of all pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from web_helpers import (
    MadeKit,
    add_readings,
    add_to_ledger,
    ledger_connection,
    log_in,
    make_kit,
    make_user,
)

from hortus.domain.plants.links import MeasuringSource, link_plant
from hortus.domain.plants.store import create_plant


class Path(str):
    """The address of a page, whether one has to log in for it, and its status."""

    __slots__ = ("is_for_root", "status")

    def __new__(cls, path: str, *, is_for_root: bool = False, status: int = 200) -> Path:
        made = super().__new__(cls, path)
        made.is_for_root, made.status = is_for_root, status
        return made


# Those for strangers first, since nobody logs out.
PATHS = (
    Path("/"),
    Path("/login"),
    Path("/forgotten-password"),
    Path("/search"),
    Path("/nowhere", status=404),
    Path("/help/components"),
    Path("/kits/{fine_kit}/charts"),
    Path("/kits/{fine_kit}/charts?r=7d&vs=day&y=zero&rows=2"),
    Path("/kits/{empty_kit}/charts"),
    Path("/kits/{fine_kit}/charts?s=1,no", status=400),
    Path("/kits/{fine_kit}/pictures"),
    Path("/kits/{empty_kit}/pictures"),
    Path("/kits/{fine_kit}/pictures/lapse?i=1"),
    Path("/kits/{fine_kit}/pictures/lapse?beside=2"),
    Path("/kits/{fine_kit}/pictures/lapse?from=2020-01-01&to=2020-12-31", status=422),
    Path("/kits/{empty_kit}/pictures/lapse"),
    Path("/kits/{fine_kit}/export"),
    Path("/kits/{empty_kit}/export?what=archive"),
    Path("/kits/{fine_kit}/export?what=no&from=no", status=422),
    Path("/", is_for_root=True),
    Path("/plants/{fine}", is_for_root=True),
    Path("/plants/{ill}", is_for_root=True),
    Path("/plants/{bare}", is_for_root=True),
    Path("/kits/{fine_kit}/data-check", is_for_root=True),
    Path("/kits/{fine_kit}/data-check?r=31d", is_for_root=True),
    Path("/kits/{empty_kit}/data-check", is_for_root=True),
    Path("/kits/{fine_kit}/data-check?tried=1-2-3&reason=too-many-months", is_for_root=True),
    Path("/kits/{fine_kit}/data-check/set-aside/{message}?hex=yes", is_for_root=True),
    Path("/kits/{fine_kit}/data-check/discard?all=yes", is_for_root=True),
    Path("/kits/{fine_kit}/pictures?asked={command}", is_for_root=True),
    Path("/kits/{fine_kit}/pictures/delete?m={medium}", is_for_root=True),
    Path("/search?q=а", is_for_root=True),
    Path("/search?q=яяя", is_for_root=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledGarden:
    addresses: dict[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    person: str
    kits: tuple[str, str]
    plants: tuple[str, str, str]
    own_word: str
    empty_kit: str
    camera: str


FOREIGN_NAMES = Names(
    person="Ада",
    kits=("Базилик у окна", "Салат в подвале"),
    plants=("Чили", "Салат", "Пустая"),
    own_word="ок",
    empty_kit="Новый",
    camera="Глаз",
)
"""Without Latin letters, so that a test takes them for no texts of ours."""

ENGLISH_NAMES = Names(
    person="Ada",
    kits=("Basil by the window", "Lettuce in the cellar"),
    plants=("Basil", "Lettuce", "Bare stem"),
    own_word="ready",
    empty_kit="New kit",
    camera="Camera",
)


async def fill(engine: AsyncEngine, database_url: str, names: Names = FOREIGN_NAMES) -> FilledGarden:
    """Fill an empty database."""
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        root = await make_user(connection, "root", is_admin=True)
        await connection.execute(
            text("UPDATE users SET display_name = :name WHERE username = 'root'"), {"name": names.person}
        )
        kits = [await make_kit(connection, name, public=True) for name in names.kits]
        await make_kit(connection, None)
        empty = await make_kit(connection, names.empty_kit, public=True)
        plants = [
            await create_plant(connection, root.id, name=name, species_id=species)
            for name, species in zip(names.plants, (1, 1, None), strict=True)
        ]
        for plant, kit in zip(plants, kits, strict=False):
            await link_plant(
                connection, plant, MeasuringSource(kit_id=kit.id), since=now - timedelta(days=60), now=now
            )
        for over_at in (None, now - timedelta(days=4)):
            began_at = now - timedelta(hours=3, days=5 if over_at else 0)
            parameters = {"plant": plants[1], "kit": kits[1].id, "began": began_at, "over": over_at}
            await connection.execute(_ALERT, parameters | {"ending": "recovered" if over_at else None})
        message, medium, command = await _add_messages_and_pictures(connection, kits[0], names, now)
        await connection.execute(
            _PRESENCE, {"kit": kits[1].id, "at": now - timedelta(minutes=41), "word": names.own_word}
        )
    for kit, base in zip(kits, (21.5, 13.6), strict=True):
        for peripheral, (value, step) in enumerate(((base, 0.2), (1011.0, 0.5), (base + 0.8, 0.3))):
            readings = [
                (now - timedelta(minutes=10 * back, seconds=3), value + step * ((back * 7) % 11 - 5) / 5)
                for back in range(30)
                if not 8 <= back <= 12
            ]
            await add_readings(
                database_url, kit, readings, peripheral=min(peripheral, len(kit.peripherals) - 1)
            )
    async with ledger_connection(database_url) as connection:
        await add_to_ledger(connection, kits[0].id, duplicate=2, quarantined=3)
        # As ingest notes for the charts, which otherwise know of no readings.
        await connection.execute(
            "INSERT INTO series_touched_hours (kit_id, hour)"
            " SELECT DISTINCT kit_id, date_bin('1 hour', datetime, 'epoch') FROM raw_measurements"
        )
        await add_to_ledger(connection, 0, quarantined=214, reason="unknown-kit")
    addresses: dict[str, int | str] = dict(zip(("fine", "ill", "bare"), plants, strict=True))
    others: dict[str, int | str] = {"message": message, "medium": medium, "command": command}
    return FilledGarden(addresses=addresses | others | {"fine_kit": kits[0].serial, "empty_kit": empty.serial})


async def _add_messages_and_pictures(
    connection: AsyncConnection, kit: MadeKit, names: Names, now: datetime
) -> tuple[int, str, int]:
    """Have three messages set aside, three pictures and a camera that was asked; return an id of each."""
    for reason in ("too-many-months", "deleted-configuration", "time-in-future"):
        message = await connection.scalar(
            _MESSAGE, {"kit": kit.id, "reason": reason, "topic": f"kit/{kit.serial}/measurement/raw"}
        )
    camera = await connection.scalar(_CAMERA, {"kit": kit.id, "name": names.camera})
    ages = (3, 60, 190)
    ids = [uuid4() for _ in ages]
    for medium, age, thumbnail in zip(ids, ages, ("made", None, "unsuitable"), strict=True):
        parameters = {"id": medium, "at": now - timedelta(minutes=age), "thumbnail": thumbnail}
        await connection.execute(_MEDIUM, parameters | {"peripheral": camera})
    command = await connection.scalar(_COMMAND, {"kit": kit.id, "name": names.camera})
    assert message is not None
    assert command is not None
    return message, str(ids[0]), command


_MESSAGE = text(
    "INSERT INTO quarantine (received_at, kit_id, stream, reason, detail, topic, payload, payload_bytes)"
    " VALUES (now(), :kit, 'raw', :reason, '', :topic, 'x', 1) RETURNING id"
)
_MEDIUM = text(
    "INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, datetime, name, type, metadata, size,"
    " thumbnail) SELECT :id, id, kit_id, kit_configuration_id, :at, 'фото', 'image/png', 'null', 3, :thumbnail"
    " FROM peripherals WHERE id = :peripheral"
)
_CAMERA = text(
    "INSERT INTO peripherals (kit_id, kit_configuration_id, peripheral_definition_id, name, configuration)"
    " SELECT c.kit_id, c.id, d.id, :name, '{}' FROM kit_configurations c, peripheral_definitions d"
    " WHERE c.kit_id = :kit AND c.active AND d.name = 'Virtual random camera' RETURNING id"
)
_COMMAND = text(
    "INSERT INTO kit_commands (kit_id, method, peripheral, command_json, state, error, requested_at,"
    " give_up_at, finished_at) VALUES (:kit, 'peripheralCommand', :name, '\"art\"', 'failed', 'KitOffline',"
    " now(), now(), now()) RETURNING id"
)


_ALERT = text(
    "INSERT INTO alerts (kind, plant_id, quantity_type_id, kit_id, condition, value, minimum, maximum,"
    " began_at, opened_at, over_at, ending) "
    "VALUES ('range', :plant, 1, :kit, 'low', 13.6, 18, 27, :began, :began, :over, :ending)"
)
_PRESENCE = text(
    "INSERT INTO kit_presence (kit_id, last_contact_at, own_word, own_word_at) VALUES (:kit, :at, :word, :at)"
)


async def log_in_as_root(client: httpx.AsyncClient, path: Path) -> None:
    """Log in, if this page needs it and nobody has yet."""
    if path.is_for_root and not client.cookies:
        assert (await log_in(client, "root")).status_code == 303
