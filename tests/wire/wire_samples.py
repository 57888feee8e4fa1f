"""The vectors of kit-mqtt 3.4, and for each message the functions and strategies that tests need."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from hortus.protocol.wire import codec
from hortus.protocol.wire import messages as m

_DOCUMENT = json.loads((Path(__file__).parent / "vectors" / "kit-mqtt-vectors.json").read_text())
VALID: list[dict[str, Any]] = _DOCUMENT["vectors"]
MALFORMED: list[dict[str, Any]] = _DOCUMENT["malformed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    values: st.SearchStrategy[Any]


def text(maximum: int, minimum: int = 0) -> st.SearchStrategy[str]:
    alphabet = st.characters(codec="utf-8", exclude_characters="\0")
    return st.text(alphabet, min_size=minimum, max_size=maximum)


_IDS = st.binary(min_size=16, max_size=16)
_TIMES = st.integers(0, 253_402_300_799_999) | st.integers(1_500_000_000_000, 2_000_000_000_000)
_INT32 = st.integers(-(2**31), 2**31 - 1) | st.integers(1, 1000)
_UINT64 = st.integers(0, 2**64 - 1)
_FINITE = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-500, 500).map(lambda n: n / 4)
_NAMES = text(255)

RAW = st.builds(
    m.RawMeasurement,
    id=_IDS,
    datetime_ms=_TIMES,
    peripheral=_INT32,
    quantity_type=_INT32,
    value=_FINITE,
    kit_serial=st.just("") | text(40),
)
_VALUES = st.dictionaries(text(50, 1), _FINITE, min_size=1, max_size=16).map(lambda d: tuple(d.items()))
AGGREGATE = st.builds(
    lambda times, **rest: m.AggregateMeasurement(
        datetime_start_ms=min(times), datetime_end_ms=max(times), **rest
    ),
    times=st.tuples(_TIMES, _TIMES),
    id=_IDS,
    peripheral=_INT32,
    quantity_type=_INT32,
    values=_VALUES,
    kit_serial=_NAMES,
)
MEDIA = st.builds(
    m.Media,
    id=_IDS,
    datetime_ms=_TIMES,
    peripheral=_INT32,
    name=_NAMES,
    type=_NAMES,
    data=st.binary(max_size=20_000),
    metadata=text(500),
)
_ERRORS = st.one_of(
    st.just(m.OtherError()),
    st.just(m.MethodNotFoundError()),
    st.builds(m.RateLimitError, wait_ms=_UINT64),
)
_VERSIONS = st.builds(m.VersionResult, version=_NAMES)
SERVER_REQUEST = st.builds(
    m.ServerRpcRequest,
    id=_UINT64,
    call=st.sampled_from([m.VersionCall(), m.QuantityTypesCall(), m.ActiveConfigurationCall()]),
)
SERVER_RESPONSE = st.builds(
    m.ServerRpcResponse,
    id=_UINT64,
    result=st.one_of(
        _ERRORS,
        _VERSIONS,
        st.builds(m.QuantityTypesResult, json_text=text(2000)),
        st.builds(m.ActiveConfigurationResult, json_text=st.none() | text(2000)),
    ),
)
KIT_REQUEST = st.builds(
    m.KitRpcRequest,
    id=_UINT64,
    call=st.one_of(
        st.just(m.VersionCall()),
        st.just(m.UptimeCall()),
        st.builds(m.PeripheralCommandCall, peripheral=_NAMES, command=text(2000)),
        st.builds(
            m.PeripheralCommandLockCall, peripheral=_NAMES, operation=st.sampled_from(list(m.LockOperation))
        ),
    ),
)
KIT_RESPONSE = st.builds(
    m.KitRpcResponse,
    id=_UINT64,
    result=st.one_of(
        _ERRORS,
        _VERSIONS,
        st.builds(m.UptimeResult, uptime_seconds=_UINT64),
        st.builds(
            m.PeripheralCommandResult,
            media_type=_NAMES,
            data=st.binary(max_size=20_000),
            metadata=text(500),
        ),
        st.builds(m.PeripheralCommandLockResult, locked=st.booleans()),
    ),
)

KINDS: dict[str, Kind] = {
    "RawMeasurement": Kind(
        decode=codec.decode_raw_measurement, encode=codec.encode_raw_measurement, values=RAW
    ),
    "AggregateMeasurement": Kind(
        decode=codec.decode_aggregate_measurement,
        encode=codec.encode_aggregate_measurement,
        values=AGGREGATE,
    ),
    "Media": Kind(decode=codec.decode_media, encode=codec.encode_media, values=MEDIA),
    "ServerRpcRequest": Kind(
        decode=codec.decode_server_rpc_request,
        encode=codec.encode_server_rpc_request,
        values=SERVER_REQUEST,
    ),
    "ServerRpcResponse": Kind(
        decode=codec.decode_server_rpc_response,
        encode=codec.encode_server_rpc_response,
        values=SERVER_RESPONSE,
    ),
    "KitRpcRequest": Kind(
        decode=codec.decode_kit_rpc_request, encode=codec.encode_kit_rpc_request, values=KIT_REQUEST
    ),
    "KitRpcResponse": Kind(
        decode=codec.decode_kit_rpc_response, encode=codec.encode_kit_rpc_response, values=KIT_RESPONSE
    ),
}


def value_of(vector: dict[str, Any]) -> Any:
    """Return the value that the fields of a valid vector describe."""
    fields = vector["fields"]
    match vector["struct"]:
        case "RawMeasurement":
            return m.RawMeasurement(
                id=bytes.fromhex(fields["id"]),
                kit_serial=fields["kitSerial"],
                datetime_ms=fields["datetime"],
                peripheral=fields["peripheral"],
                quantity_type=fields["quantityType"],
                value=fields["value"],
            )
        case "AggregateMeasurement":
            return m.AggregateMeasurement(
                id=bytes.fromhex(fields["id"]),
                kit_serial=fields["kitSerial"],
                datetime_start_ms=fields["datetimeStart"],
                datetime_end_ms=fields["datetimeEnd"],
                peripheral=fields["peripheral"],
                quantity_type=fields["quantityType"],
                values=tuple((entry["type"], entry["value"]) for entry in fields["values"]),
            )
        case "Media":
            return m.Media(
                id=bytes.fromhex(fields["id"]),
                datetime_ms=fields["datetime"],
                peripheral=fields["peripheral"],
                name=fields["name"],
                type=fields["type"],
                data=bytes.fromhex(fields["data"]),
                metadata=fields["metadata"],
            )
        case "ServerRpcRequest":
            return m.ServerRpcRequest(id=fields["id"], call=_server_call(fields))
        case "ServerRpcResponse":
            return m.ServerRpcResponse(id=fields["id"], result=_server_result(fields))
        case "KitRpcRequest":
            return m.KitRpcRequest(id=fields["id"], call=_kit_call(fields))
        case "KitRpcResponse":
            return m.KitRpcResponse(id=fields["id"], result=_kit_result(fields))
    raise AssertionError(vector["struct"])


def _error(fields: dict[str, Any]) -> m.RpcError:
    match fields:
        case {"other": None}:
            return m.OtherError()
        case {"methodNotFound": None}:
            return m.MethodNotFoundError()
    return m.RateLimitError(wait_ms=fields["rateLimit"])


def _server_call(fields: dict[str, Any]) -> m.ServerCall:
    match fields:
        case {"version": None}:
            return m.VersionCall()
        case {"getQuantityTypes": None}:
            return m.QuantityTypesCall()
    assert "getActiveConfiguration" in fields
    return m.ActiveConfigurationCall()


def _server_result(fields: dict[str, Any]) -> m.ServerResult:
    match fields:
        case {"error": error}:
            return _error(error)
        case {"version": version}:
            return m.VersionResult(version=version)
        case {"getQuantityTypes": json_text}:
            return m.QuantityTypesResult(json_text=json_text)
    return m.ActiveConfigurationResult(json_text=fields["getActiveConfiguration"].get("configuration"))


def _kit_call(fields: dict[str, Any]) -> m.KitCall:
    match fields:
        case {"version": None}:
            return m.VersionCall()
        case {"uptime": None}:
            return m.UptimeCall()
        case {"peripheralCommand": command}:
            return m.PeripheralCommandCall(peripheral=command["peripheral"], command=command["command"])
    lock = fields["peripheralCommandLock"]
    operation = next(operation for operation in m.LockOperation if operation in lock)
    return m.PeripheralCommandLockCall(peripheral=lock["peripheral"], operation=operation)


def _kit_result(fields: dict[str, Any]) -> m.KitResult:
    match fields:
        case {"error": error}:
            return _error(error)
        case {"version": version}:
            return m.VersionResult(version=version)
        case {"uptime": uptime_seconds}:
            return m.UptimeResult(uptime_seconds=uptime_seconds)
        case {"peripheralCommand": command}:
            return m.PeripheralCommandResult(
                media_type=command["mediaType"],
                data=bytes.fromhex(command["data"]),
                metadata=command["metadata"],
            )
    return m.PeripheralCommandLockResult(locked=fields["peripheralCommandLock"])


VALID_PAYLOADS = [(vector["struct"], bytes.fromhex(vector["packedHex"])) for vector in VALID]


@st.composite
def mutated(draw: st.DrawFn, payload: bytes) -> bytes:
    """Return the payload with a few bytes flipped, removed, inserted or cut off."""
    data = bytearray(payload)
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(["set", "remove", "insert", "cut"])):
            case "set" if data:
                data[position] = draw(st.integers(0, 255))
            case "remove":
                del data[position : position + draw(st.integers(1, 9))]
            case "insert":
                data[position:position] = draw(st.binary(min_size=1, max_size=9))
            case "cut":
                del data[position:]
    return bytes(data)
