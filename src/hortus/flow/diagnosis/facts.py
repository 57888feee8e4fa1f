"""What is known of a kit's connection, from its account to its sensors, read in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.identity import is_serial_of_board
from hortus.domain.mqtt_accounts.log_ins import KitLogIns, kit_log_ins
from hortus.domain.presence.judgement import Judgement, PresenceState
from hortus.domain.presence.store import OwnWord, read_presences
from hortus.domain.series.listing import ListedSeries, list_series
from hortus.flow.commands.command import CommandState
from hortus.flow.rpc.fetched import FetchedState, configuration_state

READINGS_OF_CLOCK = 50
"""Of so many readings the median delay is taken: one that was held up does not count."""

_MESSAGES_LOOKED_AT = 50
_STEADY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSkew:
    """How far a kit's clock is off: positive if it is ahead. Median of arrival minus device time, negated."""

    ahead: timedelta
    readings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """Messages of the last hour that were set aside for one reason, among the newest few."""

    reason: str
    messages: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCommand:
    """The newest command to the kit that has ended. `error` is None if the kit answered as asked."""

    state: CommandState
    error: str | None
    finished_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFacts:
    """What is known of a board beside its readings."""

    sensor_id: int
    gateway: str | None
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFacts:
    """Everything known. `is_connected` is None where connections cannot be observed.

    `configuration` is None for boards, which have none to fetch; `board` for everything else. `series` are
    those of the active configuration.
    """

    created_at: datetime
    is_virtual: bool
    presence: Judgement
    own_word: OwnWord | None
    is_shared: bool
    is_connected: bool | None
    connection_changed_at: datetime | None
    log_ins: KitLogIns
    configuration: FetchedState | None
    configuration_name: str | None
    first_reading_at: datetime | None
    series: Sequence[ListedSeries]
    clock: ClockSkew | None
    set_aside: Sequence[SetAside]
    last_command: LastCommand | None
    board: BoardFacts | None

    @property
    def is_board(self) -> bool:
        """Whether it is a board, which sends over HTTP and is never connected."""
        return self.board is not None

    @property
    def is_observed(self) -> bool:
        """Whether log-ins are seen here: with an external broker only traffic counts."""
        return self.is_connected is not None or self.log_ins != KitLogIns()


async def read_facts(connection: AsyncConnection, kit_id: int, serial: str, now: datetime) -> ConnectionFacts:
    """Return what is known of a kit. The caller has made sure that it exists, and who may see it."""
    known = (await connection.execute(_KNOWN, {"kit_id": kit_id})).one()
    presence = (await read_presences(connection, now, [kit_id])).get(kit_id)
    never = Judgement(state=PresenceState.NEVER, since=None, last_contact_at=None)
    series = await list_series(connection, kit_id, now)
    of_board = known.sensor_id is not None or is_serial_of_board(serial)
    return ConnectionFacts(
        created_at=known.created_at,
        is_virtual=known.is_virtual,
        presence=presence.judgement if presence else never,
        own_word=presence.own_word if presence else None,
        is_shared=presence.is_shared if presence else False,
        is_connected=known.is_connected,
        connection_changed_at=known.connection_changed_at,
        log_ins=await kit_log_ins(connection, kit_id),
        configuration=None if of_board else await configuration_state(connection, kit_id, serial),
        configuration_name=known.configuration_name,
        first_reading_at=await connection.scalar(_FIRST_READING, {"kit_id": kit_id}),
        series=[each for each in series if each.active_peripheral_id is not None],
        # A board has no clock: its gateway says when a reading arrived.
        clock=None if of_board else await _clock(connection, kit_id),
        set_aside=await _set_aside(connection, kit_id),
        last_command=await _last_command(connection, kit_id),
        board=(
            BoardFacts(sensor_id=known.sensor_id, gateway=known.gateway, address=known.last_address)
            if known.sensor_id is not None
            else None
        ),
    )


async def _clock(connection: AsyncConnection, kit_id: int) -> ClockSkew | None:
    """Return the skew, or None: a backlog arrives with delays of all kinds, a wrong clock with one."""
    row = (await connection.execute(_CLOCK, {"kit_id": kit_id, "most": READINGS_OF_CLOCK})).one()
    if not row.readings or row.spread > _STEADY:
        return None
    return ClockSkew(ahead=-row.delay, readings=row.readings)


async def _set_aside(connection: AsyncConnection, kit_id: int) -> Sequence[SetAside]:
    rows = await connection.execute(_SET_ASIDE, {"kit_id": kit_id, "most": _MESSAGES_LOOKED_AT})
    return [SetAside(**row) for row in rows.mappings()]


async def _last_command(connection: AsyncConnection, kit_id: int) -> LastCommand | None:
    row = (await connection.execute(_LAST_COMMAND, {"kit_id": kit_id})).one_or_none()
    if row is None:
        return None
    return LastCommand(state=CommandState(row.state), error=row.error, finished_at=row.finished_at)


_KNOWN = text(
    """
    SELECT k.created_at, p.is_connected, p.connection_changed_at,
        EXISTS (SELECT FROM virtual_kits v WHERE v.kit_id = k.id) AS is_virtual,
        b.sensor_id, b.last_address, g.name AS gateway, c.description AS configuration_name
    FROM kits k
    LEFT JOIN kit_presence p ON p.kit_id = k.id
    LEFT JOIN boards b ON b.kit_id = k.id
    LEFT JOIN gateways g ON g.id = b.gateway_id
    LEFT JOIN kit_configurations c ON c.kit_id = k.id AND c.active
    WHERE k.id = :kit_id
    """
)
_FIRST_READING = text(
    "SELECT received_at FROM raw_measurements WHERE kit_id = :kit_id ORDER BY datetime, id LIMIT 1"
)
# Of the newest readings by the kit's clock: the index gives them without looking at others.
_CLOCK = text(
    """
    SELECT count(*) AS readings,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY received_at - datetime) AS delay,
        percentile_cont(0.75) WITHIN GROUP (ORDER BY received_at - datetime)
            - percentile_cont(0.25) WITHIN GROUP (ORDER BY received_at - datetime) AS spread
    FROM (
        SELECT datetime, received_at FROM raw_measurements
        WHERE kit_id = :kit_id AND datetime > clock_timestamp() - interval '32 days'
        ORDER BY datetime DESC, id DESC LIMIT :most
    ) AS newest
    WHERE received_at > clock_timestamp() - interval '1 day'
    """
)
_SET_ASIDE = text(
    """
    SELECT reason, count(*) AS messages, max(received_at) AS last_at
    FROM (
        SELECT reason, received_at FROM quarantine WHERE kit_id = :kit_id ORDER BY id DESC LIMIT :most
    ) AS newest
    WHERE received_at > clock_timestamp() - interval '1 hour'
    GROUP BY reason ORDER BY last_at DESC
    """
)
_LAST_COMMAND = text(
    """
    SELECT state, error, finished_at FROM kit_commands
    WHERE kit_id = :kit_id AND finished_at IS NOT NULL AND sent_at IS NOT NULL
    ORDER BY id DESC LIMIT 1
    """
)
