"""JSON objects of commands, for the API and the command line."""

from __future__ import annotations

from typing import Any

import orjson
from typing_extensions import TypedDict

from hortus.base.times import format_optional_time, format_time
from hortus.flow.commands.command import CommandState, Method
from hortus.flow.commands.store import Command
from hortus.http.conventions.replies import TimeText


class KitCommand(TypedDict):
    """A command and its outcome. `resultSize` is in bytes; `explanation` is a sentence for people."""

    id: int
    method: Method
    peripheral: str | None
    command: Any
    askedBy: str | None
    state: CommandState
    error: str | None
    explanation: str | None
    requestedAt: TimeText
    sentAt: TimeText | None
    finishedAt: TimeText | None
    durationSeconds: float | None
    lateAnswerAt: TimeText | None
    resultType: str | None
    resultSize: int | None
    resultText: str | None
    hasResult: bool


def command_object(command: Command) -> KitCommand:
    question = command.question
    seconds = None
    if command.sent_at is not None and command.finished_at is not None:
        seconds = (command.finished_at - command.sent_at).total_seconds()
    return {
        "id": command.id,
        "method": question.method,
        "peripheral": question.peripheral,
        "command": None if question.command_json is None else orjson.loads(question.command_json),
        "askedBy": command.asked_by,
        "state": command.state,
        "error": command.error,
        "explanation": command.explanation,
        "requestedAt": format_time(command.requested_at),
        "sentAt": format_optional_time(command.sent_at),
        "finishedAt": format_optional_time(command.finished_at),
        "durationSeconds": seconds,
        "lateAnswerAt": format_optional_time(command.late_answer_at),
        "resultType": command.result_media_type,
        "resultSize": command.result_bytes,
        "resultText": command.result_text,
        "hasResult": command.has_result,
    }
