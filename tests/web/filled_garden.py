"""A garden in which every page has something to show, and the addresses of all pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from web_helpers import (
    MadeKit,
    add_readings,
    add_to_ledger,
    ledger_connection,
    log_in,
    make_kit,
    make_user,
    targets_hold_since,
)

from hortus.domain.accounts.shown_once import keep_to_show_once
from hortus.domain.messages.sealing import Seal
from hortus.domain.mqtt_accounts.log_ins import LogInReport, note_log_ins
from hortus.domain.plants.links import MeasuringSource, link_plant
from hortus.domain.plants.store import create_plant
from hortus.http.pages.kits.credentials import Credentials, sealed_text
from web_services import SERVICE_TOKEN_KEY


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
    Path("/kits/{fine_kit}"),
    Path("/kits/{empty_kit}"),
    Path("/kits/{fine_kit}/charts"),
    Path("/kits/{fine_kit}/charts?r=7d&vs=day&y=zero&rows=2"),
    Path("/kits/{empty_kit}/charts"),
    Path("/kits/{fine_kit}/charts?s=1,no", status=400),
    Path("/kits/{fine_kit}/charts?r=today&tz=utc"),
    Path("/charts"),
    Path("/charts?r=week&vs=week&kit={empty_kit}"),
    Path("/charts?find=яяя"),
    Path("/charts?s=1", status=400),
    Path("/kits/{fine_kit}/connection"),
    Path("/", is_for_root=True),
    Path("/kits/{ill_kit}", is_for_root=True),
    Path("/kits/new", is_for_root=True),
    Path("/kits/new/details?kind=kit&form=6d0b5f8e-7f0e-4b0a-8f7f-0d9a2f5a7f11", is_for_root=True),
    Path("/kits/new/details?kind=board&sensor=42&form=6d0b5f8e-7f0e-4b0a-8f7f-0d9a2f5a7f12", is_for_root=True),
    Path("/kits/new/many", is_for_root=True),
    Path("/kits/new/many/labels", is_for_root=True),
    Path("/kits/new/many/labels?once={labels}", is_for_root=True),
    Path("/kits/new/{empty_kit}/connect", is_for_root=True),
    Path("/kits/new/{empty_kit}/connect?once={password}", is_for_root=True),
    Path("/kits/new/{empty_kit}/first-reading", is_for_root=True),
    Path("/kits/new/{fine_kit}/first-reading", is_for_root=True),
    Path("/kits/{fine_kit}/connection", is_for_root=True),
    Path("/kits/{ill_kit}/connection", is_for_root=True),
    Path("/kits/{fine_kit}/settings", is_for_root=True),
    Path("/plants/{fine}", is_for_root=True),
    Path("/plants/{ill}", is_for_root=True),
    Path("/plants/{bare}", is_for_root=True),
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
            await targets_hold_since(connection, plant, now - timedelta(days=60))
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
    addresses |= {"fine_kit": kits[0].serial, "ill_kit": kits[1].serial, "empty_kit": empty.serial}
    return FilledGarden(addresses=addresses | await _add_what_wizards_show(engine, root.id, kits[1], empty))


async def _add_what_wizards_show(
    engine: AsyncEngine, user_id: int, ill: MadeKit, empty: MadeKit
) -> dict[str, int | str]:
    """Add a board without a name, troubles of one kit, and passwords of another to show once."""
    now = datetime.now(UTC)
    seal = Seal(SERVICE_TOKEN_KEY)
    async with engine.begin() as connection:
        await connection.execute(_WAITING_BOARD)
        refused = LogInReport(
            username=ill.serial,
            refused_at=now,
            refused_from="10.0.0.9",
            refused_reason="wrong-password",
            refused_times=3,
            topic_refused_at=now,
            topic_refused="kit/k-other/measurement/raw",
        )
        await note_log_ins(connection, [refused])
        content = sealed_text([Credentials(serial=empty.serial, password="Zk7!fQ-example", name="№ 1")])
        once = [await keep_to_show_once(connection, user_id, seal.close(content), now) for _ in range(2)]
    return {"labels": str(once[0]), "password": str(once[1])}


_WAITING_BOARD = text(
    "WITH local AS (INSERT INTO gateways (name) VALUES ('local')"
    " ON CONFLICT (name) DO UPDATE SET name = 'local' RETURNING id)"
    " INSERT INTO waiting_boards (gateway_id, sensor_id, first_contact_at, last_contact_at, last_address, kept)"
    " SELECT id, 42, now() - interval '2 h', now(), '10.0.0.3', 118 FROM local ON CONFLICT DO NOTHING"
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
