"""The messages of the kit protocol as values, exactly as on the wire.

Times are milliseconds since 1970-01-01T00:00:00Z. `peripheral` and `quantity_type` are the ids of the
configuration, as signed 32-bit numbers. Nothing here has been looked up or checked against a kit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMeasurement:
    """One reading of one quantity. `kit_serial` is empty from a kit and never trusted: the topic decides."""

    id: bytes
    datetime_ms: int
    peripheral: int
    quantity_type: int
    value: float
    kit_serial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateMeasurement:
    """A kit's summary of the readings of one window: pairs of type and value, in wire order.

    A kit sends `count`, `average`, `minimum` and `maximum`. A decoded message has each type once: if a type was
    sent twice, the last value counts.
    """

    id: bytes
    datetime_start_ms: int
    datetime_end_ms: int
    peripheral: int
    quantity_type: int
    values: tuple[tuple[str, float], ...]
    kit_serial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A file that a peripheral produced, usually a picture. `metadata` is JSON text, not parsed here."""

    id: bytes
    datetime_ms: int
    peripheral: int
    name: str
    type: str
    data: bytes
    metadata: str


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """A method, answer or error with a number that the schema does not know; the id beside it is still valid.

    Never encoded. Such a request is answered with `MethodNotFoundError`; such a response fails the waiter for
    its id.
    """


@dataclass(frozen=True, slots=True)
class OtherError:
    """The other side failed without giving a reason."""


@dataclass(frozen=True, slots=True)
class MethodNotFoundError:
    """The other side does not have this method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitError:
    """The other side was asked too often and demands a pause of this length."""

    wait_ms: int


RpcError = OtherError | MethodNotFoundError | RateLimitError


@dataclass(frozen=True, slots=True)
class VersionCall:
    """Which version the other side runs."""


@dataclass(frozen=True, slots=True)
class QuantityTypesCall:
    """All quantity types; the second question of every booting kit."""


@dataclass(frozen=True, slots=True)
class ActiveConfigurationCall:
    """The active configuration of the asking kit; the first question of every booting kit."""


@dataclass(frozen=True, slots=True)
class UptimeCall:
    """How long the kit has been running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeripheralCommandCall:
    """A command (JSON text) for the peripheral of this name."""

    peripheral: str
    command: str


class LockOperation(StrEnum):
    """The operation on a peripheral's lock; the values are the names in the schema."""

    STATUS = "status"
    ACQUIRE = "acquire"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeripheralCommandLockCall:
    """Query, acquire or release the lock of the peripheral of this name."""

    peripheral: str
    operation: LockOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionResult:
    """The version of the answering software."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityTypesResult:
    """All quantity types, as JSON text."""

    json_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveConfigurationResult:
    """The active configuration as JSON text, or None if the kit has none."""

    json_text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UptimeResult:
    """How long the kit process has been running."""

    uptime_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeripheralCommandResult:
    """The result of a command. `metadata` is JSON text, not parsed here."""

    media_type: str
    data: bytes
    metadata: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeripheralCommandLockResult:
    """Whether the peripheral is locked (`STATUS`) or whether the operation took effect."""

    locked: bool


ServerCall = VersionCall | QuantityTypesCall | ActiveConfigurationCall | Unrecognised
ServerResult = RpcError | VersionResult | QuantityTypesResult | ActiveConfigurationResult | Unrecognised
KitCall = VersionCall | UptimeCall | PeripheralCommandCall | PeripheralCommandLockCall | Unrecognised
KitResult = (
    RpcError
    | VersionResult
    | UptimeResult
    | PeripheralCommandResult
    | PeripheralCommandLockResult
    | Unrecognised
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRpcRequest:
    """A kit's request to the back end. Ids start at 0 in every kit process and therefore repeat."""

    id: int
    call: ServerCall


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRpcResponse:
    """The back end's answer to the request with the same id."""

    id: int
    result: ServerResult


@dataclass(frozen=True, slots=True, kw_only=True)
class KitRpcRequest:
    """The back end's request to a kit. A request that is delivered twice is executed twice."""

    id: int
    call: KitCall


@dataclass(frozen=True, slots=True, kw_only=True)
class KitRpcResponse:
    """The kit's answer to the request with the same id."""

    id: int
    result: KitResult
