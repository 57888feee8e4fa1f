"""What the database knows of the parts of an installation, in few statements of bounded cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

HOURS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFigures:
    """Counts and moments; a moment is None if it never came. `waiting_boards` are boards without a name.

    `listening_until` is when a process that hears kits last said so, and `set_aside` stops at 10,000.
    """

    received: int
    received_seconds: float
    last_stored_at: datetime | None
    listening_until: datetime | None
    database_bytes: int
    revision: str | None
    set_aside: int
    waiting_boards: int
    first_waiting_board_at: datetime | None
    gateways: int
    newest_delivery_at: datetime | None
    accepted_at: datetime | None
    given_up: int
    people: int
    administrators: int


async def read_figures(connection: AsyncConnection) -> PartFigures:
    """Return the present figures."""
    return PartFigures(**(await connection.execute(_FIGURES)).mappings().one())


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What happened in each of the last 24 hours, oldest first; the last hour is not over yet."""

    key: str
    counts: Sequence[int]

    @property
    def total(self) -> int:
        """The sum of all hours."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Courses:
    """Figures by hour; `hours` are the beginnings of the hours."""

    hours: Sequence[datetime]
    courses: Sequence[Course]


async def read_courses(connection: AsyncConnection) -> Courses:
    """Return what became of messages from kits and of messages to people, by hour."""
    rows = (await connection.execute(_COURSES)).mappings().all()
    return Courses(
        hours=[row["hour"] for row in rows],
        courses=[Course(key=key, counts=tuple(int(row[key]) for row in rows)) for key in COURSE_KEYS],
    )


COURSE_KEYS = ("stored", "repeated", "set_aside", "refused", "sent", "given_up")


_FIGURES = text(
    """
    SELECT (SELECT coalesce(sum(received), 0)::bigint FROM ingest_ledger
            WHERE hour >= date_bin('1 hour', now() - interval '1 hour', 'epoch')) AS received,
           extract(epoch FROM now() - date_bin('1 hour', now() - interval '1 hour', 'epoch'))::float
               AS received_seconds,
           (SELECT max(datetime_last_seen) FROM kit_last_seen) AS last_stored_at,
           (SELECT max(listening_until) FROM presence_listening) AS listening_until,
           pg_database_size(current_database()) AS database_bytes,
           (SELECT version_num FROM alembic_version LIMIT 1) AS revision,
           (SELECT count(*) FROM (SELECT FROM quarantine LIMIT 10000) AS q) AS set_aside,
           (SELECT count(*) FROM waiting_boards) AS waiting_boards,
           (SELECT min(first_contact_at) FROM waiting_boards) AS first_waiting_board_at,
           (SELECT count(*) FROM gateways) AS gateways,
           (SELECT max(last_contact_at) FROM gateways) AS newest_delivery_at,
           (SELECT max(finished_at) FROM messages
            WHERE state = 'accepted' AND transport = 'mail' AND created_at > now() - interval '7 days')
               AS accepted_at,
           (SELECT count(*) FROM messages WHERE state = 'given-up' AND created_at > now() - interval '1 day'
              AND NOT (kind IN ('alert', 'alert-over') AND sealed_body IS NULL)) AS given_up,
           (SELECT count(*) FROM users) AS people,
           (SELECT count(*) FROM users WHERE is_admin) AS administrators
    """
)
_COURSES = text(
    """
    WITH hours AS (
        SELECT generate_series(date_bin('1 hour', now() - interval '23 hours', 'epoch'),
                               date_bin('1 hour', now(), 'epoch'), '1 hour') AS hour
    ), kits AS (
        SELECT hour, sum(stored) AS stored, sum(duplicate) AS repeated, sum(quarantined) AS set_aside,
               sum(refused) AS refused
        FROM ingest_ledger WHERE hour >= (SELECT min(hour) FROM hours) GROUP BY hour
    ), people AS (
        SELECT date_bin('1 hour', finished_at, 'epoch') AS hour,
               count(*) FILTER (WHERE state = 'accepted') AS sent,
               count(*) FILTER (WHERE state = 'given-up'
                   AND NOT (kind IN ('alert', 'alert-over') AND sealed_body IS NULL)) AS given_up
        FROM messages
        WHERE created_at > now() - interval '8 days' AND finished_at >= (SELECT min(hour) FROM hours)
        GROUP BY 1
    )
    SELECT hours.hour, coalesce(stored, 0) AS stored, coalesce(repeated, 0) AS repeated,
           coalesce(set_aside, 0) AS set_aside, coalesce(refused, 0) AS refused,
           coalesce(sent, 0) AS sent, coalesce(given_up, 0) AS given_up
    FROM hours LEFT JOIN kits USING (hour) LEFT JOIN people USING (hour) ORDER BY hours.hour
    """
)
