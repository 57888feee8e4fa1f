"""The message queue in the database: adding messages, taking one for an attempt, recording the outcome.

One attempt at a time: a worker takes a message under a lease, which expires if the worker dies. A message that
was delivered just before its worker died is sent again: delivery is at least once, with the same Message-ID.
All times are the database's, so that workers on machines with different clocks agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from hortus.base.errors import UsageError
from hortus.domain.messages.outcome import one_line
from hortus.domain.messages.sealing import Seal
from hortus.domain.messages.tables import (
    MOST_SUBJECT_CHARACTERS,
    MessageKind,
    MessageRow,
    MessageState,
    Transport,
)

KEPT_DAYS = 30

GIVE_UP_SECONDS = {
    MessageKind.ALERT: 24 * 3600,
    MessageKind.ALERT_OVER: 24 * 3600,
    MessageKind.TEST: 15 * 60,
    MessageKind.PASSWORD_RESET: 30 * 60,
}
"""How long delivery is retried. For a reset, until its token expires; see hortus.domain.accounts.tokens."""

# As in hortus.http.access.permissions: members, administrators, and everyone if the kit is public.
_MAY_BE_TOLD = """
    (m.kit_id IS NULL OR EXISTS (
        SELECT 1 FROM kits AS kit JOIN users AS person ON person.id = m.user_id
        LEFT JOIN kit_memberships AS membership
            ON membership.kit_id = kit.id AND membership.user_id = person.id
        WHERE kit.id = m.kit_id
          AND (membership.user_id IS NOT NULL OR person.is_admin OR kit.privacy_public_dashboard)))
"""

# What is said about an alert is said while it is open, and nothing is said once its plant was deleted (P11).
_IS_STILL_TRUE = """
    (m.kind NOT IN ('alert', 'alert-over') OR EXISTS (
        SELECT 1 FROM alerts AS alert
        WHERE alert.id = m.alert_id AND (m.kind = 'alert-over' OR alert.over_at IS NULL)))
"""

_ANSWERED = """
    SELECT 1 FROM messages AS first
    WHERE first.alert_id = m.alert_id AND first.user_id = m.user_id AND first.kind = 'alert'
"""

# That an alert is over is told after the message that it is open, which may be on its way.
_IS_NOT_EARLY = f"""
    (m.kind <> 'alert-over' OR NOT EXISTS ({_ANSWERED} AND first.state = 'waiting'))
