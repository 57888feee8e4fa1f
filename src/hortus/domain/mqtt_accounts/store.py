"""Adding, listing and removing read-only accounts. The caller commits; open connections follow then."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.kits.identity import hash_password, make_password
from hortus.domain.kits.tables import KitRow
from hortus.domain.mqtt_accounts.tables import MqttAccountRow
from hortus.protocol.mqtt.topics import is_valid_filter, parse_shared_filter

SERVER_ACCOUNT = "server"

_MOST_ACCOUNTS = 100
_MOST_FILTERS = 20
_MOST_FILTER_BYTES = 1000

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}", re.ASCII)
# A new kit gets a serial of this form, and must not find its name taken.
_LIKE_A_KIT = re.compile(r"p?k-.*", re.ASCII)


class InvalidMqttAccount(UsageError):
    """An account cannot be added like this."""


class MqttAccountNotFound(UsageError):
    """No read-only account has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no account {name}. `hortus mqtt account list` shows all accounts.")


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttAccount:
    """A read-only account as lists show it."""

    name: str
    read_filters: Sequence[str]
    created_at: datetime


async def add_account(connection: AsyncConnection, name: str, read_filters: Sequence[str]) -> str:
    """Add an account and return its password, which is not stored. Raises InvalidMqttAccount."""
    _check_name(name)
    _check_filters(read_filters)
    if await connection.scalar(select(exists().where(KitRow.serial == name))):
        raise InvalidMqttAccount(f"{name} is the serial of a kit; choose another name.")
    if (await connection.scalar(select(func.count()).select_from(MqttAccountRow)) or 0) >= _MOST_ACCOUNTS:
        raise InvalidMqttAccount(
            f"There are {_MOST_ACCOUNTS} accounts already. Remove one that is not in use: "
            "`hortus mqtt account remove NAME`."
        )
    password = make_password()
    added = await connection.execute(
        insert(MqttAccountRow)
        .values(
            name=name,
            password_hash=await asyncio.to_thread(hash_password, password),
            read_filters=list(dict.fromkeys(read_filters)),
        )
        .on_conflict_do_nothing()
    )
    if added.rowcount == 0:
        raise InvalidMqttAccount(
            f"There is an account {name} already. To change it, remove it first: "
            f"`hortus mqtt account remove {name}`."
        )
    return password


async def list_accounts(connection: AsyncConnection) -> list[MqttAccount]:
    """Return all read-only accounts by name."""
    row = MqttAccountRow
    found = await connection.execute(select(row.name, row.read_filters, row.created_at).order_by(row.name))
    return [MqttAccount(**each) for each in found.mappings()]


async def remove_account(connection: AsyncConnection, name: str) -> None:
    """Remove an account; its connections are closed. Raises MqttAccountNotFound."""
    removed = await connection.execute(delete(MqttAccountRow).where(MqttAccountRow.name == name))
    if removed.rowcount == 0:
        raise MqttAccountNotFound(name)


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise InvalidMqttAccount(
            "An account's name has 1 to 40 characters of a-z, 0-9, '.', '_' and '-', and begins with a letter "
            "or digit."
        )
    if name == SERVER_ACCOUNT:
        raise InvalidMqttAccount(f"{SERVER_ACCOUNT} is this installation's own account; choose another name.")
    if _LIKE_A_KIT.fullmatch(name):
        raise InvalidMqttAccount("Names that begin with k- or pk- are those of kits; choose another name.")


def _check_filters(read_filters: Sequence[str]) -> None:
    if not 1 <= len(read_filters) <= _MOST_FILTERS:
        raise InvalidMqttAccount(
            f"Say with --read what the account may read, for example --read 'kit/+/measurement/#'; up to "
            f"{_MOST_FILTERS} filters."
        )
    for each in read_filters:
        if not is_valid_filter(each) or len(each.encode()) > _MOST_FILTER_BYTES:
            raise InvalidMqttAccount(
                f"{each!r} is not a topic filter. + stands for one whole level, # for all levels at the end, "
                "as in kit/+/measurement/#."
            )
        if parse_shared_filter(each) is not None:
            raise InvalidMqttAccount(
                f"Leave out $share and the group in {each}: what an account may read, it may share as well."
            )
