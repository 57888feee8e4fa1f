"""The long-running task that keeps the broker's accounts in sync with the database."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from sqlalchemy import exists, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.database.engine import end_if_silent
from hortus.base.errors import OperationalError, describe_error
from hortus.base.supervision import note_failure, note_success
from hortus.domain.kits.tables import KitRow
from hortus.flow.broker.accounts import AccountConflictError, BrokerAccounts, Reconciliation
from hortus.flow.broker.changes import (
    AccountChange,
    PasswordCipher,
    PasswordUnreadableError,
    forget_change,
    next_changes,
    set_change_aside,
)
from hortus.flow.broker.control import BrokerCommandError, ControlClient
from hortus.flow.broker.kits import speaks_mqtt
from hortus.flow.broker.tables import BrokerAccountChangeRow
from hortus.protocol.mqtt.client import BrokerAddress, ClientLimits

log = logging.getLogger(__name__)

# An arbitrary number that nothing else in the database uses as an advisory lock: "hortus" and 1.
_LOCK_KEY = 0x686F_7274_7573_0001

# The database is asked for changes every second. If it hears nothing for this long, another process takes over.
_SILENCE_SECONDS = 60.0

_CHANGES_AT_ONCE = 100
_MOST_NAMES_IN_A_LINE = 20


class SynchroniserBusyError(OperationalError):
    """Another process is already synchronising the accounts."""


class BrokerSynchroniser:
    """Applies recorded changes in order, and reconciles everything at start and after each reconnect.

    Any number may run; a database advisory lock lets one work while the others stand by.
    State for metrics: `active`, `applied`, `set_aside`, `last_reconciliation`, `last_failure` (a sentence, or
    None while everything works).
    """

    def __init__(
        self,
        engine: AsyncEngine,
        address: BrokerAddress,
        cipher: PasswordCipher,
        *,
        poll_seconds: float = 1.0,
        retry_most_seconds: float = 30.0,
        connect_patience_seconds: float = 15.0,
        limits: ClientLimits | None = None,
    ) -> None:
        self.active = False
        self.applied = 0
        self.set_aside = 0
        self.last_reconciliation: Reconciliation | None = None
        self.last_failure: str | None = None
        self._engine = engine
        self._address = address
        self._cipher = cipher
        self._poll_seconds = poll_seconds
        self._retry_most_seconds = retry_most_seconds
        self._connect_patience_seconds = connect_patience_seconds
        self._limits = limits
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Run until `stop`; keep retrying while the broker or the database is unreachable."""
        retry_seconds = self._poll_seconds
        while not self._stopping.is_set():
            try:
                await self._work()
            except SynchroniserBusyError:
                note_success()  # another process does it
                retry_seconds = self._poll_seconds
            except (OperationalError, SQLAlchemyError, OSError) as error:
                note_failure(error)
                self._report_failure(error)
                retry_seconds = min(retry_seconds * 2, self._retry_most_seconds)
            await self._wait_for_stop(retry_seconds)

    def stop(self) -> None:
        """Make `run` return after the current change."""
        self._stopping.set()

    async def sync_once(self) -> Reconciliation:
        """Apply waiting changes, reconcile everything, and return the differences.

        Raises SynchroniserBusyError if another process is already doing this, BrokerUnreachableError, or
        SQLAlchemy's errors.
        """
        async with self._lock() as connection, self._control() as control:
            return await self._bring_in_step(connection, BrokerAccounts(control))

    async def _work(self) -> None:
        async with self._lock() as connection, self._control() as control:
            accounts = BrokerAccounts(control)
            while not self._stopping.is_set():
                reconnects = control.reconnects
                await self._bring_in_step(connection, accounts)
                self._report_recovery()
                # A restarted broker may have been given another file: reconcile everything again.
                while reconnects == control.reconnects and not self._stopping.is_set():
                    await self._apply_changes(connection, accounts)
                    note_success()
                    await self._wait_for_stop(self._poll_seconds)

    @contextlib.asynccontextmanager
    async def _lock(self) -> AsyncIterator[AsyncConnection]:
        """Hold the lock. All work uses the connection that holds it, so both are lost together."""
        async with self._engine.connect() as plain_connection:
            connection = await plain_connection.execution_options(isolation_level="AUTOCOMMIT")
            if not (await connection.execute(select(func.pg_try_advisory_lock(_LOCK_KEY)))).scalar():
                raise SynchroniserBusyError(
                    "Another process is already keeping the broker's accounts in sync; nothing to do here."
                )
            self.active = True
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            await end_if_silent(driver, _SILENCE_SECONDS)
            try:
                yield connection
            finally:
                self.active = False
                # Returned to the pool, the connection would stay open and keep the lock.
                await connection.invalidate()

    @contextlib.asynccontextmanager
    async def _control(self) -> AsyncIterator[ControlClient]:
        async with ControlClient(self._address, self._limits) as control:
            await control.wait_until_ready(self._connect_patience_seconds)
            yield control

    async def _bring_in_step(self, connection: AsyncConnection, accounts: BrokerAccounts) -> Reconciliation:
        await self._apply_changes(connection, accounts)
        listed = await accounts.list_accounts()  # before the kits are read, see `BrokerAccounts.reconcile`
        found = await accounts.reconcile(listed, await _kits(connection))
        self.last_reconciliation = found
        _report(found)
        return found

    async def _apply_changes(self, connection: AsyncConnection, accounts: BrokerAccounts) -> None:
        while changes := await next_changes(connection, _CHANGES_AT_ONCE):
            for change in changes:
                if self._stopping.is_set():
                    return
                await self._apply(connection, accounts, change)

    async def _apply(
        self, connection: AsyncConnection, accounts: BrokerAccounts, change: AccountChange
    ) -> None:
        try:
            if change.encrypted_password is None:
                await accounts.delete_kit(change.serial)
            else:
                await accounts.set_kit(change.serial, self._cipher.decrypt(change.encrypted_password))
        except (AccountConflictError, BrokerCommandError, PasswordUnreadableError) as error:
            # A change that cannot be applied must not hold up those of other kits (P4).
            log.error(
                "the account of kit %s could not be changed at the broker: %s",
                change.serial,
                describe_error(error),
            )
            await set_change_aside(connection, change, str(error))
            self.set_aside += 1
            return
        await forget_change(connection, change)
        self.applied += 1
        log.info("account of kit %s at the broker: %s", change.serial, change.action.value)

    async def _wait_for_stop(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _report_failure(self, error: Exception) -> None:
        sentence = f"The broker's accounts are not being kept in sync: {describe_error(error)}"
        if sentence != self.last_failure:
            log.warning("%s Trying again.", sentence)
        self.last_failure = sentence

    def _report_recovery(self) -> None:
        if self.last_failure is not None:
            log.info("the broker's accounts are in sync again")
        self.last_failure = None


async def _kits(connection: AsyncConnection) -> dict[str, bool]:
    """Return the kits that have accounts, and whether a password is waiting to be applied. One snapshot."""
    waiting = exists().where(
        BrokerAccountChangeRow.serial == KitRow.serial, BrokerAccountChangeRow.failure.is_(None)
    )
    kits = await connection.execute(select(KitRow.serial, waiting).where(speaks_mqtt()))
    return {serial: bool(waits) for serial, waits in kits}


def _report(found: Reconciliation) -> None:
    if found.deleted:
        log.warning("deleted accounts of kits that no longer exist: %s", _names(found.deleted))
    if found.corrected:
        log.warning("corrected wrong permissions of kits at the broker: %s", _names(found.corrected))
    if found.service_roles:
        log.info("set at the broker: %s", _names(found.service_roles))
    if found.missing:
        log.error(
            "%d kits cannot log in: the broker has no account for them and their passwords are no longer "
            "known; set new ones (hortus kit password), or seed the broker again: %s",
            len(found.missing),
            _names(found.missing),
        )
    if found.conflicts:
        log.error(
            "accounts at the broker have names of kits but do not belong to kits: %s", _names(found.conflicts)
        )


def _names(names: tuple[str, ...]) -> str:
    more = len(names) - _MOST_NAMES_IN_A_LINE
    return ", ".join(names[:_MOST_NAMES_IN_A_LINE]) + (f" and {more} more" if more > 0 else "")
