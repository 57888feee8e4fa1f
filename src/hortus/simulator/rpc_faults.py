"""Faults of a kit's RPC answers, simulated on demand and at random, from a seed.

    no-answer   the kit carries out the command and does not answer
    late        the answer arrives after the server has given up, after 35 s of kit time
    twice       the answer is sent twice
    wrong-id    the answer carries the id of another question
    rubbish     the answer cannot be decoded, although its id can
    disconnect  the connection breaks before the answer; the kit sends it after the reconnect, as in MQTT

Each probability is per answer.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hortus.simulator.faults import UnknownFaultError, chance_of

LATE_SECONDS = 35.0


class RpcFault(StrEnum):
    """The faults by name."""

    NO_ANSWER = "no-answer"
    LATE = "late"
    TWICE = "twice"
    WRONG_ID = "wrong-id"
    RUBBISH = "rubbish"
    DISCONNECT = "disconnect"


USUAL_CHANCE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcFaultPlan:
    """The faults that occur, each with its probability per answer (0 to 1)."""

    chances: Mapping[RpcFault, float] = field(default_factory=dict)


def parse_rpc_faults(text: str) -> RpcFaultPlan:
    """Parse a list such as `late,twice:0.5`, or `all`, or an empty text for none. Raises UnknownFaultError."""
    chances: dict[RpcFault, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, colon, chance_text = part.partition(":")
        chance = chance_of(chance_text) if colon else USUAL_CHANCE
        for fault in _faults_named(name.strip()):
            chances[fault] = chance
    return RpcFaultPlan(chances=chances)


def _faults_named(name: str) -> list[RpcFault]:
    if name == "all":
        return list(RpcFault)
    try:
        return [RpcFault(name)]
    except ValueError:
        raise UnknownFaultError(
            f"There is no fault “{name}” of answers; choose from {', '.join(RpcFault)}, or all."
        ) from None


class RpcFaultDice:
    """Rolls the dice for one kit: at most one fault for each answer."""

    def __init__(self, plan: RpcFaultPlan, seed: str) -> None:
        self._chances = plan.chances
        self._randomness = random.Random(seed)  # noqa: S311 - chance, no secret

    def throw(self) -> RpcFault | None:
        """Return the fault of this answer, or None."""
        for fault, chance in self._chances.items():
            if chance > 0 and self._randomness.random() < chance:
                return fault
        return None
