"""How a user wants to receive messages: by mail, through services they added, and about what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.quotas import DEFAULT_QUOTAS
from hortus.domain.accounts.room import require_room
from hortus.domain.accounts.tables import UserRow
from hortus.domain.messages.queue import NewMessage, ToldUsers
from hortus.domain.messages.tables import MessageKind, NotificationChannelRow, NotificationPreferenceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Which messages a user wants, and whether by mail."""

    by_mail: bool = True
    of_shared_kits: bool = False
    when_over: bool = False
    when_silent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable:
    """A user with all enabled channels: mail if `email_address` is set, services by id and name."""

    user_id: int
    time_zone: str | None
    email_address: str | None
    channels: tuple[tuple[int, str], ...]
    preferences: Preferences

    def wants_all_clear(self, users: ToldUsers, *, was_told: bool) -> bool:
        """Return whether to tell this user that an alert is over.

        `was_told`: whether anyone was told that it was open, which counts if it is not known who.
        """
        was_told_too = users.include(self.user_id) if users.is_known else was_told
        return self.preferences.when_over and was_told_too

    def messages(
        self,
        kind: MessageKind,
        subject: str,
        body: str,
        *,
        mail: bool,
        alert_id: int | None = None,
        kit_id: int | None = None,
    ) -> list[NewMessage]:
        """Return one message per channel. `mail`: whether this installation sends mail at all.

        `kit_id` is the kit that the message is about.
        """
        ways: list[tuple[int | None, str]] = list(self.channels)
        if mail and self.email_address is not None:
            ways.append((None, self.email_address))
        return [
            NewMessage(
                user_id=self.user_id,
                channel_id=channel_id,
                alert_id=alert_id,
                kit_id=kit_id,
                recipient=recipient,
                kind=kind,
                subject=subject,
                body=body,
            )
            for channel_id, recipient in ways
        ]


async def find_reachable(connection: AsyncConnection, user_ids: Collection[int]) -> dict[int, Reachable]:
    """Return these users with their enabled channels, by user id."""
    wanted, preference, channel = list(user_ids), NotificationPreferenceRow, NotificationChannelRow
    services = defaultdict(list)
    for service in await connection.execute(
        select(channel.user_id, channel.id, channel.name)
        .where(channel.user_id.in_(wanted), channel.enabled)
        .order_by(channel.id)
    ):
        services[service.user_id].append((service.id, service.name))
    people = await connection.execute(
        select(
            UserRow.id,
            UserRow.email_address,
            UserRow.time_zone,
            preference.by_mail,
            preference.of_shared_kits,
            preference.when_over,
            preference.when_silent,
        )
        .outerjoin(preference, preference.user_id == UserRow.id)
        .where(UserRow.id.in_(wanted))
    )
    found = {}
    for row in people:
        preferences = _preferences(row._mapping)  # noqa: SLF001  (SQLAlchemy's documented name)
        found[row.id] = Reachable(
            user_id=row.id,
            time_zone=row.time_zone,
            email_address=row.email_address if preferences.by_mail else None,
            channels=tuple(services[row.id]),
            preferences=preferences,
        )
    return found


async def read_preferences(connection: AsyncConnection, user_id: int) -> Preferences:
    """Return a user's preferences, or the defaults if none are stored."""
    row = NotificationPreferenceRow
    statement = select(row.by_mail, row.of_shared_kits, row.when_over, row.when_silent).where(
        row.user_id == user_id
    )
    found = (await connection.execute(statement)).mappings().one_or_none()
    return _preferences(found) if found else Preferences()


async def set_preferences(connection: AsyncConnection, user_id: int, preferences: Preferences) -> None:
    """Store a user's preferences. The caller commits."""
    values = {
        "by_mail": preferences.by_mail,
        "of_shared_kits": preferences.of_shared_kits,
        "when_over": preferences.when_over,
        "when_silent": preferences.when_silent,
    }
    await connection.execute(
        upsert(NotificationPreferenceRow)
        .values(user_id=user_id, **values)
        .on_conflict_do_update(index_elements=[NotificationPreferenceRow.user_id], set_=values)
    )


async def list_channels(connection: AsyncConnection, user_id: int) -> Sequence[RowMapping]:
    """Return a user's services, without their URLs."""
    row = NotificationChannelRow
    statement = (
        select(row.id, row.name, row.scheme, row.enabled, row.created_at)
        .where(row.user_id == user_id)
        .order_by(row.id)
    )
    return (await connection.execute(statement)).mappings().all()


async def find_channel(connection: AsyncConnection, user_id: int, channel_id: int) -> RowMapping | None:
    """Return one of a user's services, or None."""
    return next((row for row in await list_channels(connection, user_id) if row["id"] == channel_id), None)


async def add_channel(
    connection: AsyncConnection,
    user_id: int,
    *,
    name: str,
    scheme: str,
    sealed_url: bytes,
    most: int = DEFAULT_QUOTAS.services_per_person,
) -> int:
    """Add a service and return its id. The caller commits. Raises QuotaReached."""
    row = NotificationChannelRow
    present = select(func.count()).where(row.user_id == user_id)
    await require_room(connection, user_id, present, most, "services in your account")
    channel_id: int | None = await connection.scalar(
        insert(row).values(user_id=user_id, name=name, scheme=scheme, sealed_url=sealed_url).returning(row.id)
    )
    assert channel_id is not None
    return channel_id


async def change_channel(
    connection: AsyncConnection, user_id: int, channel_id: int, values: dict[str, Any]
) -> bool:
    """Change columns of one of a user's services; return whether it exists. The caller commits."""
    row = NotificationChannelRow
    statement = update(row).where(row.id == channel_id, row.user_id == user_id)
    return (await connection.execute(statement.values(values or {"id": channel_id}))).rowcount == 1


async def delete_channel(connection: AsyncConnection, user_id: int, channel_id: int) -> bool:
    """Delete one of a user's services with its queued messages; return whether it existed."""
    row = NotificationChannelRow
    done = await connection.execute(delete(row).where(row.id == channel_id, row.user_id == user_id))
    return done.rowcount == 1


def _preferences(row: RowMapping) -> Preferences:
    if row["by_mail"] is None:
        return Preferences()
    return Preferences(
        by_mail=row["by_mail"],
        of_shared_kits=row["of_shared_kits"],
        when_over=row["when_over"],
        when_silent=row["when_silent"],
    )
