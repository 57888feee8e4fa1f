"""Records the configuration that each kit was given last, and derives the one it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.running import KITS_WITH_CONFIGURATIONS
from hortus.flow.rpc.questions import active_configuration

_NOTE = text(
    """
    INSERT INTO kit_fetched_configurations (kit_id, kit_configuration_id, fetched_at)
    SELECT k.id, c.id, clock_timestamp()
    FROM unnest(CAST(:serials AS text[]), CAST(:configuration_ids AS int[])) AS given (serial, configuration_id)
    JOIN kits k ON k.serial = given.serial
    LEFT JOIN kit_configurations c ON c.kit_id = k.id AND c.id = given.configuration_id
    ORDER BY k.id
    ON CONFLICT (kit_id) DO UPDATE
    SET kit_configuration_id = excluded.kit_configuration_id, fetched_at = excluded.fetched_at
    """
)


async def note_fetched(connection: AsyncConnection, given: Mapping[str, int | None]) -> None:
    """Record the configuration id each of these kits was given; None if there was none to give.

    Unknown serials are ignored.
    """
    parameters = {"serials": list(given), "configuration_ids": list(given.values())}
    await connection.execute(_NOTE, parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedState:
    """The configuration a kit runs, and the one it should run. `faults`: why it cannot be given the active one.

    `running_id` is None if it is unknown: the kit was never given a configuration and sends no readings.
    """

    active_id: int | None
    running_id: int | None
    fetched_id: int | None
    fetched_at: datetime | None
    faults: tuple[str, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether the kit runs its active configuration, as far as known."""
        return self.running_id is not None and self.active_id == self.running_id

    @property
    def advice(self) -> str | None:
        """A sentence on what the user has to do, or None if nothing."""
        if self.active_id is None:
            return "The kit has no active configuration. Activate one, then restart the kit."
        if self.faults:
            return (
                "The kit could not run its active configuration, so it is not given to it: "
                f"{self.faults[0]} Copy the configuration, correct the copy, activate it and restart the kit."
            )
        if self.is_current:
            return None
        if self.running_id is None:
            return "The kit has not asked for its configuration here yet. Start it, or restart it."
        if self.fetched_id == self.active_id:
            return (
                "The kit was given its active configuration, but its readings are of another one: nobody could "
                "answer it in time when it started, so it took the one that it remembered. Restart the kit."
            )
        return (
            "The kit still runs another configuration: it takes over the active one when it starts. "
            "Restart the kit."
        )


async def configuration_state(connection: AsyncConnection, kit_id: int, serial: str) -> FetchedState:
    """Return the configurations that a kit was given last, runs, and would be given now."""
    known = (await connection.execute(_KNOWN, {"kit_id": kit_id})).one()
    active = await active_configuration(connection, serial)
    return FetchedState(
        active_id=active.id if active else None,
        running_id=known.running_id,
        fetched_id=known.fetched_id,
        fetched_at=known.fetched_at,
        faults=active.faults if active else (),
    )


_KNOWN = text(
    f"""
    SELECT coalesce(seen.id, f.kit_configuration_id) AS running_id,
        f.kit_configuration_id AS fetched_id, f.fetched_at
    FROM {KITS_WITH_CONFIGURATIONS}
    WHERE k.id = :kit_id
    """  # noqa: S608 - a constant
)
