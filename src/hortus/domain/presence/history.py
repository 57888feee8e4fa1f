"""The history of presence: when a kit was online, late or offline, and when we did not listen."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.presence.judgement import Judgement, PresenceState

KEPT_DAYS = 730
MOST_PER_KIT = 10_000
"""A kit that comes and goes all the time cannot fill the disk."""

MOST_OUTAGES = 10_000


async def note_presence(
    connection: AsyncConnection, kit_id: int, judgement: Judgement, now: datetime
) -> None:
    """Begin the interval of a state that was just announced. The caller holds the lock on the kit's presence."""
    if judgement.state is PresenceState.NEVER:
        return
    parameters = {"kit_id": kit_id, "since": _began(judgement, now)}
    ended_at = await connection.scalar(_END, parameters)
    await connection.execute(
        _BEGIN,
        {
            "kit_id": kit_id,
            "since": ended_at or parameters["since"],
            "state": str(judgement.state),
            "last_contact_at": None
            if judgement.state is PresenceState.ONLINE
            else judgement.last_contact_at,
        },
    )


async def forget_old_presence(connection: AsyncConnection) -> None:
    """Delete intervals and outages that are too old or too many. The caller commits."""
    await connection.execute(_FORGET_INTERVALS, {"days": KEPT_DAYS, "most": MOST_PER_KIT})
    await connection.execute(_FORGET_OUTAGES, {"days": KEPT_DAYS, "most": MOST_OUTAGES})


def _began(judgement: Judgement, now: datetime) -> datetime:
    """Return since when the kit is in this state: it was noticed up to ten seconds later."""
    began: datetime | None = None
    if judgement.state is PresenceState.ONLINE:
        began = judgement.last_contact_at
    elif judgement.since is not None and judgement.since != judgement.last_contact_at:
        # Late, or disconnected. The silence of an offline kit is told by its last contact.
        began = judgement.since
    return min(began or now, now)


# Intervals neither overlap nor leave a gap, whatever the clocks of several processes say.
_END = text(
    """
    UPDATE presence_intervals SET until = greatest(since, CAST(:since AS timestamptz))
    WHERE kit_id = :kit_id AND until IS NULL RETURNING until
    """
)
_BEGIN = text(
    """
    INSERT INTO presence_intervals (kit_id, since, state, last_contact_at)
    VALUES (:kit_id, :since, :state, :last_contact_at)
    ON CONFLICT (kit_id, since) DO UPDATE
    SET until = NULL, state = excluded.state, last_contact_at = excluded.last_contact_at
    """
)
_FORGET_INTERVALS = text(
    """
    DELETE FROM presence_intervals i
    USING (SELECT kit_id, since, until, row_number() OVER (PARTITION BY kit_id ORDER BY since DESC) AS place
           FROM presence_intervals WHERE until IS NOT NULL) old
    WHERE old.kit_id = i.kit_id AND old.since = i.since
      AND (old.place > :most OR old.until < now() - make_interval(days => :days))
    """
)
_FORGET_OUTAGES = text(
    """
    DELETE FROM listening_outages o
    USING (SELECT since, until, row_number() OVER (ORDER BY since DESC) AS place FROM listening_outages) old
    WHERE old.since = o.since
      AND (old.place > :most OR old.until < now() - make_interval(days => :days))
    """
)
