"""The statements behind the status page.

Each serves all kits of a page at once, and reads a bounded number of rows for each kit, along the primary key
(kit_id, datetime, id) and from the newest partition backwards, however many rows are stored.
"""

from __future__ import annotations

from sqlalchemy import Integer, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from hortus.domain.kits.deleted_configurations import not_deleted
from hortus.domain.plausibility.fragments import (
    COLUMNS_OF_DOUBT,
    ON_LIMITS,
    VERDICT,
    is_plausible,
    limits_where,
    supported_hours,
)
from hortus.http.access.viewer import VISIBLE_KITS

HEAD_READINGS = 200
"""Newest readings of each kit that are read at every request: enough to include everything new."""

DEEP_READINGS = 2000
"""Newest readings of each kit that are occasionally searched for series that report rarely."""

SLOT_READINGS = 40
"""Readings per time slot of a kit's course: the last ones of the slot."""

RECENT_HOURS = 24
"""The range searched first; only kits without readings in it are searched further back."""

_INTEGERS = ARRAY(Integer)

ALL_KITS = text(
    f"""
    SELECT k.id, EXISTS (SELECT 1 FROM alerts a WHERE a.kit_id = k.id AND a.over_at IS NULL) AS is_alerted
    FROM kits k
    WHERE k.id IN ({VISIBLE_KITS})
    ORDER BY lower(coalesce(k.name, k.serial)), k.id
    """  # noqa: S608  (built from constants)
)

# In the given order; those that the viewer may not see (any more) are missing.
KITS_OF_PAGE = text(
    f"""
    SELECT k.id, k.serial, k.name, k.privacy_public_dashboard AS is_public,
        EXISTS (SELECT 1 FROM kit_memberships m
                WHERE m.kit_id = k.id AND m.user_id = CAST(:user_id AS integer)) AS is_viewers,
        NOT EXISTS (SELECT 1 FROM kit_memberships m WHERE m.kit_id = k.id) AS is_nobodys,
        EXISTS (SELECT 1 FROM alerts a
                WHERE a.kit_id = k.id AND a.over_at IS NULL AND a.kind = 'silence') AS has_silence_alert
    FROM unnest(:kit_ids) WITH ORDINALITY AS wanted (id, place)
    JOIN kits k ON k.id = wanted.id
    WHERE k.id IN ({VISIBLE_KITS})
    ORDER BY wanted.place
    """  # noqa: S608  (built from constants)
).bindparams(bindparam("kit_ids", type_=_INTEGERS))

LAST_STORED = text(
    f"SELECT max(datetime_last_seen) FROM kit_last_seen WHERE kit_id IN ({VISIBLE_KITS})"  # noqa: S608
)

# The first of each kit's newest media that has a thumbnail: a bounded number of rows, along the index.
NEWEST_PICTURES = text(
    f"""
    SELECT k.id AS kit_id, p.id, p.name, p.datetime AS at
    FROM unnest(CAST(:kit_ids AS integer[])) AS k (id)
    CROSS JOIN LATERAL (
        SELECT n.* FROM (
            SELECT m.id, m.name, m.datetime, m.thumbnail FROM media m
            WHERE m.kit_id = k.id AND m.datetime <= :now AND {not_deleted("m.kit_configuration_id", "k.id")}
            ORDER BY m.datetime DESC, m.id DESC LIMIT 20
        ) n
        WHERE n.thumbnail = 'made' ORDER BY n.datetime DESC, n.id DESC LIMIT 1
    ) p
    """  # noqa: S608  (built from constants)
)

NUMBER_OF_KITS = text(f"SELECT count(*) FROM ({VISIBLE_KITS}) visible")  # noqa: S608

# One line per kit of the page, one (-1) for all other visible kits together, one (0) for messages of no kit.
# Sums are taken per kit along the key (kit_id, hour, …), so old hours cost nothing.
_LEDGER_KITS = f"""
    WITH visible AS (
      SELECT id, CASE WHEN id = ANY(:kit_ids) THEN id ELSE -1 END AS line FROM ({VISIBLE_KITS}) v
      UNION ALL SELECT 0, 0 WHERE CAST(:is_admin AS boolean)
    )
"""  # noqa: S608

LEDGER_SUMS = text(
    f"""
    {_LEDGER_KITS}
    SELECT v.line,
      sum(l.received)::bigint AS received, sum(l.stored)::bigint AS stored,
      sum(l.duplicate)::bigint AS duplicate, sum(l.quarantined)::bigint AS quarantined,
      sum(l.refused)::bigint AS refused
    FROM visible v JOIN ingest_ledger l ON l.kit_id = v.id AND l.hour >= :since
    GROUP BY v.line
    """  # noqa: S608
).bindparams(bindparam("kit_ids", type_=_INTEGERS))

