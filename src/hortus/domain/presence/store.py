"""Presence in the database: recording facts, judging them, and announcing changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, Integer, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.presence.history import note_presence
from hortus.domain.presence.judgement import Facts, Judgement, Listening, PresenceState, judge

_SHARED_FOR = timedelta(minutes=5)
"""Longer than the pause between two reports while an account is shared."""

PRESENCE_CHANNEL = "hortus_presence"
"""Announces `<serial> <state>` when the presence of a kit has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWord:
    """What a kit last said about itself."""

    text: str
    said_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceRecord:
    """A kit and its presence; `announced` is the last announced state.

    `is_shared`: two clients take turns under its account, so their readings mix.
    """

    kit_id: int
    serial: str
    judgement: Judgement
    announced: PresenceState
    own_word: OwnWord | None
    is_shared: bool


async def read_presences(
    connection: AsyncConnection, now: datetime, kit_ids: Collection[int]
) -> dict[int, PresenceRecord]:
    """Return the presence of these kits, by their ids."""
    listening = await _read_listening(connection)
    rows = await connection.execute(_FACTS, {"kit_ids": list(kit_ids)})
    return {row["kit_id"]: _judged(row, listening, now) for row in rows.mappings()}


async def read_presence(connection: AsyncConnection, now: datetime, kit_id: int) -> Judgement:
    """Return the presence of a kit; an unknown kit was never seen."""
    found = (await read_presences(connection, now, [kit_id])).get(kit_id)
    return found.judgement if found else Judgement(state=PresenceState.NEVER, since=None, last_contact_at=None)


async def next_kits(connection: AsyncConnection, after: int, most: int) -> Sequence[int]:
    """Return the next kit ids above `after`."""
    return (await connection.scalars(_NEXT_KITS, {"after": after, "most": most})).all()


async def announce_changes(connection: AsyncConnection, now: datetime, kit_ids: Collection[int]) -> None:
    """Judge these kits and announce those whose presence has changed. The caller commits.

    Several processes may do so at once: each change is announced by one of them.
    """
    presences = await read_presences(connection, now, kit_ids)
    for presence in sorted(presences.values(), key=lambda each: each.kit_id):
        state = presence.judgement.state
        if state is presence.announced:
            continue
        parameters = {"kit_id": presence.kit_id, "state": str(state)}
        if await connection.scalar(_NOTE_ANNOUNCED, parameters) is not None:
            await note_presence(connection, presence.kit_id, presence.judgement, now)
            await connection.execute(_NOTIFY, {"payload": f"{presence.serial} {state}"})


async def kits_named(connection: AsyncConnection, serials: Collection[str]) -> Sequence[int]:
    """Return the ids of the kits with these serials."""
    return (await connection.scalars(_KITS_NAMED, {"serials": list(serials)})).all()


async def note_connections(connection: AsyncConnection, changes: Mapping[str, bool]) -> None:
    """Record which kits have connected or disconnected (by serial)."""
    parameters = {"serials": list(changes), "connected": [int(each) for each in changes.values()]}
    await connection.execute(_NOTE_CONNECTIONS, parameters)


async def note_contacts(connection: AsyncConnection, serials: Collection[str]) -> None:
    """Record that something other than a reading arrived from these kits."""
    await connection.execute(_NOTE_CONTACTS, {"serials": list(serials)})


async def note_words(connection: AsyncConnection, words: Mapping[str, str]) -> None:
    """Record what kits say about themselves (by serial)."""
    await connection.execute(_NOTE_WORDS, {"serials": list(words), "words": list(words.values())})


async def note_shared(connection: AsyncConnection, serials: Collection[str]) -> None:
    """Record that two clients use the accounts of these kits."""
    await connection.execute(_NOTE_SHARED, {"serials": list(serials)})


async def forget_connections(connection: AsyncConnection) -> None:
    """Mark all connections as unknown: none is left after a process has started, and kits will reconnect."""
    await connection.execute(_FORGET_CONNECTIONS)


async def _read_listening(connection: AsyncConnection) -> Listening | None:
    row = (await connection.execute(_LISTENING)).mappings().one_or_none()
    return Listening(**row) if row else None


def _judged(row: Mapping[Any, Any], listening: Listening | None, now: datetime) -> PresenceRecord:
    facts = Facts(
        last_contact_at=row["last_contact_at"],
        is_connected=row["is_connected"],
        connection_changed_at=row["connection_changed_at"],
        reporting_seconds=row["reporting_seconds"],
        silent_after_seconds=row["silent_after_seconds"],
    )
    return PresenceRecord(
        kit_id=row["kit_id"],
        serial=row["serial"],
        judgement=judge(facts, listening, now),
        announced=PresenceState(row["announced_state"] or PresenceState.NEVER),
        own_word=OwnWord(text=row["own_word"], said_at=row["own_word_at"]) if row["own_word"] else None,
        is_shared=row["account_shared_at"] is not None and now - row["account_shared_at"] < _SHARED_FOR,
    )


