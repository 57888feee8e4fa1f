"""What is known about each kit's log-ins at the built-in endpoint: the last one, and the last refused one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.mqtt_accounts.tables import KitLogInRow

OTHER_SPELLING = "other-spelling"
"""The reason for a user name that is a serial in capital letters, or with spaces around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogInReport:
    """What happened under one user name since it was last written down; times are those of this machine."""

    username: str
    logged_in_at: datetime | None = None
    logged_in_from: str | None = None
    refused_at: datetime | None = None
    refused_from: str | None = None
    refused_reason: str | None = None
    refused_times: int = 0
    topic_refused_at: datetime | None = None
    topic_refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KitLogIns:
    """A kit's log-ins. A refusal counts only if it is newer than the last log-in; see `is_refused`."""

    logged_in_at: datetime | None = None
    logged_in_from: str | None = None
    refused_at: datetime | None = None
    refused_from: str | None = None
    refused_reason: str | None = None
    refused_name: str | None = None
    refused_times: int = 0
    topic_refused_at: datetime | None = None
    topic_refused: str | None = None

    @property
    def is_refused(self) -> bool:
        """Whether the kit's last attempt to log in failed."""
        if self.refused_at is None:
            return False
        return self.logged_in_at is None or self.refused_at > self.logged_in_at


async def kit_log_ins(connection: AsyncConnection, kit_id: int) -> KitLogIns:
    """Return what is known of a kit's log-ins."""
    columns = [column for column in KitLogInRow.__table__.columns if column.name != "kit_id"]
    found = await connection.execute(select(*columns).where(KitLogInRow.kit_id == kit_id))
    row = found.mappings().one_or_none()
    return KitLogIns(**row) if row else KitLogIns()


async def note_log_ins(connection: AsyncConnection, reports: Collection[LogInReport]) -> None:
    """Write reports down. Those about names that are no kit's are ignored. The caller commits."""
    await connection.execute(
        _NOTE,
        {
            "names": [each.username for each in reports],
            "in_at": [each.logged_in_at for each in reports],
            "in_from": [each.logged_in_from for each in reports],
            "refused_at": [each.refused_at for each in reports],
            "refused_from": [each.refused_from for each in reports],
            "reasons": [each.refused_reason for each in reports],
            "times": [each.refused_times for each in reports],
            "topic_at": [each.topic_refused_at for each in reports],
            "topics": [each.topic_refused for each in reports],
            "other_spelling": OTHER_SPELLING,
        },
    )


# Serials are in small letters; somebody who types one may not know. Names that are spelled like no serial
# cannot be told from invented ones, and are not kept. Ordered by id, so that two processes never deadlock.
_NOTE = text(
    """
    INSERT INTO kit_log_ins AS l (
        kit_id, logged_in_at, logged_in_from,
        refused_at, refused_from, refused_reason, refused_name, refused_times,
        topic_refused_at, topic_refused
    )
    SELECT DISTINCT ON (k.id) k.id, r.in_at, r.in_from,
        r.refused_at, r.refused_from,
        CASE WHEN r.refused_at IS NULL THEN NULL WHEN r.name <> k.serial THEN :other_spelling ELSE r.reason END,
        CASE WHEN r.refused_at IS NOT NULL AND r.name <> k.serial THEN r.name END,
        r.times, r.topic_at, r.topic
    FROM unnest(
        CAST(:names AS text[]), CAST(:in_at AS timestamptz[]), CAST(:in_from AS text[]),
        CAST(:refused_at AS timestamptz[]), CAST(:refused_from AS text[]), CAST(:reasons AS text[]),
        CAST(:times AS bigint[]), CAST(:topic_at AS timestamptz[]), CAST(:topics AS text[])
    ) AS r (name, in_at, in_from, refused_at, refused_from, reason, times, topic_at, topic)
    JOIN kits k ON k.serial IN (r.name, lower(trim(r.name)))
    ORDER BY k.id, (r.name = k.serial) DESC, r.refused_at DESC
    ON CONFLICT (kit_id) DO UPDATE SET
        logged_in_at = greatest(l.logged_in_at, excluded.logged_in_at),
        logged_in_from = CASE WHEN excluded.logged_in_at IS NULL THEN l.logged_in_from
            ELSE excluded.logged_in_from END,
        refused_at = coalesce(excluded.refused_at, l.refused_at),
        refused_from = CASE WHEN excluded.refused_at IS NULL THEN l.refused_from
            ELSE excluded.refused_from END,
        refused_reason = coalesce(excluded.refused_reason, l.refused_reason),
        refused_name = CASE WHEN excluded.refused_at IS NULL THEN l.refused_name ELSE excluded.refused_name END,
        refused_times = excluded.refused_times
            + CASE WHEN excluded.logged_in_at IS NULL THEN l.refused_times ELSE 0 END,
        topic_refused_at = coalesce(excluded.topic_refused_at, l.topic_refused_at),
        topic_refused = coalesce(excluded.topic_refused, l.topic_refused)
    """
)