LEDGER_REASONS = text(
    f"""
    {_LEDGER_KITS}
    SELECT v.line, r.outcome, r.reason, sum(r.count)::bigint AS count
    FROM visible v JOIN ingest_ledger_reasons r ON r.kit_id = v.id AND r.hour >= :since
    WHERE r.count > 0
    GROUP BY v.line, r.outcome, r.reason
    """  # noqa: S608
).bindparams(bindparam("kit_ids", type_=_INTEGERS))

# For each kit of a list its deleted configurations, whose readings are skipped.
_WANTED = """unnest(:kit_ids) AS wanted(kit_id)
    CROSS JOIN LATERAL (
      SELECT ARRAY(SELECT id FROM kit_configurations
                   WHERE kit_id = wanted.kit_id AND deleted_at IS NOT NULL) AS deleted
    ) c"""
_LIMITS = limits_where("p.kit_id = ANY(:kit_ids)")

# The newest reading of each series among the newest readings of each kit: the newest plausible one, and the
# newest one that is not. Readings from the future are skipped, so they cannot become the latest (P8).
NEWEST_READINGS = text(
    f"""
    WITH {_LIMITS}, found AS MATERIALIZED (
      SELECT {COLUMNS_OF_DOUBT}, m.value, m.datetime, {VERDICT} AS verdict
      FROM {_WANTED}
      CROSS JOIN LATERAL (
        SELECT m.kit_id, m.peripheral_id, m.quantity_type_id, m.value, m.datetime
        FROM raw_measurements m
        WHERE m.kit_id = wanted.kit_id AND m.datetime > :since AND m.datetime <= :now
          AND m.kit_configuration_id <> ALL (c.deleted)
        ORDER BY m.datetime DESC LIMIT :readings
      ) m
      LEFT JOIN limits l {ON_LIMITS}
    ), {supported_hours("found")}, judged AS (
      SELECT f.*, {is_plausible("f")} AS plausible FROM found f
    )
    SELECT DISTINCT ON (r.kit_id, p.name, r.quantity_type_id, r.plausible)
      r.kit_id, p.id AS peripheral_id, p.name AS peripheral, r.quantity_type_id, r.value, r.datetime AS at,
      p.configuration #>> '{{intervals,measurementInterval}}' AS interval, r.plausible,
      q.physical_quantity AS quantity, coalesce(q.physical_unit_symbol, q.physical_unit) AS unit
    FROM judged r
    JOIN peripherals p ON p.id = r.peripheral_id
    JOIN quantity_types q ON q.id = r.quantity_type_id
    ORDER BY r.kit_id, p.name, r.quantity_type_id, r.plausible, r.datetime DESC
    """  # noqa: S608  (our own constants)
).bindparams(bindparam("kit_ids", type_=_INTEGERS))

# The course of each series: for each time slot, the newest plausible value of each series among the slot's last
# readings. The amount read does not grow with a kit's measuring rate.
COURSES = text(
    f"""
    WITH {_LIMITS}, found AS MATERIALIZED (
      SELECT {COLUMNS_OF_DOUBT}, m.slot, m.value, m.datetime, {VERDICT} AS verdict
      FROM (
        SELECT r.*, slot
        FROM {_WANTED}
        CROSS JOIN generate_series(0, :slots - 1) AS slot
        CROSS JOIN LATERAL (
          SELECT m.kit_id, m.peripheral_id, m.quantity_type_id, m.value, m.datetime
          FROM raw_measurements m
          WHERE m.kit_id = wanted.kit_id
            AND m.datetime > CAST(:start AS timestamptz) + slot * CAST(:slot_length AS interval)
            AND m.datetime <= CAST(:start AS timestamptz) + (slot + 1) * CAST(:slot_length AS interval)
            AND m.datetime <= :now AND m.datetime > :start AND m.kit_configuration_id <> ALL (c.deleted)
          ORDER BY m.datetime DESC LIMIT :readings
        ) r
      ) m
      LEFT JOIN limits l {ON_LIMITS}
    ), {supported_hours("found")}
    SELECT DISTINCT ON (r.kit_id, r.slot, p.name, r.quantity_type_id)
      r.kit_id, r.slot, p.name AS peripheral, r.quantity_type_id, r.value
    FROM found r
    JOIN peripherals p ON p.id = r.peripheral_id
    WHERE {is_plausible("r")}
    ORDER BY r.kit_id, r.slot, p.name, r.quantity_type_id, r.datetime DESC
    """  # noqa: S608  (our own constants)
).bindparams(bindparam("kit_ids", type_=_INTEGERS), bindparam("slots", type_=Integer))
