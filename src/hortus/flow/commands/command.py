"""A command to a kit: its methods, arguments and states. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from hortus.base.errors import UsageError
from hortus.protocol.wire.limits import MAXIMUM_COMMAND_CHARACTERS, MAXIMUM_NAME_CHARACTERS
from hortus.protocol.wire.messages import PeripheralCommandCall, UptimeCall, VersionCall


class Method(StrEnum):
    """The requests that a kit supports.

    The lock of kit-mqtt 4.3 is not among them, nor anything that the schema does not name: both crash
    the program of kit 1.0.0b8 (4.6). What this enum cannot express cannot be sent.
    """

    VERSION = "version"
    UPTIME = "uptime"
    PERIPHERAL_COMMAND = "peripheralCommand"


class CommandState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = frozenset({CommandState.WAITING, CommandState.SENT})


class UnsuitableCommand(UsageError):
    """The kit does not support this command. `parameter` names the offending one: `peripheral` or `command`."""

    def __init__(self, parameter: str, explanation: str) -> None:
        super().__init__(explanation)
        self.parameter = parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request to a kit. `command_json` is the command exactly as it is sent."""

    method: Method
    peripheral: str | None = None
    command_json: str | None = None

    @classmethod
    def to_peripheral(cls, peripheral: str, command: Any) -> Question:
        """Build the question that sends a command to a peripheral. Raises UnsuitableCommand."""
        command_json = orjson.dumps(command).decode()
        if len(command_json) > MAXIMUM_COMMAND_CHARACTERS:
            raise UnsuitableCommand(
                "command", f"A command has at most {MAXIMUM_COMMAND_CHARACTERS} characters of JSON."
            )
        if not 1 <= len(peripheral) <= MAXIMUM_NAME_CHARACTERS:
            raise UnsuitableCommand(
                "peripheral", f"A peripheral's name has 1 to {MAXIMUM_NAME_CHARACTERS} characters."
            )
        return cls(method=Method.PERIPHERAL_COMMAND, peripheral=peripheral, command_json=command_json)

    @property
    def call(self) -> VersionCall | UptimeCall | PeripheralCommandCall:
        """The question in its wire form."""
        match self.method:
            case Method.VERSION:
                return VersionCall()
            case Method.UPTIME:
                return UptimeCall()
            case Method.PERIPHERAL_COMMAND:
                assert self.peripheral is not None
                assert self.command_json is not None
                return PeripheralCommandCall(peripheral=self.peripheral, command=self.command_json)
