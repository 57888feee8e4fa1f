"""Session state that the endpoint keeps per client: subscriptions, and messages in flight both ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from hortus.protocol.mqtt.endpoint.identity import Identity, IdentityKind
from hortus.protocol.mqtt.endpoint.outbound import Outbound
from hortus.protocol.mqtt.packets import ReasonCode


class SessionConnection(Protocol):
    """The current connection of a session."""

    peer_address: str

    @property
    def is_closing(self) -> bool:
        """Whether reading and sending have stopped for good."""

    def close(self, reason_code: ReasonCode | None = None) -> None:
        """Send the reason, then close."""

    def break_off(self, doing: str) -> None:
        """Log and count the current exception, which occurred in `doing` something; close. Never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayedWill:
    """A will that waits for its client to return (section 3.1.3.2.2). `due_at` is in event-loop time."""

    due_at: float
    publish: Callable[[], None]


@dataclass(slots=True, eq=False, kw_only=True)
class Session:
    """One client of one identity. For `received` see `OpenPacketIds`.

    A session can end before its connection does, when its kit is disconnected.
    """

    identity: Identity
    client_id: str
    outbound: Outbound
    expiry_seconds: float = 0.0
    connection: SessionConnection | None = None
    filters: set[str] = field(default_factory=set)
    received: dict[int, int] = field(default_factory=dict)
    delayed_will: DelayedWill | None = None
    has_ended: bool = False


class SessionStore:
    """Sessions by identity and client id: two kits that choose the same client id do not collide."""

    def __init__(self, *, max_absent: int, max_absent_of_identity: int) -> None:
        self._max_absent = max_absent
        self._max_absent_of_identity = max_absent_of_identity
        self._sessions: dict[tuple[Identity, str], Session] = {}
        self._absent: dict[Session, float] = {}

    def get(self, identity: Identity, client_id: str) -> Session | None:
        """Return the session of this client, or None."""
        return self._sessions.get((identity, client_id))

    def of(self, kind: IdentityKind, name: str) -> list[Session]:
        """Return all sessions of a kit or an account."""
        identities = ((each.identity, each) for each in self._sessions.values())
        return [each for identity, each in identities if (identity.kind, identity.name) == (kind, name)]

    def add(self, session: Session) -> None:
        self._sessions[session.identity, session.client_id] = session

    def remove(self, session: Session) -> None:
        self._absent.pop(session, None)
        key = (session.identity, session.client_id)
        if self._sessions.get(key) is session:
            del self._sessions[key]

    def returned(self, session: Session) -> None:
        """Mark the client of a session as connected again."""
        self._absent.pop(session, None)

    def left(self, session: Session, now: float) -> list[Session]:
        """Mark a client as disconnected; return sessions that must end to stay within the limits."""
        self._absent[session] = now + session.expiry_seconds
        # A kit that invents client ids evicts its own sessions, not those of others.
        own = [each for each in self._absent if each.identity == session.identity]
        surplus = own[: max(0, len(own) - self._max_absent_of_identity)]
        return surplus or list(self._absent)[: max(0, len(self._absent) - self._max_absent)]

    def with_due_wills(self, now: float) -> list[Session]:
        """Return the disconnected sessions whose delayed wills are due."""
        return [each for each in self._absent if each.delayed_will and each.delayed_will.due_at <= now]

    def expired(self, now: float) -> list[Session]:
        """Return the sessions whose clients stayed away for too long."""
        return [session for session, expires_at in self._absent.items() if expires_at <= now]