"""

_TAKE = text(
    f"""
    WITH due AS (
        SELECT id FROM messages AS m
        WHERE state = 'waiting' AND transport = :transport
          AND next_attempt_at <= now() AND give_up_at > now()
          AND {_MAY_BE_TOLD} AND {_IS_STILL_TRUE} AND {_IS_NOT_EARLY}
          -- A service that hangs holds up the messages of those who named it, and nobody else's.
          AND (channel_id IS NULL OR NOT EXISTS (
              SELECT 1 FROM messages AS other
              WHERE other.channel_id = m.channel_id AND other.lease IS NOT NULL
                AND other.next_attempt_at > now()
          ))
        ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE messages AS m
    SET lease = :lease, attempts = attempts + 1, next_attempt_at = now() + :lease_seconds * interval '1 second'
    FROM due WHERE m.id = due.id
    RETURNING m.id, m.lease, m.kind, m.attempts, m.recipient, m.subject, m.sealed_body,
        (SELECT sealed_url FROM notification_channels AS c WHERE c.id = m.channel_id) AS sealed_url
    """  # noqa: S608  (built from our own constants)
)

_GIVE_UP_LATE = text(
    """
    UPDATE messages
    SET state = 'given-up', lease = NULL, finished_at = now(),
        failure = coalesce(failure, 'It was not sent in time. Is `hortus jobs` or `hortus up` running?'),
        sealed_body = CASE WHEN kind = 'reset' THEN NULL ELSE sealed_body END
    WHERE state = 'waiting' AND give_up_at <= now() AND (lease IS NULL OR next_attempt_at <= now())
    RETURNING id
    """
)

_GIVE_UP_HIDDEN = text(
    f"""
    UPDATE messages AS m
    SET state = 'given-up', lease = NULL, finished_at = now(), sealed_body = NULL,
        failure = 'The recipient may no longer see the kit that this message is about.'
    WHERE state = 'waiting' AND (lease IS NULL OR next_attempt_at <= now()) AND NOT {_MAY_BE_TOLD}
    RETURNING id
    """  # noqa: S608  (built from our own constants)
)

_WITHDRAW = text(
    f"""
    UPDATE messages AS m
    SET state = 'given-up', lease = NULL, finished_at = now(), sealed_body = NULL,
        failure = CASE WHEN alert_id IS NULL THEN 'What this message is about was deleted.'
                       WHEN kind = 'alert' THEN 'The alert was over before this message could be sent.'
                       ELSE 'Nobody was told that the alert was open, so this message is not needed.' END
    WHERE state = 'waiting' AND (lease IS NULL OR next_attempt_at <= now())
      AND (CAST(:alert_id AS bigint) IS NULL OR alert_id = CAST(:alert_id AS bigint))
      AND (NOT {_IS_STILL_TRUE} OR (
          m.kind = 'alert-over' AND EXISTS ({_ANSWERED})
          AND NOT EXISTS ({_ANSWERED} AND first.state IN ('waiting', 'accepted'))))
    """  # noqa: S608  (built from our own constants)
)

_LOCK_WAITING = text("SELECT id FROM messages WHERE alert_id = :alert_id AND state = 'waiting' FOR UPDATE")

_TOLD = text(
    """
    SELECT user_id, bool_or(state = 'accepted') AS is_told, bool_or(state = 'waiting') AS is_being_told
    FROM messages WHERE alert_id = :alert_id AND kind = 'alert' GROUP BY user_id
    """
)

_PUT_OFF = text(
    """
    UPDATE messages
    SET lease = NULL, failure = :failure, next_attempt_at = now() + :pause_seconds * interval '1 second'
    WHERE id = :id AND lease = :lease
      AND now() + :pause_seconds * interval '1 second' < give_up_at
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message to one user through one channel. Line breaks in the subject become spaces.

    `kit_id` is the kit that the message is about: if the user can no longer see that kit when the message is
    due, it is given up.
    """

    user_id: int
    recipient: str
    channel_id: int | None = None
    alert_id: int | None = None
    kit_id: int | None = None
    kind: MessageKind
    subject: str
    body: str = field(repr=False)

    def columns(self, seal: Seal) -> dict[str, Any]:
        """Return the columns of the row, except `give_up_at`."""
        return {
            "id": uuid4(),
            "user_id": self.user_id,
            "channel_id": self.channel_id,
            "alert_id": self.alert_id,
            "kit_id": self.kit_id,
            "transport": str(Transport.MAIL if self.channel_id is None else Transport.SERVICE),
            "kind": str(self.kind),
            "recipient": self.recipient,
            "subject": one_line(self.subject, MOST_SUBJECT_CHARACTERS),
            "sealed_body": seal.close(self.body),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenMessage:
    """A message that only this process may send until its lease ends."""

    id: UUID
    lease: UUID
    kind: str
    attempts: int
    recipient: str
    subject: str
    sealed_body: bytes | None = field(repr=False)
    sealed_url: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldUsers:
    """Who was sent messages about an alert. `being_told`: the attempt is under way.

    `is_known` is false if there are no messages (any more): they are deleted after a while.
    """

    is_known: bool
    told: frozenset[int]
    being_told: frozenset[int]

    def include(self, user_id: int) -> bool:
        """Return whether a user was told, or may be at this moment."""
        return user_id in self.told or user_id in self.being_told


class NothingToRetry(UsageError):
    """There is no given-up message that can be sent again."""


async def put_in(connection: AsyncConnection, seal: Seal, messages: Sequence[NewMessage]) -> list[UUID]:
    """Queue messages and return their ids. They are sent after the caller's commit."""
    rows = [
        message.columns(seal) | {"give_up_at": _in_seconds(GIVE_UP_SECONDS[message.kind])}
        for message in messages
    ]
    for row in rows:
        await connection.execute(insert(MessageRow).values(row))
    return [row["id"] for row in rows]


async def take_due(
    connection: AsyncConnection, transport: Transport, lease_seconds: float
) -> TakenMessage | None:
    """Lease and return the message that has been due longest, or None. The caller commits before sending."""
    parameters = {"transport": str(transport), "lease": uuid4(), "lease_seconds": lease_seconds}
    row = (await connection.execute(_TAKE, parameters)).mappings().one_or_none()
    return TakenMessage(**row) if row else None


async def renew_lease(connection: AsyncConnection, message: TakenMessage, lease_seconds: float) -> None:
    """Extend the lease of a message whose attempt takes long."""
    await connection.execute(
        update(MessageRow)
        .where(MessageRow.id == message.id, MessageRow.lease == message.lease)
        .values(next_attempt_at=_in_seconds(lease_seconds))
    )


async def note_accepted(connection: AsyncConnection, message: TakenMessage) -> bool:
    """Record that the next server accepted the message, and delete its body. Returns whether the lease held."""
    done = await connection.execute(
        update(MessageRow)
        .where(MessageRow.id == message.id, MessageRow.lease == message.lease)
        .values(
            state=MessageState.ACCEPTED.value,
            lease=None,
            failure=None,
            sealed_body=None,
            finished_at=func.now(),
        )
    )
    return done.rowcount == 1


async def note_failed(
    connection: AsyncConnection, message: TakenMessage, failure: str, *, pause_seconds: float | None
) -> bool:
    """Record a failed attempt; without a pause, or if the pause ends too late, the message is given up.

    Returns whether it was given up.
    """
    identity = {"id": message.id, "lease": message.lease}
    if pause_seconds is not None:
        put_off = await connection.execute(
            _PUT_OFF, identity | {"failure": failure, "pause_seconds": pause_seconds}
        )
        if put_off.rowcount:
            return False
    values: dict[str, Any] = {
        "state": MessageState.GIVEN_UP.value,
        "lease": None,
        "failure": failure,
        "finished_at": func.now(),
    }
    if message.kind == MessageKind.PASSWORD_RESET:
        values["sealed_body"] = None
    given_up = await connection.execute(
        update(MessageRow).where(MessageRow.id == message.id, MessageRow.lease == message.lease).values(values)
    )
    return given_up.rowcount == 1


async def give_up_late(connection: AsyncConnection) -> list[UUID]:
    """Give up messages that have expired or that their recipient may no longer get, and return their ids."""
    hidden = (await connection.execute(_GIVE_UP_HIDDEN)).scalars().all()
    return [*hidden, *(await connection.execute(_GIVE_UP_LATE)).scalars()]


async def lock_messages(connection: AsyncConnection, alert_id: int | None) -> None:
    """Keep the waiting messages about an alert from being taken for an attempt until the caller commits.

    Call this before any row of the alert is locked: the outcome of a message is recorded in this order.
    """
    await connection.execute(_LOCK_WAITING, {"alert_id": alert_id})


async def withdraw_messages(connection: AsyncConnection, alert_id: int) -> ToldUsers:
    """Withdraw what waits to be sent about an alert that has ended; return who was told that it was open."""
    await connection.execute(_WITHDRAW, {"alert_id": alert_id})
    users = (await connection.execute(_TOLD, {"alert_id": alert_id})).all()
    return ToldUsers(
        is_known=bool(users),
        told=frozenset(user.user_id for user in users if user.is_told),
        being_told=frozenset(user.user_id for user in users if user.is_being_told),
    )


async def withdraw_untrue(connection: AsyncConnection) -> None:
    """Withdraw all messages that wait and are no longer true, such as those whose attempt failed meanwhile."""
    await connection.execute(_WITHDRAW, {"alert_id": None})


async def forget_old(connection: AsyncConnection) -> None:
    """Delete messages that ended more than KEPT_DAYS ago."""
    await connection.execute(
        delete(MessageRow).where(MessageRow.finished_at < _in_seconds(-KEPT_DAYS * 86_400))
    )


async def retry(connection: AsyncConnection, message_id: UUID | None) -> int:
    """Requeue one given-up message, or all of them; return how many. Raises NothingToRetry."""
    row = MessageRow
    statement = (
        update(row)
        .where(row.state == MessageState.GIVEN_UP.value, row.sealed_body.is_not(None))
        .values(
            state=MessageState.WAITING.value,
            finished_at=None,
            next_attempt_at=func.now(),
            give_up_at=_in_seconds(GIVE_UP_SECONDS[MessageKind.ALERT]),
        )
    )
    if message_id is not None:
        statement = statement.where(row.id == message_id)
    count = (await connection.execute(statement)).rowcount
    if count == 0:
        raise NothingToRetry(
            "There is no given-up message that can be sent again. `hortus message list` shows all messages; "
            "password reset mails are not kept."
        )
    return count


async def list_messages(
    connection: AsyncConnection, *, user_id: int | None = None, state: str | None = None, most: int
) -> Sequence[RowMapping]:
    """Return the newest messages, without their bodies.

    With `user_id`, messages about kits that the user can no longer see are left out: their subjects name kits.
    """
    row = aliased(MessageRow, name="m")
    statement = (
        select(
            row.id,
            row.user_id,
            row.channel_id,
            row.transport,
            row.kind,
            row.recipient,
            row.subject,
            row.state,
            row.attempts,
            row.failure,
            row.created_at,
            row.next_attempt_at,
            row.finished_at,
        )
        .order_by(row.created_at.desc(), row.id)
        .limit(most)
    )
    if user_id is not None:
        statement = statement.where(row.user_id == user_id, text(_MAY_BE_TOLD))
    if state is not None:
        statement = statement.where(row.state == state)
    return (await connection.execute(statement)).mappings().all()


async def count_recent(connection: AsyncConnection, user_id: int, kind: MessageKind, since: datetime) -> int:
    """Return how many messages of this kind were queued for a user since then."""
    return int(
        await connection.scalar(
            select(func.count())
            .select_from(MessageRow)
            .where(MessageRow.user_id == user_id, MessageRow.kind == str(kind), MessageRow.created_at >= since)
        )
        or 0
    )


def _in_seconds(seconds: float) -> Any:
    return func.now() + text(f"interval '{seconds} seconds'")
