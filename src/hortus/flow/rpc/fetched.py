"""Records the configuration that each kit was given last and what it asked, and derives what it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.times import format_time
from hortus.domain.kits.activations import note_first_fetch
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


# Ordered by id, so that two processes never deadlock.
_NOTE_ASKED = text(
    """
    INSERT INTO kit_presence AS p (kit_id, asked_configuration_at, asked_quantity_types_at)
    SELECT k.id, a.configuration_at, a.quantity_types_at
    FROM unnest(
        CAST(:serials AS text[]),
        CAST(:configuration_at AS timestamptz[]),
        CAST(:quantity_types_at AS timestamptz[])
    ) AS a (serial, configuration_at, quantity_types_at)
    JOIN kits k ON k.serial = a.serial
    ORDER BY k.id
    ON CONFLICT (kit_id) DO UPDATE SET
        asked_configuration_at = greatest(p.asked_configuration_at, excluded.asked_configuration_at),
        asked_quantity_types_at = greatest(p.asked_quantity_types_at, excluded.asked_quantity_types_at)
    """
)


async def note_asked(
    connection: AsyncConnection,
    configuration_at: Mapping[str, datetime],
    quantity_types_at: Mapping[str, datetime],
) -> None:
    """Record when kits (by serial) asked for their configuration and for the quantity types."""
    serials = sorted(configuration_at.keys() | quantity_types_at.keys())
    parameters = {
        "serials": serials,
        "configuration_at": [configuration_at.get(serial) for serial in serials],
        "quantity_types_at": [quantity_types_at.get(serial) for serial in serials],
    }
    await connection.execute(_NOTE_ASKED, parameters)


async def note_fetched(connection: AsyncConnection, given: Mapping[str, int | None]) -> None:
    """Record the configuration id each of these kits was given; None if there was none to give.

    Unknown serials are ignored.
    """
    parameters = {"serials": list(given), "configuration_ids": list(given.values())}
    await connection.execute(_NOTE, parameters)
    await note_first_fetch(connection, given)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedState:
    """The configuration a kit runs, and the one it should run. `faults`: why it cannot be given the active one.

    `running_id` is None if it is unknown: the kit was never given a configuration and sends no readings; and if
    the kit `runs_nothing`: it started without an answer, and had none to remember. `was_heard`: something of
    the kit arrived at some time. If the running one was deleted, `running_deleted_at` is set, and
    `restorable_until` while it can be brought back.
    """

    active_id: int | None
    running_id: int | None
    fetched_id: int | None
    fetched_at: datetime | None
    runs_nothing: bool = False
    was_heard: bool = False
    running_deleted_at: datetime | None = None
    restorable_until: datetime | None = None
    faults: tuple[str, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether the kit runs its active configuration, as far as known."""
        return self.running_id is not None and self.active_id == self.running_id and not self.faults

    @property
    def advice(self) -> str | None:
        """A sentence on what the user has to do, or None if nothing."""
        if self.running_deleted_at is not None:
            return self._advice_on_deleted(self.running_deleted_at)
        if self.active_id is None:
            return "The kit has no active configuration. Activate one, then restart the kit."
        if self.faults:
            return (
                "The kit could not run its active configuration, so it is not given to it: "
                f"{self.faults[0]} Copy the configuration, correct the copy, activate it and restart the kit."
            )
        if self.runs_nothing:
            return (
                "The kit runs nothing: nobody could answer it in time when it started, and it remembered no "
                "configuration. It does not ask again by itself. Restart the kit."
            )
        if self.is_current:
            return None
        if self.running_id is None and self.fetched_at is not None:
            return (
                "The configuration that the kit was given last has been deleted, or there was none to give, so "
                "nothing that it sends can be stored. Restart the kit: it takes over the active one."
            )
        if self.running_id is None and self.was_heard:
            return (
                "It is unknown which configuration the kit runs: it was not given one here, and no reading of "
                "it is stored. Restart the kit: it takes over the active one."
            )
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

    def _advice_on_deleted(self, deleted_at: datetime) -> str:
        at = format_time(deleted_at)
        said = f"The kit still runs configuration #{self.running_id}, which was deleted at {at}. What it sends"
        if self.active_id is None:
            step = "activate another one and restart the kit."
        elif self.faults:
            step = (
                f"correct the active one, which the kit could not run ({self.faults[0]}), and restart the kit."
            )
        else:
            step = "restart the kit: it takes over the active one."
        if self.restorable_until is None:
            return f"{said} cannot be stored. {step[0].upper()}{step[1:]}"
        until = format_time(self.restorable_until)
        return f"{said} is kept in quarantine. Bring that configuration back until {until}, or {step}"


async def configuration_state(connection: AsyncConnection, kit_id: int, serial: str) -> FetchedState:
    """Return the configurations that a kit was given last, runs, and would be given now."""
    known = (await connection.execute(_KNOWN, {"kit_id": kit_id})).one()
    active = await active_configuration(connection, serial)
    return FetchedState(
        active_id=active.id if active else None,
        running_id=None if known.runs_nothing else known.running_id,
        runs_nothing=known.runs_nothing,
        fetched_id=known.fetched_id,
        fetched_at=known.fetched_at,
        was_heard=known.was_heard,
        running_deleted_at=None if known.runs_nothing else known.deleted_at,
        restorable_until=None if known.runs_nothing else known.restorable_until,
        faults=active.faults if active else (),
    )


# A kit asks for the quantity types as soon as it has a configuration, the server's or one that it remembers. It
# waits 25 s at most for the server's (kit-mqtt 4.2). Questions that waited in its memory may be recorded in
# another order. Kits of another kind may not ask: what arrives from them, stored or not, shows that they run.
_PATIENCE = "interval '60 seconds'"
_RUNS_NOTHING = f"""
    coalesce(q.asked_configuration_at < clock_timestamp() - {_PATIENCE}, false)
    AND coalesce(q.asked_quantity_types_at < q.asked_configuration_at - {_PATIENCE}, true)
    AND NOT EXISTS (SELECT FROM kit_last_seen l
                    WHERE l.kit_id = k.id AND l.datetime_last_seen > q.asked_configuration_at)
    AND NOT EXISTS (SELECT FROM ingest_ledger l WHERE l.kit_id = k.id AND l.hour > q.asked_configuration_at)
"""  # noqa: S608 - a constant
_KNOWN = text(
    f"""
    SELECT coalesce(seen.id, f.kit_configuration_id) AS running_id,
        f.kit_configuration_id AS fetched_id, f.fetched_at, {_RUNS_NOTHING} AS runs_nothing,
        coalesce(q.asked_configuration_at, q.last_contact_at) IS NOT NULL
            OR EXISTS (SELECT FROM kit_last_seen l WHERE l.kit_id = k.id) AS was_heard,
        r.deleted_at,
        CASE WHEN r.restorable_until > clock_timestamp() THEN r.restorable_until END AS restorable_until
    FROM {KITS_WITH_CONFIGURATIONS}
    LEFT JOIN kit_presence q ON q.kit_id = k.id
    LEFT JOIN kit_configurations r ON r.id = coalesce(seen.id, f.kit_configuration_id)
    WHERE k.id = :kit_id
    """  # noqa: S608 - a constant
)
