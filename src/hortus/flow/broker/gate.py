"""Tells the broker's gate that we have subscribed, and reports whether the broker lets kits in.

The gate is a plugin (`deploy/mosquitto/hortus_gate.c`) that refuses kits at CONNECT after each start of the
broker, until every part of Hortus has said that its subscriptions stand. Without it, a broker that has just
started acknowledges what kits send and discards it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hortus.flow.broker.roles import GATE_RESPONSE_TOPIC, GATE_TOPIC
from hortus.protocol.mqtt.client import (
    BrokerUnreachableError,
    ConnectionLostError,
    MqttClient,
    PublishRefusedError,
)

log = logging.getLogger(__name__)


class GatePart(Enum):
    """A part of Hortus without which kits' messages are lost. The values are names in mosquitto.conf."""

    READINGS = "readings"
    MEDIA = "media"
    QUESTIONS = "questions"


class GateState(Enum):
    """What is known of the gate on the present connection."""

    UNKNOWN = "unknown"
    OPEN = "open"
    CLOSED = "closed"
    ABSENT = "absent"
    BYPASSED = "bypassed"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateTimes:
    """answer_seconds: how long the gate has to answer. closed_seconds, absent_seconds: until asking again."""

    answer_seconds: float = 5.0
    closed_seconds: float = 1.0
    absent_seconds: float = 10.0


_RUNS_IN = {"readings": "hortus ingest", "media": "hortus ingest", "questions": "hortus rpc"}

_UNGUARDED = (
    "what kits send after a start of the broker, before ingesters have subscribed, is acknowledged and lost "
    "(docs/mosquitto.md)"
)

_KILLED = "The broker was killed or its machine lost power before it started."
_FROM_JOURNAL = "What it had acknowledged to kits is in its journal, and is handed on again."
_WITHOUT_JOURNAL = (
    "What it had acknowledged to kits since its last save, and no ingester had received, may be lost, since it "
    "has no journal (docs/mosquitto.md)."
)

_SENTENCES = {
    GateState.UNKNOWN: "There is no connection to the broker, so it is unknown whether it lets kits in.",
    GateState.OPEN: "The broker lets kits in.",
    GateState.ABSENT: f"The broker has no plugin hortus_gate: {_UNGUARDED}.",
    GateState.BYPASSED: (
        "The broker's plugin hortus_gate is not asked about logins; put its lines before those of the "
        f"dynamic-security plugin. Until then {_UNGUARDED}."
    ),
    GateState.FORBIDDEN: (
        "The broker does not let this account speak to its plugin hortus_gate, so it keeps kits out after a "
        "start. `hortus broker sync` corrects the account's rights."
    ),
}


class KitGate:
    """Announces parts over one client's connection, each time its subscriptions have been granted.

    Over that very connection, because a broker that started afresh in between would take the announcement for
    subscriptions that it does not have.
    """

    def __init__(self, client: MqttClient, parts: Iterable[GatePart], times: GateTimes | None = None) -> None:
        self.state = GateState.UNKNOWN
        self.waits_for: tuple[str, ...] = ()
        self.broker_was_killed = False
        self._client = client
        self._parts = tuple(parts)
        self._times = times or GateTimes()
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self._told: str | None = None
        self._told_of_start: object = None
        client.listen(GATE_RESPONSE_TOPIC, self._take_answer)

    @property
    def keeps_kits_out(self) -> bool:
        """Whether the broker is known to refuse kits."""
        return self.state in {GateState.CLOSED, GateState.FORBIDDEN}

    @property
    def sentence(self) -> str:
        """The state in a sentence for operators."""
        if self.state is not GateState.CLOSED:
            return _SENTENCES[self.state]
        missing = ", ".join(f"{part} ({_RUNS_IN.get(part, 'not a part of Hortus')})" for part in self.waits_for)
        return f"The broker keeps kits out until these parts of Hortus have subscribed: {missing}."

    def as_json(self) -> dict[str, Any]:
        """Return the state for /healthz."""
        return {
            "state": self.sentence,
            "gate": self.state.value,
            "waitsFor": list(self.waits_for),
            "brokerWasKilled": self.broker_was_killed,
        }

    async def run(self) -> None:
        """Announce our parts after each connect, until cancelled."""
        while True:
            await self._client.wait_until_ready()
            connection = self._client.reconnects
            await self._ask()
            if self._client.connected and self._client.reconnects == connection:
                self._tell()
                await self._pause()
            if not self._client.connected:
                self.state, self.waits_for = GateState.UNKNOWN, ()

    async def _pause(self) -> None:
        """Wait until the gate is to be asked again."""
        seconds = {
            GateState.OPEN: None,
            GateState.ABSENT: self._times.absent_seconds,
            GateState.BYPASSED: self._times.absent_seconds,
        }.get(self.state, self._times.closed_seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._client.wait_until_not_ready()

    async def _ask(self) -> None:
        try:
            for part in self._parts:
                self._note(await self._ask_once(part.value.encode()))
        except PublishRefusedError:
            self.state, self.waits_for = GateState.FORBIDDEN, ()
        except (BrokerUnreachableError, ConnectionLostError):
            self.state, self.waits_for = GateState.UNKNOWN, ()

    async def _ask_once(self, payload: bytes) -> dict[str, Any] | None:
        """Send a message to the gate; return its answer, or None if it gives none."""
        if not self._client.connected:  # `publish` would also use a connection that has not subscribed yet
            raise BrokerUnreachableError("The connection to the broker ended.")
        self._answer = asyncio.get_running_loop().create_future()
        await self._client.publish(GATE_TOPIC, payload)
        try:
            async with asyncio.timeout(self._times.answer_seconds):
                return await self._answer
        except TimeoutError:
            return None
        finally:
            self._answer = None

    def _note(self, answer: dict[str, Any] | None) -> None:
        self.waits_for = ()
        if answer is None or "seesLogins" not in answer:  # 2.1 answers itself where no plugin listens
            self.state = GateState.ABSENT
            return
        self._note_start(answer)
        if not answer["seesLogins"]:
            self.state = GateState.BYPASSED
        elif answer.get("open"):
            self.state = GateState.OPEN
        else:
            self.state = GateState.CLOSED
            self.waits_for = tuple(str(part) for part in answer.get("waitsFor", ()))

    def _note_start(self, answer: dict[str, Any]) -> None:
        """Log once for each start of the broker if it had been killed before."""
        self.broker_was_killed = bool(answer.get("wasKilled"))
        started = answer.get("startedMicroseconds")
        if self.broker_was_killed and started != self._told_of_start:
            log.warning("%s %s", _KILLED, _FROM_JOURNAL if answer.get("hasJournal") else _WITHOUT_JOURNAL)
        self._told_of_start = started

    def _take_answer(self, _topic: str, payload: bytes) -> None:
        answer: Any = None
        with contextlib.suppress(ValueError):
            answer = json.loads(payload)
        if self._answer is not None and not self._answer.done() and isinstance(answer, dict):
            self._answer.set_result(answer)

    def _tell(self) -> None:
        """Log each change once."""
        sentence = self.sentence
        if sentence != self._told and self.state is not GateState.UNKNOWN:
            log.log(logging.INFO if self.state is GateState.OPEN else logging.WARNING, "%s", sentence)
            self._told = sentence
