"""Sentences about commands, in the language of the request. Pure.

Nothing is called done that the kit has not confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from hortus.base.language.translation import gettext, ngettext
from hortus.domain.presence.judgement import Judgement, PresenceState
from hortus.flow.commands.command import CommandState, Method
from hortus.flow.commands.outcome import COMMAND_FAILED, KIT_OFFLINE, NOT_SENT, TIMED_OUT
from hortus.flow.commands.store import Command
from hortus.http.pages.schema_forms.kinds import label_of, translated, unit_of
from hortus.http.pages.schema_forms.reading import bounds_of
from hortus.http.pages.schema_forms.texts import number_text
from hortus.http.pages.times import ago, duration

_MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a command: the sign, a word, and a sentence that may be empty."""

    sign: str
    word: str
    sentence: str = ""


def command_text(command: Any, schema: Any) -> str:
    """Return a command in words, by the labels of its schema: `Heater intensity 3`."""
    if isinstance(command, str):
        return translated(command)
    if not isinstance(command, dict):
        return _shortened(orjson.dumps(command).decode())
    properties = schema.get("properties") if isinstance(schema, dict) else None
    inherited = unit_of(schema)
    parts = []
    for key, value in command.items():
        part = properties.get(key) if isinstance(properties, dict) else None
        unit = unit_of(part, inherited)
        parts.append(f"{label_of(part, key)} {_value_text(value)}{' ' if unit else ''}{unit}")
    return _shortened(", ".join(parts)) or "{}"


def question_text(command: Command, schema: Any) -> str:
    """Return what a kit was asked."""
    match command.question.method:
        case Method.VERSION:
            return gettext("Version of its program")
        case Method.UPTIME:
            return gettext("Time since it started")
        case Method.PERIPHERAL_COMMAND:
            value = orjson.loads(command.question.command_json or "null")
            return gettext(
                "%(device)s: %(command)s",
                device=command.question.peripheral or "",
                command=command_text(value, schema),
            )


def bounds_text(command: Any, schema: Any) -> str:
    """Return between which bounds each value of a command may be, or an empty text."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(command, dict) or not isinstance(properties, dict):
        return ""
    texts = set()
    for key in command:
        least, most = bounds_of(properties[key]) if isinstance(properties.get(key), dict) else (None, None)
        if least is not None and most is not None:
            texts.add(f"{number_text(least)}–{number_text(most)}")
    return ", ".join(sorted(texts))


def outcome_of(command: Command, before: int, clock: Any) -> Outcome:
    """Return what became of a command; `before` others wait in front of it, `clock` writes a time."""
    match command.state:
        case CommandState.WAITING:
            if not before:
                return Outcome(sign="waiting", word=gettext("Waiting for its turn"))
            word = ngettext(
                "Waiting for its turn (%(n)s before it)", "Waiting for its turn (%(n)s before it)", before
            )
            return Outcome(sign="waiting", word=word)
        case CommandState.SENT:
            return _sent(command, clock)
        case CommandState.SUCCEEDED:
            word = gettext("Done %(time)s", time=clock(command.finished_at))
            return Outcome(sign="good", word=word)
        case CommandState.CANCELLED:
            word = gettext("Taken back %(time)s", time=clock(command.finished_at))
            return Outcome(sign="none", word=word, sentence=gettext("It was not sent."))
        case CommandState.FAILED:
            return _failed(command, clock)


def presence_sentence(judgement: Judgement, now: datetime) -> str:
    """Return what to know about the kit before sending something; empty if it is online."""
    match judgement.state:
        case PresenceState.OFFLINE:
            since = judgement.since or judgement.last_contact_at
            if since is None:
                return gettext("The kit is offline. A command sent now is not carried out.")
            return gettext(
                "The kit is offline; it was last heard %(ago)s. A command sent now is not carried out.",
                ago=ago(judgement.last_contact_at or since, now),
            )
        case PresenceState.NEVER:
            return gettext("The kit has not connected yet. A command sent now is not carried out.")
        case PresenceState.LATE:
            return gettext("The kit is late: it may not answer.")
        case PresenceState.ONLINE:
            return ""


def result_text(command: Command) -> str:
    """Return the text that a kit answered, for people; empty if there is none worth showing."""
    text = command.result_text
    if text is None or command.state is not CommandState.SUCCEEDED:
        return ""
    if command.question.method is Method.UPTIME and text.isdigit():
        return duration(float(text))
    if command.question.method is Method.VERSION:
        return text.strip('"')
    return "" if text.strip() == "ok" else text


def _sent(command: Command, clock: Any) -> Outcome:
    seconds = 30
    if command.answer_by is not None and command.sent_at is not None:
        seconds = round((command.answer_by - command.sent_at).total_seconds())
    word = gettext("Sent %(time)s, the kit has %(seconds)s s", time=clock(command.sent_at), seconds=seconds)
    return Outcome(sign="waiting", word=word)


def _failed(command: Command, clock: Any) -> Outcome:
    if command.error == TIMED_OUT:
        sentence = gettext("It may still have acted.")
        if command.late_answer_at is not None:
            sentence = gettext("It answered later, at %(time)s.", time=clock(command.late_answer_at))
        return Outcome(sign="failed", word=gettext("The kit did not answer"), sentence=sentence)
    if command.error == KIT_OFFLINE:
        return Outcome(sign="offline", word=gettext("Kit offline, not sent"))
    if command.error == NOT_SENT:
        return Outcome(
            sign="failed",
            word=gettext("Not sent"),
            sentence=gettext("The kit was busy, or Hortus could not reach it in time. Send it again."),
        )
    word = gettext("Failed %(time)s", time=clock(command.finished_at))
    explanation = command.explanation or command.error or ""
    if command.error == COMMAND_FAILED:
        sentence = gettext("The kit reports: %(report)s", report=_shortened(explanation))
        return Outcome(sign="failed", word=word, sentence=sentence)
    return Outcome(sign="failed", word=word, sentence=_shortened(explanation))


def _value_text(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("on") if value else gettext("off")
    if isinstance(value, int | float):
        return number_text(value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
