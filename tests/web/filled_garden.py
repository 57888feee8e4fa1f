"""A garden in which every page has something to show, and the addresses of all pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from web_helpers import (
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
    Path("/map"),
    Path("/map?q=яяя"),
    Path("/", is_for_root=True),
    Path("/map", is_for_root=True),
    Path("/plants/{fine}", is_for_root=True),
    Path("/plants/{ill}", is_for_root=True),
    Path("/plants/{bare}", is_for_root=True),
    Path("/search?q=а", is_for_root=True),
    Path("/search?q=яяя", is_for_root=True),
    Path("/admin", is_for_root=True),
    Path("/admin/people", is_for_root=True),
    Path("/admin/people?q=яяя", is_for_root=True),
    Path("/admin/people/root", is_for_root=True),
    Path("/admin/people/eve", is_for_root=True),
    Path("/admin/definitions", is_for_root=True),
    Path("/admin/definitions/quantities/1", is_for_root=True),
    Path("/admin/definitions/quantities/new", is_for_root=True),
    Path("/admin/definitions/devices/1", is_for_root=True),
    Path("/admin/definitions/devices/new", is_for_root=True),
    Path("/admin/set-aside", is_for_root=True),
    Path("/admin/set-aside/1", is_for_root=True),
    Path("/admin/set-aside/discard?reason=undecodable", is_for_root=True),
    Path("/admin/devices", is_for_root=True),
    Path("/admin/devices/boards/42/forget", is_for_root=True),
    Path("/admin/storage", is_for_root=True),
    Path("/admin/storage?all_days=30&hourly_days=365", is_for_root=True),
    Path("/admin/storage?all_days=0&hourly_days=365", is_for_root=True, status=422),
    Path("/admin/backups", is_for_root=True),
    Path("/admin/jobs", is_for_root=True),
    Path("/admin/health", is_for_root=True),
    Path("/admin/log", is_for_root=True),
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


FOREIGN_NAMES = Names(
    person="Ада",
    kits=("Базилик у окна", "Салат в подвале"),
    plants=("Чили", "Салат", "Пустая"),
    own_word="ок",
    empty_kit="Новый",
)
"""Without Latin letters, so that a test takes them for no texts of ours."""

ENGLISH_NAMES = Names(
    person="Ada",
    kits=("Basil by the window", "Lettuce in the cellar"),
    plants=("Basil", "Lettuce", "Bare stem"),
    own_word="ready",
    empty_kit="New kit",
)


async def fill(engine: AsyncEngine, database_url: str, names: Names = FOREIGN_NAMES) -> FilledGarden:
    """Fill an empty database."""
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        root = await make_user(connection, "root", is_admin=True)
        await make_user(connection, "eve")
        for statement in _FOR_ADMINISTRATORS:
            await connection.execute(text(statement), {"name": names.person})
        kits = [await make_kit(connection, name, public=True) for name in names.kits]
        await make_kit(connection, None)
        empty = await make_kit(connection, names.empty_kit, public=True)
        await connection.execute(
            text(
                "UPDATE kits SET latitude = 52.37 + id % 3, longitude = 4.89 - id % 4, "
                "privacy_show_on_map = true WHERE name IS NOT NULL"
            )
        )
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
    return FilledGarden(addresses=addresses | {"fine_kit": kits[0].serial, "empty_kit": empty.serial})


_ALERT = text(
    "INSERT INTO alerts (kind, plant_id, quantity_type_id, kit_id, condition, value, minimum, maximum,"
    " began_at, opened_at, over_at, ending) "
    "VALUES ('range', :plant, 1, :kit, 'low', 13.6, 18, 27, :began, :began, :over, :ending)"
)
_PRESENCE = text(
    "INSERT INTO kit_presence (kit_id, last_contact_at, own_word, own_word_at) VALUES (:kit, :at, :word, :at)"
)


_FOR_ADMINISTRATORS = (
    "UPDATE users SET display_name = :name WHERE username IN ('root', 'eve')",
    "INSERT INTO gateways (name, token_hash, last_contact_at) VALUES (:name, 'x', now() - interval '4 s')",
    """
    INSERT INTO waiting_boards (gateway_id, sensor_id, first_contact_at, last_contact_at, kept, dropped)
    SELECT id, 42, now() - interval '5 days', now() - interval '9 s', 118, 3 FROM gateways WHERE name = :name
    """,
    """
    INSERT INTO quarantine (id, received_at, kit_id, stream, reason, detail, topic, payload, payload_bytes)
    SELECT n, now() - n * interval '3 hours', 0, 'raw',
           CASE n WHEN 1 THEN 'undecodable' ELSE 'unknown-kit' END, :name,
           'kit/k-' || n || '/measurement/raw', '\\x0102', 312
    FROM generate_series(1, 3) AS n
    """,
    "INSERT INTO administration_log (person, deed, subject) VALUES ('root', 'gateway-added', :name)",
    """
    INSERT INTO queue_media_pending_deletion
        (media_id, kit_serial, media_datetime, media_size, created_at, next_attempt_at)
    SELECT gen_random_uuid(), 'k-1', now(), 1, now() - interval '3 hours', now() - interval '30 minutes'
    WHERE :name <> ''
    """,
)


async def log_in_as_root(client: httpx.AsyncClient, path: Path) -> None:
    """Log in, if this page needs it and nobody has yet."""
    if path.is_for_root and not client.cookies:
        assert (await log_in(client, "root")).status_code == 303
