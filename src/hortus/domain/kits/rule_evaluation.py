"""What a kit does by its fuzzy rules, calculated as its program does (kit-mqtt 5). Pure.

The kit looks at its rules with each measurement, and keeps for each output how true each of its words was.
An output that no active rule mentions keeps that; so what it does depends on what was before.

The rules must have no faults by `control_rules.broken_rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hortus.domain.kits.control_rules import INPUT_VARIABLES, OUTPUT_VARIABLES

DAY_SECONDS = 86_400

_INPUT_CENTRES = dict(zip(INPUT_VARIABLES, (-1.0, -0.5, 0.0, 0.5, 1.0), strict=True))
_INPUT_HALF_WIDTH = 0.4
_OUTPUT_CENTRES = dict(zip(OUTPUT_VARIABLES, (0.0, 0.25, 0.5, 0.75, 1.0), strict=True))
_OUTPUT_HALF_WIDTH = 0.2
_VERY, _SLIGHTLY = 2.0, 0.75

InputKey = tuple[str, int]
"""The name of a peripheral and the id of a quantity type."""

OutputKey = tuple[str, str]
"""The name of a peripheral and a command."""


def second_of_day(time: str) -> int:
    """Return a time of day, `HH:MM` or `HH:MM:SS`, in seconds."""
    parts = [int(part) for part in time.split(":")]
    return parts[0] * 3600 + parts[1] * 60 + (parts[2] if len(parts) > 2 else 0)


def value_at(entries: Sequence[Mapping[str, Any]], seconds: float, *, interpolated: bool) -> Any:
    """Return the value of a target or schedule at this time of day.

    Before its first time, the last entry of the day before applies. There is no slope next to a null.
    """
    times = [second_of_day(entry["time"]) for entry in entries]
    index = max((i for i, time in enumerate(times) if time <= seconds), default=len(entries) - 1)
    following = (index + 1) % len(entries)
    value, next_value = entries[index]["value"], entries[following]["value"]
    if not interpolated or value is None or next_value is None:
        return value
    length = (times[following] - times[index]) % DAY_SECONDS or DAY_SECONDS
    return value + (next_value - value) / length * ((seconds - times[index]) % DAY_SECONDS)


def scaled(difference: float, nominal_range: float) -> float:
    """Return a difference on the scale of the words, from -1 to 1."""
    return max(-1.0, min(1.0, difference / (nominal_range / _INPUT_HALF_WIDTH)))


def truth_of_word(word: str, position: float) -> float:
    """Return how true a word of an input is, from 0 to 1, at this position on the scale."""
    return max(0.0, 1.0 - abs(position - _INPUT_CENTRES[word]) / _INPUT_HALF_WIDTH)


def modified(truth: float, hedge: str | None, *, negated: bool) -> float:
    """Return a truth after *very* or *slightly*, and then *not*."""
    if hedge is not None:
        truth **= _VERY if hedge == "very" else _SLIGHTLY
    return 1.0 - truth if negated else truth


def continuous_value(truths: Mapping[str, float], minimal: float, maximal: float) -> float:
    """Return the value of a continuous output by how true each of its words is.

    If the minimal value is above the maximal one, a kit sends the minimal one whatever the rules say.
    """
    # A triangle that is cut off at its truth, of which the rest weighs in the middle.
    weights = {word: _OUTPUT_HALF_WIDTH * (1.0 - (1.0 - truth) ** 2) for word, truth in truths.items()}
    total = sum(weights.values())
    place = sum(_OUTPUT_CENTRES[word] * weight for word, weight in weights.items()) / total if total else 0.0
    return max(minimal, min(maximal, minimal + place * (maximal - minimal)))


def chosen_schedule(truths: Sequence[float | None]) -> int:
    """Return the number, from 1, of the schedule that a kit follows, by how true each one is.

    As long as no rule has voted for the first one, its program takes the next one, and at last the last.
    """
    number, best = 1, None
    for index, truth in enumerate(truths, start=1):
        if best is None or (truth is not None and truth > best):
            number, best = index, truth
    return number


@dataclass(slots=True)
class _Input:
    """A controlled quantity: its settings, its last values, and where it is on the scale; None without data."""

    settings: Mapping[str, Any]
    values: list[float] = field(default_factory=list)
    error: float | None = None
    delta: float | None = None

    def measure(self, seconds: float, value: float) -> None:
        back = int(self.settings["deltaMeasurements"])
        self.values = [*self.values, value][-(back + 1) :]
        if len(self.values) == back + 1:
            self.delta = scaled(self.values[-1] - self.values[0], self.settings["nominalDeltaRange"])
        self.error = scaled(value - self.target(seconds), self.settings["nominalRange"])

    def target(self, seconds: float) -> float:
        target: float = value_at(
            self.settings["setpoints"], seconds, interpolated=self.settings["interpolated"]
        )
        return target


class Controller:
    """The controller of a kit that runs these rules, at the beginning without any measurement."""

    def __init__(self, control: Mapping[str, Any]) -> None:
        self._rules: Sequence[Mapping[str, Any]] = control["rules"]
        self._inputs = {
            (name, int(key)): _Input(settings)
            for name, quantities in control["input"].items()
            for key, settings in quantities.items()
        }
        self._outputs: dict[OutputKey, Mapping[str, Any]] = {
            (name, command): settings
            for name, commands in control["output"].items()
            for command, settings in commands.items()
        }
        self._words: dict[OutputKey, dict[str, float]] = {key: {} for key in self._outputs}
        self._schedules: dict[OutputKey, dict[int, float]] = {key: {} for key in self._outputs}

    @property
    def inputs(self) -> Sequence[InputKey]:
        """The controlled quantities."""
        return list(self._inputs)

    def target(self, key: InputKey, seconds: float) -> float:
        """Return the target of a quantity at this time of day."""
        return self._inputs[key].target(seconds)

    def position(self, key: InputKey) -> float | None:
        """Return where a quantity was last on the scale, from -1, far below its target, to 1."""
        return self._inputs[key].error

    def measure(self, seconds: float, key: InputKey, value: float) -> None:
        """Take a measurement at this time of day, and look at all rules."""
        measured = self._inputs.get(key)
        if measured is not None:
            measured.measure(seconds, value)
        votes: dict[tuple[OutputKey, str], float] = {}
        choices: dict[tuple[OutputKey, int], float] = {}
        for rule in self._rules:
            if not second_of_day(rule["activeFrom"]) <= seconds <= second_of_day(rule["activeTo"]):
                continue
            truth = self.truth(rule)
            for part in rule["implication"]:
                vote = (part["peripheral"], part["command"]), part["fuzzyVariable"]
                votes[vote] = max(votes.get(vote, 0.0), truth)
            for part in rule["schedules"]:
                choice = (part["peripheral"], part["command"]), int(part["schedule"])
                choices[choice] = max(choices.get(choice, 0.0), truth)
        for (output, word), truth in votes.items():
            self._words[output][word] = truth
        for (output, number), truth in choices.items():
            self._schedules[output][number] = truth

    def truth(self, rule: Mapping[str, Any]) -> float:
        """Return how true the conditions of a rule are together. One without conditions is never true."""
        truths = [self._truth_of(condition) for condition in rule["condition"]]
        return min(truths) if truths else 0.0

    def value(self, key: OutputKey, seconds: float) -> Any:
        """Return what the kit sends to an output; None if it has not sent anything yet."""
        settings = self._outputs[key]
        if settings["type"] == "continuous":
            words = self._words[key]
            if not words:
                return None
            return continuous_value(words, settings["continuous"]["minimal"], settings["continuous"]["maximal"])
        scheduled = settings["scheduled"]
        truths = [self._schedules[key].get(number + 1) for number in range(len(scheduled["schedules"]))]
        chosen = scheduled["schedules"][chosen_schedule(truths) - 1]
        return value_at(chosen["schedule"], seconds, interpolated=scheduled["interpolated"])

    def values(self, seconds: float) -> dict[OutputKey, Any]:
        """Return what the kit sends to each output."""
        return {key: self.value(key, seconds) for key in self._outputs}

    def _truth_of(self, condition: Mapping[str, Any]) -> float:
        measured = self._inputs[condition["peripheral"], int(condition["quantityType"])]
        position = measured.delta if condition.get("delta") else measured.error
        if position is None:
            # Also if it is negated.
            return 0.0
        truth = truth_of_word(condition["fuzzyVariable"], position)
        return modified(truth, condition.get("hedge"), negated=bool(condition.get("negation")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A time of day: the targets, how true each rule is (None while it is not active), and the outputs."""

    seconds: int
    targets: Mapping[InputKey, float]
    truths: Sequence[float | None]
    outputs: Mapping[OutputKey, Any]


def simulated_day(
    control: Mapping[str, Any], supposed: Mapping[InputKey, float], *, step_seconds: int = 300
) -> Iterator[Moment]:
    """Yield a day's moments if each quantity keeps measuring what is supposed, or else exactly its target.

    The day before is calculated too, since outputs keep what they had.
    """
    controller = Controller(control)
    rules = control["rules"]
    for day in range(2):
        for seconds in range(0, DAY_SECONDS, step_seconds):
            targets = {key: controller.target(key, seconds) for key in controller.inputs}
            for key, target in targets.items():
                controller.measure(seconds, key, supposed.get(key, target))
            if day:
                yield Moment(
                    seconds=seconds,
                    targets=targets,
                    truths=[_truth_if_active(controller, rule, seconds) for rule in rules],
                    outputs=controller.values(seconds),
                )


def _truth_if_active(controller: Controller, rule: Mapping[str, Any], seconds: float) -> float | None:
    is_active = second_of_day(rule["activeFrom"]) <= seconds <= second_of_day(rule["activeTo"])
    return controller.truth(rule) if is_active else None
