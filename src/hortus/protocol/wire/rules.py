"""Rules for single messages, in both directions: they need no database and no clock."""

from __future__ import annotations

from math import isfinite

from hortus.protocol.reasons import Reason
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.limits import (
    ID_BYTES,
    MAXIMUM_AGGREGATE_TYPE_CHARACTERS,
    MAXIMUM_AGGREGATE_VALUES,
    MAXIMUM_COMMAND_CHARACTERS,
    MAXIMUM_DATETIME_MS,
    MAXIMUM_DOCUMENT_CHARACTERS,
    MAXIMUM_METADATA_CHARACTERS,
    MAXIMUM_NAME_CHARACTERS,
)
from hortus.protocol.wire.messages import (
    ActiveConfigurationResult,
    AggregateMeasurement,
    KitCall,
    KitResult,
    Media,
    PeripheralCommandCall,
    PeripheralCommandLockCall,
    PeripheralCommandResult,
    QuantityTypesResult,
    RateLimitError,
    RawMeasurement,
    ServerResult,
    UptimeResult,
    VersionResult,
)


def check_raw_measurement(message: RawMeasurement) -> None:
    """Raise WireError unless the measurement could be stored for a kit that knows its ids."""
    _check_id(message.id)
    _check_name("The serial", message.kit_serial)
    _check_datetime(message.datetime_ms)
    _check_int32("The peripheral", message.peripheral)
    _check_int32("The quantity type", message.quantity_type)
    _check_finite("The value", message.value)


def check_aggregate_measurement(message: AggregateMeasurement) -> None:
    """Raise WireError unless the aggregate could be stored for a kit that knows its ids.

    If a type occurs twice, the last value counts. One bad entry rejects the whole message: removing the entry
    would silently lose a part, while a rejected message is kept and can be inspected.
    """
    _check_id(message.id)
    _check_name("The serial", message.kit_serial)
    _check_datetime(message.datetime_start_ms)
    _check_datetime(message.datetime_end_ms)
    if message.datetime_end_ms < message.datetime_start_ms:
        raise WireError(Reason.AGGREGATE_END_BEFORE_START)
    _check_int32("The peripheral", message.peripheral)
    _check_int32("The quantity type", message.quantity_type)
    values = dict(message.values)
    for aggregate_type, value in values.items():
        if not 1 <= len(aggregate_type) <= MAXIMUM_AGGREGATE_TYPE_CHARACTERS:
            raise WireError(Reason.AGGREGATE_TYPE_LENGTH)
        _check_name("The type of a value", aggregate_type)
        _check_finite(f"The {aggregate_type!r} of the summary", value)
    if not values:
        raise WireError(Reason.AGGREGATE_WITHOUT_VALUES)
    if len(values) > MAXIMUM_AGGREGATE_VALUES:
        raise WireError(Reason.AGGREGATE_TOO_MANY_VALUES)


def check_media(message: Media) -> None:
    """Raise WireError unless the medium could be stored for a kit that knows its ids."""
    _check_id(message.id)
    _check_datetime(message.datetime_ms)
    _check_int32("The peripheral", message.peripheral)
    _check_name("The name", message.name)
    _check_name("The media type", message.type)
    _check_text("The metadata", message.metadata, MAXIMUM_METADATA_CHARACTERS)


def check_rpc_id(rpc_id: int) -> None:
    """Raise WireError unless the id is an unsigned 64-bit number."""
    _check_uint64("The id", rpc_id)


def check_kit_call(call: KitCall) -> None:
    """Raise WireError unless the texts of the call are within their limits."""
    match call:
        case PeripheralCommandCall():
            _check_name("The name of the peripheral", call.peripheral)
            _check_text("The command", call.command, MAXIMUM_COMMAND_CHARACTERS)
        case PeripheralCommandLockCall():
            _check_name("The name of the peripheral", call.peripheral)


def check_result(result: ServerResult | KitResult) -> None:
    """Raise WireError unless the texts and numbers of the result are within their limits."""
    match result:
        case RateLimitError():
            _check_uint64("The pause", result.wait_ms)
        case VersionResult():
            _check_name("The version", result.version)
        case QuantityTypesResult():
            _check_text("The list of quantity types", result.json_text, MAXIMUM_DOCUMENT_CHARACTERS)
        case ActiveConfigurationResult(json_text=str() as json_text):
            _check_text("The configuration", json_text, MAXIMUM_DOCUMENT_CHARACTERS)
        case UptimeResult():
            _check_uint64("The uptime", result.uptime_seconds)
        case PeripheralCommandResult():
            _check_name("The media type", result.media_type)
            _check_text("The metadata", result.metadata, MAXIMUM_METADATA_CHARACTERS)


_YEAR_2010_MS, _YEAR_2100_MS = 1_262_304_000_000, 4_102_444_800_000


def _check_id(message_id: bytes) -> None:
    if len(message_id) != ID_BYTES:
        raise WireError(
            Reason.BAD_ID, f"The id of the message has {len(message_id)} bytes; it must have {ID_BYTES}."
        )


def _check_datetime(datetime_ms: int) -> None:
    if not 0 <= datetime_ms <= MAXIMUM_DATETIME_MS:
        raise WireError(
            Reason.TIME_OUT_OF_RANGE,
            f"The time {datetime_ms} ms is outside the years 1970 to 9999. {_advice_on_time(datetime_ms)}",
        )


def _advice_on_time(datetime_ms: int) -> str:
    """Return what to check: a time of our days in another unit hardly comes from a wrong clock."""
    for unit, milliseconds in (("microseconds", datetime_ms // 1000), ("nanoseconds", datetime_ms // 10**6)):
        if _YEAR_2010_MS <= milliseconds < _YEAR_2100_MS:
            return f"It would be right in {unit}; kits send milliseconds since 1970."
    return "Check the clock of the kit."


def _check_int32(what: str, number: int) -> None:
    if not -(2**31) <= number < 2**31:
        raise WireError(Reason.NUMBER_OUT_OF_RANGE, f"{what} is {number}; it must fit a signed 32-bit number.")


def _check_uint64(what: str, number: int) -> None:
    if not 0 <= number < 2**64:
        raise WireError(
            Reason.NUMBER_OUT_OF_RANGE, f"{what} is {number}; it must fit an unsigned 64-bit number."
        )


def _check_finite(what: str, value: float) -> None:
    if not isfinite(value):
        raise WireError(
            Reason.VALUE_NOT_FINITE, f"{what} is {value}, which is no number to store. Check the sensor."
        )


def _check_name(what: str, text: str) -> None:
    _check_text(what, text, MAXIMUM_NAME_CHARACTERS)


def _check_text(what: str, text: str, maximum_characters: int) -> None:
    if len(text) > maximum_characters:
        raise WireError(
            Reason.TEXT_TOO_LONG,
            f"{what} has {len(text)} characters; at most {maximum_characters} are accepted.",
        )
    if "\0" in text:
        raise WireError(Reason.TEXT_WITH_NUL, f"{what} contains a zero character, which cannot be stored.")
