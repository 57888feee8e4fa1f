"""Implements the commands `hortus broker seed` and `hortus broker sync`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.domain.kits.tables import KitRow
from hortus.flow.broker.accounts import Reconciliation
from hortus.flow.broker.changes import PasswordCipher
from hortus.flow.broker.document import (
    KitAccount,
    ServiceAccount,
    dynamic_security_document,
    write_document,
)
from hortus.flow.broker.kits import speaks_mqtt
from hortus.flow.broker.synchroniser import BrokerSynchroniser
from hortus.protocol.mqtt.client import BrokerAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """The outcome of `seed`. `without_password`: kits left out because no password for the broker is stored."""

    kits: int
    without_password: tuple[str, ...]


async def seed(
    engine: AsyncEngine, output: Path, services: Sequence[ServiceAccount], *, overwrite: bool = False
) -> Seed:
    """Write a dynamic-security.json with all kits in the database and the given service accounts.

    Raises what `dynamic_security_document` and `write_document` raise.
    """
    async with engine.connect() as connection:
        rows = await connection.execute(
            select(KitRow.serial, KitRow.broker_password).where(speaks_mqtt()).order_by(KitRow.serial)
        )
        kits = [(serial, verifier) for serial, verifier in rows]
    accounts = [KitAccount(serial=serial, verifier=verifier) for serial, verifier in kits if verifier]
    write_document(dynamic_security_document(accounts, services), output, overwrite=overwrite)
    return Seed(
        kits=len(accounts),
        without_password=tuple(serial for serial, verifier in kits if not verifier),
    )


async def sync(engine: AsyncEngine, address: BrokerAddress, cipher: PasswordCipher) -> Reconciliation:
    """Reconcile the running broker's accounts with the database once; return the differences.

    Raises what `BrokerSynchroniser.sync_once` raises.
    """
    return await BrokerSynchroniser(engine, address, cipher).sync_once()
