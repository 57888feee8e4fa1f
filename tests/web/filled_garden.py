"""A garden in which every page has something to show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
from page_addresses import Path
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
    targets_hold_since,
)

from hortus.domain.accounts.api_keys import Scope, make_key
from hortus.domain.accounts.shown_once import keep_to_show_once
from hortus.domain.accounts.store import User
from hortus.domain.kits.configurations import (
    add_peripheral,
    change_configuration,
    create_configuration,
    devices_of_configuration,
)
from hortus.domain.kits.deleted_configurations import delete_configuration
from hortus.domain.kits.invitations import create_invitation
from hortus.domain.kits.presets import PRESETS_BY_KEY, create_from_preset
from hortus.domain.kits.public_links import find_public_link, make_public_link
from hortus.domain.messages.channels import add_channel
from hortus.domain.messages.queue import NewMessage, put_in
from hortus.domain.messages.sealing import Seal
from hortus.domain.messages.tables import MessageKind
from hortus.domain.mqtt_accounts.log_ins import LogInReport, note_log_ins
from hortus.domain.plants.links import MeasuringSource, link_plant
from hortus.domain.plants.species_store import NewSpecies, create_species
from hortus.domain.plants.state import Range
from hortus.domain.plants.store import create_plant
from hortus.flow.commands.store import can_send
from hortus.flow.rpc.fetched import note_fetched
from hortus.http.pages.kits.credentials import Credentials, sealed_text
from web_services import SERVICE_TOKEN_KEY


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
    friend: str
    things: str


FOREIGN_NAMES = Names(
    person="Ада",
    kits=("Базилик у окна", "Салат в подвале"),
    plants=("Чили", "Салат", "Пустая"),
    own_word="ок",
    empty_kit="Новый",
    camera="Глаз",
    friend="Боб",
    things="Класс",
)
"""Without Latin letters, so that a test takes them for no texts of ours."""

ENGLISH_NAMES = Names(
    person="Ada",
    kits=("Basil by the window", "Lettuce in the cellar"),
    plants=("Basil", "Lettuce", "Bare stem"),
    own_word="ready",
    empty_kit="New kit",
    camera="Camera",
    friend="Bob",
    things="Class 3b",
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
            await targets_hold_since(connection, plant, now - timedelta(days=60))
        message, medium, command = await _add_messages_and_pictures(connection, kits[0], names, now)
        own_species = await create_species(
            connection, root.id, NewSpecies(name=names.plants[0], ranges={1: Range(minimum=5)})
        )
        alerts = {}
        for name, over_at in (("open_alert", None), ("closed_alert", now - timedelta(days=4))):
            began_at = now - timedelta(hours=3, days=5 if over_at else 0)
            parameters = {"plant": plants[1], "kit": kits[1].id, "began": began_at, "over": over_at}
            alerts[name] = await connection.scalar(
                _ALERT, parameters | {"ending": "recovered" if over_at else None}
            )
        alerts["seen_alert"] = await connection.scalar(
            _SILENCE, {"kit": kits[0].id, "user": root.id, "until": now + timedelta(hours=20)}
        )
        for name in ("open_alert", "seen_alert"):
            for transport, state in (("mail", "accepted"), ("mail", "given-up"), ("mail", "waiting")):
                await connection.execute(
                    _ALERT_MESSAGE,
                    {"alert": alerts[name], "user": root.id, "transport": transport, "state": state},
                )
        await connection.execute(
            _PRESENCE, {"kit": kits[1].id, "at": now - timedelta(minutes=41), "word": names.own_word}
        )
        configurations = await _add_configurations(connection, kits[0].id, names)
        other = await make_kit(connection, names.own_word)
        await _add_commands(connection, other.id, root.id)
        if names is FOREIGN_NAMES:
            for all_of_them in (_RENAME_CONFIGURATIONS, _RENAME_DEVICES):
                await connection.execute(all_of_them, {"name": names.own_word})
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
    people = await _people(engine, root, kits[0], names)
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
    addresses |= {"other_kit": other.serial, **configurations}
    addresses |= await _add_what_wizards_show(engine, root.id, kits[1], empty)
    addresses |= {"public_link": await _public_link(engine, kits[0])}
    addresses |= {"message": message, "medium": medium, "command": command}
    addresses |= people
    addresses |= alerts | {"own_species": own_species}
    return FilledGarden(addresses=addresses)


async def _add_messages_and_pictures(
    connection: AsyncConnection, kit: MadeKit, names: Names, now: datetime
) -> tuple[int, str, int]:
    """Have three messages set aside, three pictures and a camera that was asked; return an id of each."""
    for reason in ("too-many-months", "deleted-configuration", "time-in-future"):
        message = await connection.scalar(
            _MESSAGE, {"kit": kit.id, "reason": reason, "topic": f"kit/{kit.serial}/measurement/raw"}
        )
    camera = await connection.scalar(_CAMERA, {"kit": kit.id, "name": names.camera, "settings": _SCHEDULE})
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
_SCHEDULE = '{"schedule": [{"time": "12:00:00", "command": "uniform"}]}'
_CAMERA = text(
    "INSERT INTO peripherals (kit_id, kit_configuration_id, peripheral_definition_id, name, configuration)"
    " SELECT c.kit_id, c.id, d.id, :name, CAST(:settings AS json)"
    " FROM kit_configurations c, peripheral_definitions d"
    " WHERE c.kit_id = :kit AND c.active AND d.name = 'Virtual random camera' RETURNING id"
)
_COMMAND = text(
    "INSERT INTO kit_commands (kit_id, method, peripheral, command_json, state, error, requested_at,"
    " give_up_at, finished_at) VALUES (:kit, 'peripheralCommand', :name, '\"art\"', 'failed', 'KitOffline',"
    " now(), now(), now()) RETURNING id"
)


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
            topic_refused="сад/1",
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


async def _add_configurations(connection: AsyncConnection, kit_id: int, names: Names) -> dict[str, int | str]:
    """Add a draft with all devices of a kit, one of them twice, and a deleted configuration."""
    draft = await create_from_preset(connection, kit_id, PRESETS_BY_KEY["astroplant"], names.kits[1])
    devices = await devices_of_configuration(connection, draft["id"])
    twice = next(device for device in devices if device.definition.symbol == "Dht22")
    await add_peripheral(connection, draft, twice.definition, names.plants[2], twice.configuration)
    await delete_configuration(connection, await create_configuration(connection, kit_id, names.plants[1]))
    if names is FOREIGN_NAMES:  # before rules name them
        await connection.execute(_RENAME_DEVICES, {"name": names.own_word})
    known = (await connection.execute(_KNOWN, {"kit": kit_id, "draft": draft["id"]})).mappings().one()
    await change_configuration(connection, draft, {"control_rules": _rules(known["sensor"], known["panel"])})
    return {"draft": draft["id"], **{name: known[name] for name in ("used", "camera", "panel")}}


_RENAME_CONFIGURATIONS = text(
    "UPDATE kit_configurations SET description = :name WHERE description ~ '[A-Za-z]'"
)
_RENAME_DEVICES = text("UPDATE peripherals SET name = :name || ' ' || id WHERE name ~ '[A-Za-z]'")
_KNOWN = text(
    """
    SELECT max(c.id) FILTER (WHERE c.active) AS used,
        max(p.id) FILTER (WHERE d.symbol = 'PiCameraV2') AS camera,
        max(p.name) FILTER (WHERE d.symbol = 'LedPanel') AS panel,
        max(p.name) FILTER (WHERE d.symbol = 'Dht22') AS sensor
    FROM peripherals p
    JOIN peripheral_definitions d ON d.id = p.peripheral_definition_id
    JOIN kit_configurations c ON c.id = p.kit_configuration_id
    WHERE c.kit_id = :kit AND (c.active OR c.id = :draft)
    """
)


def _rules(sensor: str, lamp: str) -> dict[str, object]:
    """Return rules by which a lamp warms, and burns by day."""
    target = {
        "nominalRange": 2,
        "nominalDeltaRange": 0.5,
        "deltaMeasurements": 3,
        "interpolated": True,
        "setpoints": [{"time": "00:00:00", "value": 18}, {"time": "12:00:00", "value": 24}],
    }
    by_day = {"schedule": [{"time": "06:00:00", "value": 80}, {"time": "22:00:00", "value": 0}]}
    dark = {"schedule": [{"time": "00:00:00", "value": 0}]}
    outputs = {
        "blue": {"type": "scheduled", "scheduled": {"interpolated": False, "schedules": [by_day, dark]}},
        "red": {"type": "continuous", "continuous": {"minimal": 0, "maximal": 100}},
    }
    rule = {
        "condition": [
            {"peripheral": sensor, "quantityType": 1, "fuzzyVariable": "largeNegative", "hedge": "very"},
            {
                "peripheral": sensor,
                "quantityType": 1,
                "fuzzyVariable": "largePositive",
                "delta": True,
                "negation": True,
            },
        ],
        "implication": [{"peripheral": lamp, "command": "red", "fuzzyVariable": "maximal"}],
        "schedules": [{"peripheral": lamp, "command": "blue", "schedule": 1}],
        "activeFrom": "00:00:00",
        "activeTo": "23:59:59",
    }
    return {"fuzzyControl": {"input": {sensor: {"1": target}}, "output": {lamp: outputs}, "rules": [rule]}}


async def _add_commands(connection: AsyncConnection, kit_id: int, user_id: int) -> None:
    """Let the kit run a heater and a camera, and add a command in each state."""
    row = await create_from_preset(connection, kit_id, PRESETS_BY_KEY["virtual"], "ок")
    await change_configuration(connection, row, {"active": True})
    await note_fetched(connection, {await serial_of(connection, kit_id): row["id"]})
    await can_send(connection)
    await connection.execute(_COMMANDS, {"kit": kit_id, "user": user_id})


async def serial_of(connection: AsyncConnection, kit_id: int) -> str:
    return str(await connection.scalar(text("SELECT serial FROM kits WHERE id = :id"), {"id": kit_id}))


_COMMANDS = text(
    """
    INSERT INTO kit_commands (kit_id, user_id, method, peripheral, command_json, state, error, requested_at,
        give_up_at, sent_at, answer_by, finished_at, result_media_type, result_bytes, result_text)
    SELECT :kit, :user, 'peripheralCommand', 'Heater', '{"heat": 3}', state, error, at, at + interval '1 min',
        sent_at, sent_at + interval '30 s', finished_at, type, bytes, answer
    FROM now() AS at, LATERAL (VALUES
        ('succeeded', NULL, at, at, 'text/plain', 2, 'ok'),
        ('succeeded', NULL, at, at, 'image/png', 9, NULL),
        ('failed', 'TimedOut', at, at, NULL, NULL, NULL),
        ('failed', 'KitOffline', NULL, at, NULL, NULL, NULL),
        ('cancelled', NULL, NULL, at, NULL, NULL, NULL),
        ('sent', NULL, at, NULL, NULL, NULL, NULL),
        ('waiting', NULL, NULL, NULL, NULL, NULL, NULL)
    ) AS each (state, error, sent_at, finished_at, type, bytes, answer)
    """
)


async def _people(engine: AsyncEngine, root: User, kit: MadeKit, names: Names) -> dict[str, int | str]:
    """Give the administrator a key, a service and messages, and the kit members and an invitation."""
    now = datetime.now(UTC)
    seal = Seal(SERVICE_TOKEN_KEY)
    async with engine.begin() as connection:
        friend = await make_user(connection, "bob")
        await connection.execute(
            text("UPDATE users SET display_name = :name WHERE id = :id"),
            {"name": names.friend, "id": friend.id},
        )
        memberships = [
            await connection.scalar(_JOIN, {"user": user.id, "kit": kit.id, "full": user is root})
            for user in (root, friend)
        ]
        _, token = await create_invitation(
            connection,
            kit.id,
            root.id,
            access_super=False,
            access_configure=True,
            uses=30,
            note=names.things,
            now=now,
        )
        key, _ = await make_key(
            connection,
            root.id,
            name=names.things,
            scopes=[Scope.READ, Scope.CONTROL],
            expires_at=now + timedelta(days=365),
            now=now,
        )
        service = await add_channel(
            connection, root.id, name=names.things, scheme="ntfys", sealed_url=seal.close("ntfys://topic")
        )
        message = NewMessage(
            user_id=root.id,
            channel_id=service,
            recipient=names.things,
            kind=MessageKind.TEST,
            subject=names.things,
            body="",
        )
        (message_id, _) = await put_in(connection, seal, [message, message])
        await connection.execute(
            text("UPDATE messages SET state = 'accepted', finished_at = now() WHERE id = :id"),
            {"id": message_id},
        )
    return {"membership": memberships[1], "invitation": token, "key": key.id, "service": service}


_JOIN = text(
    "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure) "
    "VALUES (:user, :kit, now(), :full, :full) RETURNING id"
)
_ALERT = text(
    "INSERT INTO alerts (kind, plant_id, quantity_type_id, kit_id, condition, value, minimum, maximum,"
    " began_at, opened_at, over_at, ending) "
    "VALUES ('range', :plant, 1, :kit, 'low', 13.6, 18, 27, :began, :began, :over, :ending) RETURNING id"
)
_SILENCE = text(
    "INSERT INTO alerts (kind, kit_id, condition, began_at, seen_at, seen_by_id, snoozed_at, snoozed_until,"
    " snoozed_by_id) VALUES ('silence', :kit, 'silent', now() - interval '1 hour', now(), :user, now(),"
    " :until, :user) RETURNING id"
)
_ALERT_MESSAGE = text(
    "INSERT INTO messages"
    " (user_id, alert_id, transport, kind, recipient, subject, state, give_up_at, finished_at)"
    " VALUES (:user, :alert, :transport, 'alert', '№', '№ 1', CAST(:state AS text), now(),"
    " CASE WHEN CAST(:state AS text) = 'waiting' THEN NULL ELSE now() END)"
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
    INSERT INTO quarantine (received_at, kit_id, stream, reason, detail, topic, payload, payload_bytes)
    SELECT now() - n * interval '3 hours', 0, 'raw',
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


async def _public_link(engine: AsyncEngine, kit: MadeKit) -> str:
    async with engine.begin() as connection:
        await make_public_link(connection, kit.id, datetime.now(UTC))
        link = await find_public_link(connection, kit.id)
    assert link is not None
    return link.code