# The interval is that of the configuration that the kit runs: the one it fetched last, else the active one.
# Schemas set no maximum, so any number can be configured; it is capped at a month.
_FACTS = text(
    """
    SELECT k.id AS kit_id, k.serial,
        p.is_connected, p.connection_changed_at, p.announced_state, p.account_shared_at,
        p.own_word, p.own_word_at,
        greatest(l.datetime_last_seen, p.last_contact_at, b.last_contact_at, m.received_at) AS last_contact_at,
        b.silent_after_seconds, i.reporting_seconds
    FROM kits k
    LEFT JOIN kit_last_seen l ON l.kit_id = k.id
    LEFT JOIN kit_presence p ON p.kit_id = k.id
    LEFT JOIN boards b ON b.kit_id = k.id
    LEFT JOIN kit_fetched_configurations f ON f.kit_id = k.id
    LEFT JOIN kit_configurations a ON a.kit_id = k.id AND a.active
    LEFT JOIN LATERAL (
        SELECT received_at FROM media WHERE kit_id = k.id ORDER BY datetime DESC, id DESC LIMIT 1
    ) m ON true
    LEFT JOIN LATERAL (
        SELECT min(greatest(1, least(
            (s.configuration -> 'intervals' ->> 'measurementInterval')::numeric, 2592000
        )))::float8 AS reporting_seconds
        FROM peripherals s
        WHERE s.kit_configuration_id = coalesce(f.kit_configuration_id, a.id)
          AND json_typeof(s.configuration -> 'intervals' -> 'measurementInterval') = 'number'
    ) i ON true
    WHERE k.id = ANY(:kit_ids)
    """
).bindparams(bindparam("kit_ids", type_=ARRAY(Integer)))
_NEXT_KITS = text("SELECT id FROM kits WHERE id > :after ORDER BY id LIMIT :most")
_KITS_NAMED = text("SELECT id FROM kits WHERE serial = ANY(:serials)").bindparams(
    bindparam("serials", type_=ARRAY(Text))
)
_LISTENING = text(
    """
    SELECT listening_since AS since, listening_until AS until, previous_until FROM presence_listening
    """
)
_NOTE_ANNOUNCED = text(
    """
    INSERT INTO kit_presence AS p (kit_id, announced_state, announced_since)
    VALUES (:kit_id, :state, clock_timestamp())
    ON CONFLICT (kit_id) DO UPDATE
    SET announced_state = excluded.announced_state, announced_since = excluded.announced_since
    WHERE p.announced_state IS DISTINCT FROM excluded.announced_state
    RETURNING kit_id
    """
)
_NOTIFY = text(f"SELECT pg_notify('{PRESENCE_CHANNEL}', :payload)")

# Ordered by id, so that two processes never deadlock. A kit that connects counts as heard. If a kit is recorded
# as disconnected again, and was heard in between, it has disconnected anew: its connection was not recorded.
_NOTE_CONNECTIONS = text(
    """
    INSERT INTO kit_presence AS p (kit_id, is_connected, connection_changed_at, last_contact_at)
    SELECT k.id, c.connected = 1, clock_timestamp(), CASE WHEN c.connected = 1 THEN clock_timestamp() END
    FROM unnest(:serials, :connected) AS c (serial, connected) JOIN kits k ON k.serial = c.serial
    ORDER BY k.id
    ON CONFLICT (kit_id) DO UPDATE SET
        is_connected = excluded.is_connected,
        connection_changed_at = CASE WHEN p.is_connected IS DISTINCT FROM excluded.is_connected
            OR NOT excluded.is_connected AND p.connection_changed_at < greatest(
                p.last_contact_at,
                (SELECT datetime_last_seen FROM kit_last_seen l WHERE l.kit_id = p.kit_id),
                (SELECT received_at FROM media WHERE kit_id = p.kit_id ORDER BY datetime DESC, id DESC LIMIT 1)
            )
            THEN excluded.connection_changed_at ELSE p.connection_changed_at END,
        last_contact_at = greatest(p.last_contact_at, excluded.last_contact_at)
    """
).bindparams(bindparam("serials", type_=ARRAY(Text)), bindparam("connected", type_=ARRAY(Integer)))
_NOTE_CONTACTS = text(
    """
    INSERT INTO kit_presence AS p (kit_id, last_contact_at)
    SELECT id, clock_timestamp() FROM kits WHERE serial = ANY(:serials) ORDER BY id
    ON CONFLICT (kit_id) DO UPDATE SET last_contact_at = excluded.last_contact_at
    """
).bindparams(bindparam("serials", type_=ARRAY(Text)))
_NOTE_WORDS = text(
    """
    INSERT INTO kit_presence AS p (kit_id, own_word, own_word_at)
    SELECT k.id, w.word, clock_timestamp()
    FROM unnest(:serials, :words) AS w (serial, word) JOIN kits k ON k.serial = w.serial
    ORDER BY k.id
    ON CONFLICT (kit_id) DO UPDATE SET own_word = excluded.own_word, own_word_at = excluded.own_word_at
    """
).bindparams(bindparam("serials", type_=ARRAY(Text)), bindparam("words", type_=ARRAY(Text)))
_NOTE_SHARED = text(
    """
    INSERT INTO kit_presence AS p (kit_id, account_shared_at)
    SELECT id, clock_timestamp() FROM kits WHERE serial = ANY(:serials) ORDER BY id
    ON CONFLICT (kit_id) DO UPDATE SET account_shared_at = excluded.account_shared_at
    """
).bindparams(bindparam("serials", type_=ARRAY(Text)))
_FORGET_CONNECTIONS = text("UPDATE kit_presence SET is_connected = NULL WHERE is_connected")
