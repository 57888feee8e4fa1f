"""Statements that measure each queue of background work in bounded time: `waiting`, `failing`, seconds.

`oldest_seconds` is how long the oldest item has waited, `overdue_seconds` how long the first due item has been
due.
"""

from __future__ import annotations

from sqlalchemy import text

# From kit to kit and from hour to hour in the index: an hour may have been noted thousands of times. The
# current hour does not count as waiting; it is rolled up once it is over.
_ROLLUPS = text(
    """
    WITH RECURSIVE noted (kit_id, hour) AS (
        (SELECT kit_id, hour FROM series_touched_hours ORDER BY kit_id, hour LIMIT 1)
        UNION ALL
        SELECT another.kit_id, another.hour FROM noted CROSS JOIN LATERAL (
            SELECT t.kit_id, t.hour FROM series_touched_hours t
            WHERE t.kit_id > noted.kit_id ORDER BY t.kit_id, t.hour LIMIT 1
        ) AS another
    ), oldest AS MATERIALIZED (
        SELECT kit_id, hour FROM (SELECT * FROM noted LIMIT :most) AS kits
        WHERE hour < date_bin('1 hour', now(), 'epoch')
    ), due (kit_id, hour) AS (
        SELECT kit_id, hour FROM oldest
        UNION ALL
        SELECT due.kit_id, (
            SELECT min(t.hour) FROM series_touched_hours t
            WHERE t.kit_id = due.kit_id AND t.hour > due.hour AND t.hour < date_bin('1 hour', now(), 'epoch')
        )
        FROM due WHERE due.hour IS NOT NULL
    )
    SELECT (SELECT count(*) FROM (SELECT FROM due WHERE hour IS NOT NULL LIMIT :most) AS hours) AS waiting,
           NULL::int AS failing,
           (SELECT extract(epoch FROM now() - min(hour) - interval '1 hour') FROM oldest) AS oldest_seconds
    """
)

_MESSAGES = text(
    """
    SELECT count(*) AS waiting, count(failure) AS failing,
           extract(epoch FROM now() - min(created_at)) AS oldest_seconds,
           extract(epoch FROM now() - min(next_attempt_at)) AS overdue_seconds
    FROM (
        SELECT failure, created_at, next_attempt_at FROM messages
        WHERE state = 'waiting' ORDER BY next_attempt_at LIMIT :most
    ) AS messages
    """
)

# A kit handles one command at a time, so a command may wait, but not beyond the time at which it is given up.
_KIT_COMMANDS = text(
    """
    SELECT count(*) AS waiting, NULL::int AS failing,
           extract(epoch FROM now() - min(requested_at)) AS oldest_seconds,
           extract(epoch FROM now() - min(give_up_at)) AS overdue_seconds
    FROM (SELECT requested_at, give_up_at FROM kit_commands WHERE state = 'waiting' LIMIT :most) AS commands
    """
)

_MEDIA_DELETION = text(
    """
    SELECT count(*) AS waiting, count(failure) AS failing,
           extract(epoch FROM now() - min(created_at)) AS oldest_seconds,
           extract(epoch FROM now() - min(next_attempt_at)) AS overdue_seconds
    FROM (
        SELECT failure, created_at, next_attempt_at FROM queue_media_pending_deletion
        WHERE object_deleted_at IS NULL ORDER BY next_attempt_at, id LIMIT :most
    ) AS objects
    """
)

_THUMBNAILS = text(
    """
    SELECT count(*) AS waiting, count(thumbnail_retry_at) AS failing,
           extract(epoch FROM now() - min(received_at)) AS oldest_seconds,
           extract(epoch FROM now() - min(coalesce(thumbnail_retry_at, received_at))) AS overdue_seconds
    FROM (
        (SELECT received_at, thumbnail_retry_at FROM media
         WHERE thumbnail IS NULL AND thumbnail_retry_at IS NULL ORDER BY received_at LIMIT :most)
        UNION ALL
        (SELECT received_at, thumbnail_retry_at FROM media
         WHERE thumbnail IS NULL AND thumbnail_retry_at IS NOT NULL ORDER BY thumbnail_retry_at LIMIT :most)
    ) AS pictures
    """
)

QUESTIONS = {
    "rollups": _ROLLUPS,
    "messages": _MESSAGES,
    "kit-commands": _KIT_COMMANDS,
    "media-deletion": _MEDIA_DELETION,
    "thumbnails": _THUMBNAILS,
}
"""Statements by queue name."""
