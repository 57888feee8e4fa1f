"""A kit's answers to the server's RPC requests (kit-mqtt 4.3). Pure except for its own state."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from hortus.protocol.wire.messages import (
    KitCall,
    KitResult,
    LockOperation,
    MethodNotFoundError,
    PeripheralCommandCall,
    PeripheralCommandLockCall,
    PeripheralCommandLockResult,
    PeripheralCommandResult,
    Unrecognised,
    UptimeCall,
    UptimeResult,
    VersionCall,
    VersionResult,
)
from hortus.simulator.configuration import FittedPeripheral
from hortus.simulator.devices import CommandError

KIT_VERSION = "1.0.0b8"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureWanted:
    """A camera was commanded to take a picture of this kind, which takes a while."""

    peripheral: FittedPeripheral
    kind: str


class CommandDesk:
    """Answers calls, and keeps track of commands and locks.

    `commanded` maps fields of Actuators to the percentage that a person set.
    """

    def __init__(self) -> None:
        self._peripherals: dict[str, FittedPeripheral] = {}
        self._locked: set[str] = set()
        self.commanded: dict[str, float] = {}

    def fit(self, peripherals: Iterable[FittedPeripheral]) -> None:
        """Start over with these peripherals, as after a boot."""
        self._peripherals = {peripheral.name: peripheral for peripheral in peripherals}
        self._locked.clear()
        self.commanded.clear()

    def answer(self, call: KitCall, uptime_seconds: float) -> KitResult | PictureWanted:
        """Return the kit's answer to this call, or the picture that it has to take first."""
        match call:
            case VersionCall():
                return VersionResult(version=KIT_VERSION)
            case UptimeCall():
                return UptimeResult(uptime_seconds=int(uptime_seconds))
            case PeripheralCommandCall():
                return self._command(call)
            case PeripheralCommandLockCall():
                # The real kit 1.0.0b8 crashes here; this is the answer its authors intended.
                return PeripheralCommandLockResult(locked=self._lock(call))
            case Unrecognised():
                return MethodNotFoundError()

    def _command(self, call: PeripheralCommandCall) -> PeripheralCommandResult | PictureWanted:
        peripheral = self._peripherals.get(call.peripheral)
        if peripheral is not None:
            try:
                command = json.loads(call.command)
                if peripheral.device.pictures:
                    return PictureWanted(peripheral=peripheral, kind=peripheral.device.picture_of(command))
                self.commanded.update(peripheral.device.settings_of(command))
            except (CommandError, ValueError, RecursionError) as error:
                return _text(f"Error: {error}")
        # A command to an unknown peripheral is answered like a success, as by kit 1.0.0b8.
        return _text("ok")

    def _lock(self, call: PeripheralCommandLockCall) -> bool:
        was_locked = call.peripheral in self._locked
        match call.operation:
            case LockOperation.STATUS:
                return was_locked
            case LockOperation.ACQUIRE:
                # Only existing names are stored, so that callers cannot make this grow.
                if call.peripheral in self._peripherals:
                    self._locked.add(call.peripheral)
                return True
            case LockOperation.RELEASE:
                self._locked.discard(call.peripheral)
                return was_locked


def _text(text: str) -> PeripheralCommandResult:
    return PeripheralCommandResult(media_type="text/plain", data=text.encode(), metadata="null")
