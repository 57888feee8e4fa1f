"""Interprets a kit's answer as the outcome of a command (kit-mqtt 4.3, http-api 4.11). Pure."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from hortus.flow.commands.command import Method
from hortus.protocol.wire.messages import (
    KitResult,
    MethodNotFoundError,
    OtherError,
    PeripheralCommandResult,
    RateLimitError,
    UptimeResult,
    VersionResult,
)

# Names that existing clients know; those below the line are our additions (http-api 4.11).
TIMED_OUT = "TimedOut"
MALFORMED_RESPONSE = "MalformedResponse"
INVALID_RESPONSE = "InvalidResponse"
# ---
COMMAND_FAILED = "CommandFailed"
KIT_OFFLINE = "KitOffline"
NOT_SENT = "NotSent"

TEXT = "text/plain"
JSON = "application/json"

MOST_TEXT_CHARACTERS = 1000
"""The length up to which the command ledger keeps a result that is text."""

# A kit reports every exception of a driver as a successful text with this prefix (kit-mqtt 4.3).
_KIT_ERROR = b"Error: "


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOutcome:
    """How a command ended. `error` is None if it succeeded; `data` is set only then."""

    error: str | None = None
    explanation: str | None = None
    media_type: str | None = None
    data: bytes = b""

    @property
    def text(self) -> str | None:
        """The beginning of a text result, as kept in the ledger; None for other results."""
        if self.media_type not in {TEXT, JSON}:
            return None
        # PostgreSQL cannot store U+0000, and a character cut in two is dropped.
        beginning = self.data[: 4 * MOST_TEXT_CHARACTERS].decode("utf-8", "replace")
        return beginning.replace("\0", "�")[:MOST_TEXT_CHARACTERS]


def outcome_of(method: Method, result: KitResult) -> CommandOutcome:
    """Return the outcome of a command with this method, given the kit's result."""
    match result:
        case OtherError():
            return CommandOutcome(
                error="RpcError(Other)", explanation="The kit could not do it and does not say why."
            )
        case MethodNotFoundError():
            return CommandOutcome(
                error="RpcError(MethodNotFound)", explanation="The kit does not know this request."
            )
        case RateLimitError(wait_ms=wait_ms):
            return CommandOutcome(
                error=f"RpcError(RateLimit({wait_ms}ms))",
                explanation=f"The kit was asked too often; it wants a pause of {wait_ms / 1000:.0f} s.",
            )
        case VersionResult(version=version) if method is Method.VERSION:
            return CommandOutcome(media_type=JSON, data=orjson.dumps(version))
        case UptimeResult(uptime_seconds=seconds) if method is Method.UPTIME:
            return CommandOutcome(media_type=JSON, data=orjson.dumps(seconds))
        case PeripheralCommandResult() if method is Method.PERIPHERAL_COMMAND:
            return _outcome_of_command(result)
    return CommandOutcome(
        error=INVALID_RESPONSE, explanation="The kit answered something else than it was asked."
    )


def malformed() -> CommandOutcome:
    """Return the outcome for an answer whose id can be decoded but whose content cannot."""
    return CommandOutcome(error=MALFORMED_RESPONSE, explanation="The kit's answer cannot be read.")


def _outcome_of_command(result: PeripheralCommandResult) -> CommandOutcome:
    try:
        orjson.loads(result.metadata)
    except orjson.JSONDecodeError:
        return malformed()
    if result.media_type == TEXT and result.data.startswith(_KIT_ERROR):
        message = result.data[len(_KIT_ERROR) :][: 4 * MOST_TEXT_CHARACTERS].decode("utf-8", "replace")
        message = message.replace("\0", "�").strip()[:MOST_TEXT_CHARACTERS]
        return CommandOutcome(
            error=COMMAND_FAILED,
            explanation=f"The kit reports: {message}" if message else "The device does not take this command.",
        )
    return CommandOutcome(media_type=result.media_type, data=result.data)
