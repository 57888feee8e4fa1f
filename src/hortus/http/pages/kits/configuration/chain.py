"""How far a configuration has come: saved, active, fetched by the kit, running; each with its time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.language.translation import gettext
from hortus.flow.rpc.fetched import FetchedState, configuration_state
from hortus.http.pages.kits.configuration.words import configuration_name
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.times import date_and_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step. `at` is None while it is ahead; `is_next` marks the one that is waited for."""

    key: str
    name: str
    at: datetime | None
    is_done: bool
    is_next: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The steps of a configuration, and what has to be done for the next one; empty if nothing."""

    steps: tuple[Step, ...]
    advice: str


async def chain_of(
    connection: AsyncConnection, kit: OpenedKit, configuration: RowMapping, state: FetchedState, now: datetime
) -> Chain:
    """Return how far this configuration has come."""
    known = (await connection.execute(_KNOWN, {"id": configuration["id"]})).one()
    active_at = known.since if configuration["active"] else None
    fetched_at = known.fetched_at if active_at is not None else None
    running_at = None
    if fetched_at is not None and state.running_id == configuration["id"]:
        parameters = {"kit_id": kit.id, "id": configuration["id"], "fetched_at": fetched_at}
        running_at = await connection.scalar(_RUNNING, parameters)
    saved_at = configuration["updated_at"]
    if configuration["first_activated_at"] is not None:
        # It cannot change any more; only its description can.
        saved_at = min(saved_at, configuration["first_activated_at"])
    moments = (
        ("saved", gettext("Saved"), saved_at),
        ("active", gettext("Active"), active_at),
        ("fetched", gettext("Fetched by the kit"), fetched_at),
        ("running", gettext("Running"), running_at),
    )
    done = sum(at is not None for _, _, at in moments)
    steps = tuple(
        Step(key=key, name=name, at=at, is_done=at is not None, is_next=number == done and done > 1)
        for number, (key, name, at) in enumerate(moments)
    )
    return Chain(steps=steps, advice=_advice(configuration, state, fetched_at, running_at, now))


async def state_of_kit(connection: AsyncConnection, kit: OpenedKit) -> FetchedState:
    """Return which configuration the kit runs, as far as known."""
    return await configuration_state(connection, kit.id, kit.serial)


def advice_for_kit(state: FetchedState, active: RowMapping | None, now: datetime) -> str:
    """Return what to do so that the kit runs its active configuration; empty if it does."""
    if state.running_deleted_at is not None:
        return _advice_on_deleted(state, now)
    if active is None:
        return gettext("This kit has no active configuration, so it measures nothing. Activate one.")
    return _advice(active, state, state.fetched_at, None, now) if not state.is_current else ""


def _advice(
    configuration: RowMapping,
    state: FetchedState,
    fetched_at: datetime | None,
    running_at: datetime | None,
    now: datetime,
) -> str:
    if not configuration["active"] or running_at is not None:
        return ""
    if state.running_deleted_at is not None:
        return _advice_on_deleted(state, now)
    if state.faults:
        return gettext(
            "The kit could not run this configuration, so it is not given to it: %(fault)s "
            "Choose Change, correct the copy, and activate that.",
            fault=state.faults[0],
        )
    if state.runs_nothing:
        return gettext(
            "The kit runs nothing: nobody could answer it when it started, and it does not ask again. "
            "Restart the kit."
        )
    if state.running_id is None and not state.was_heard:
        return gettext("The kit has not connected yet. Start it; it asks for its configuration then.")
    if state.fetched_id == configuration["id"] and state.running_id not in {None, configuration["id"]}:
        return gettext(
            "The kit was given this configuration, but its readings are of another one: it took the one that "
            "it remembered. Restart the kit."
        )
    if fetched_at is not None and state.fetched_id == configuration["id"]:
        return gettext("The kit has it. The first reading will show that it runs it.")
    return gettext("Restart the kit; it asks for its configuration only then.")


def _advice_on_deleted(state: FetchedState, now: datetime) -> str:
    name = configuration_name(state.running_id or 0, None)
    if state.restorable_until is None:
        return gettext(
            "The kit still runs %(name)s, which was deleted. What it sends cannot be stored. "
            "Activate another configuration and restart the kit.",
            name=name,
        )
    return gettext(
        "The kit still runs %(name)s, which was deleted; what it sends is set aside. "
        "Bring that configuration back until %(until)s, or activate another one and restart the kit.",
        name=name,
        until=date_and_time(state.restorable_until, now),
    )


_KNOWN = text(
    """
    SELECT
        (SELECT a.since FROM configuration_activations a
         WHERE a.kit_configuration_id = c.id AND a.until IS NULL ORDER BY a.since DESC LIMIT 1) AS since,
        (SELECT f.fetched_at FROM kit_fetched_configurations f
         WHERE f.kit_configuration_id = c.id) AS fetched_at
    FROM kit_configurations c WHERE c.id = :id AND c.deleted_at IS NULL
    """
)
# By the clock of the kit and by ours, as hortus.domain.kits.running does.
_RUNNING = text(
    """
    SELECT m.received_at FROM raw_measurements m
    WHERE m.kit_id = :kit_id AND m.datetime > :fetched_at AND m.received_at > :fetched_at
      AND m.kit_configuration_id = :id
    ORDER BY m.datetime LIMIT 1
    """
)
