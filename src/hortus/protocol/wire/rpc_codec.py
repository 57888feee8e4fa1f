"""Decode and encode the four RPC messages; `codec` is the public interface.

A method, answer or error with a number that the schema does not know decodes to `Unrecognised`, so that the
request with its id can still be answered, or its waiter notified.
"""

from __future__ import annotations

from typing import Any

import capnp

from hortus.protocol.reasons import Reason
from hortus.protocol.wire import limits
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.framing import BrokenFraming, first_data_word
from hortus.protocol.wire.messages import (
    ActiveConfigurationCall,
    ActiveConfigurationResult,
    KitCall,
    KitResult,
    KitRpcRequest,
    KitRpcResponse,
    LockOperation,
    MethodNotFoundError,
    OtherError,
    PeripheralCommandCall,
    PeripheralCommandLockCall,
    PeripheralCommandLockResult,
    PeripheralCommandResult,
    QuantityTypesCall,
    QuantityTypesResult,
    RateLimitError,
    RpcError,
    ServerCall,
    ServerResult,
    ServerRpcRequest,
    ServerRpcResponse,
    Unrecognised,
    UptimeCall,
    UptimeResult,
    VersionCall,
    VersionResult,
)
from hortus.protocol.wire.rules import check_kit_call, check_result, check_rpc_id
from hortus.protocol.wire.schema import new_message, open_message, seal, translated


def decode_server_rpc_request(payload: bytes) -> ServerRpcRequest:
    """Decode a question of a kit. Raises WireError."""
    reader = open_message(limits.SERVER_RPC_REQUEST, payload)
    with translated():
        return ServerRpcRequest(id=reader.id, call=_read_server_call(reader))


def _read_server_call(reader: Any) -> ServerCall:
    match _variant(reader):
        case "version":
            return VersionCall()
        case "getQuantityTypes":
            return QuantityTypesCall()
        case "getActiveConfiguration":
            return ActiveConfigurationCall()
    return Unrecognised()


def encode_server_rpc_request(message: ServerRpcRequest) -> bytes:
    """Encode a question of a kit. Raises WireError."""
    check_rpc_id(message.id)
    builder = new_message(limits.SERVER_RPC_REQUEST)
    builder.id = message.id
    match message.call:
        case VersionCall():
            builder.version = None
        case QuantityTypesCall():
            builder.getQuantityTypes = None
        case ActiveConfigurationCall():
            builder.getActiveConfiguration = None
        case Unrecognised():
            raise WireError(Reason.UNKNOWN_VARIANT)
    return seal(limits.SERVER_RPC_REQUEST, builder)


def decode_server_rpc_response(payload: bytes) -> ServerRpcResponse:
    """Decode an answer to a kit. Raises WireError, with the id of the answer if it could be read."""
    reader = open_message(limits.SERVER_RPC_RESPONSE, payload)
    rpc_id: int = reader.id
    with translated(rpc_id):
        result = _read_server_result(reader)
        check_result(result)
    return ServerRpcResponse(id=rpc_id, result=result)


def _read_server_result(reader: Any) -> ServerResult:
    match _variant(reader):
        case "error":
            return _read_error(reader.error)
        case "version":
            return VersionResult(version=reader.version)
        case "getQuantityTypes":
            return QuantityTypesResult(json_text=reader.getQuantityTypes)
        case "getActiveConfiguration":
            return _read_active_configuration(reader.getActiveConfiguration)
    return Unrecognised()


def _read_active_configuration(reader: Any) -> ActiveConfigurationResult | Unrecognised:
    match _variant(reader):
        case "configuration":
            return ActiveConfigurationResult(json_text=reader.configuration)
        case "none":
            return ActiveConfigurationResult(json_text=None)
    return Unrecognised()


def encode_server_rpc_response(message: ServerRpcResponse) -> bytes:
    """Encode an answer to a kit. Raises WireError."""
    check_rpc_id(message.id)
    check_result(message.result)
    builder = new_message(limits.SERVER_RPC_RESPONSE)
    builder.id = message.id
    with translated():
        _write_server_result(builder, message.result)
    return seal(limits.SERVER_RPC_RESPONSE, builder)


def _write_server_result(builder: Any, result: ServerResult) -> None:
    match result:
        case OtherError() | MethodNotFoundError() | RateLimitError():
            _write_error(builder.init("error"), result)
        case VersionResult():
            builder.version = result.version
        case QuantityTypesResult():
            builder.getQuantityTypes = result.json_text
        case ActiveConfigurationResult(json_text=None):
            builder.init("getActiveConfiguration").none = None
        case ActiveConfigurationResult():
            builder.init("getActiveConfiguration").configuration = result.json_text
        case Unrecognised():
            raise WireError(Reason.UNKNOWN_VARIANT)


def decode_kit_rpc_request(payload: bytes) -> KitRpcRequest:
    """Decode a question to a kit. Raises WireError, with the id of the question if it could be read."""
    reader = open_message(limits.KIT_RPC_REQUEST, payload)
    rpc_id: int = reader.id
    with translated(rpc_id):
        call = _read_kit_call(reader)
        check_kit_call(call)
    return KitRpcRequest(id=rpc_id, call=call)


def _read_kit_call(reader: Any) -> KitCall:
    match _variant(reader):
        case "version":
            return VersionCall()
        case "uptime":
            return UptimeCall()
        case "peripheralCommand":
            command = reader.peripheralCommand
            return PeripheralCommandCall(peripheral=command.peripheral, command=command.command)
        case "peripheralCommandLock":
            return _read_lock(reader.peripheralCommandLock)
    return Unrecognised()


def _read_lock(reader: Any) -> PeripheralCommandLockCall | Unrecognised:
    operation = _variant(reader)
    if operation is None:
        return Unrecognised()
    return PeripheralCommandLockCall(peripheral=reader.peripheral, operation=LockOperation(operation))


def encode_kit_rpc_request(message: KitRpcRequest) -> bytes:
    """Encode a question to a kit. Raises WireError."""
    check_rpc_id(message.id)
    check_kit_call(message.call)
    builder = new_message(limits.KIT_RPC_REQUEST)
    builder.id = message.id
    with translated():
        _write_kit_call(builder, message.call)
    return seal(limits.KIT_RPC_REQUEST, builder)


def _write_kit_call(builder: Any, call: KitCall) -> None:
    match call:
        case VersionCall():
            builder.version = None
        case UptimeCall():
            builder.uptime = None
        case PeripheralCommandCall():
            command = builder.init("peripheralCommand")
            command.peripheral = call.peripheral
            command.command = call.command
        case PeripheralCommandLockCall():
            lock = builder.init("peripheralCommandLock")
            lock.peripheral = call.peripheral
            setattr(lock, call.operation.value, None)
        case Unrecognised():
            raise WireError(Reason.UNKNOWN_VARIANT)


def decode_kit_rpc_response(payload: bytes) -> KitRpcResponse:
    """Decode an answer of a kit. Raises WireError, with the id of the answer if it could be read."""
    reader = open_message(limits.KIT_RPC_RESPONSE, payload)
    rpc_id: int = reader.id
    with translated(rpc_id):
        result = _read_kit_result(reader)
        check_result(result)
    return KitRpcResponse(id=rpc_id, result=result)


def peek_kit_rpc_response_id(payload: bytes) -> int | None:
    """Return the id of a kit's answer, of which only the first words are read; None if it is not among them."""
    try:
        word = first_data_word(payload)
    except BrokenFraming:
        return None
    return None if word is None else int.from_bytes(word, "little")


def _read_kit_result(reader: Any) -> KitResult:
    match _variant(reader):
        case "error":
            return _read_error(reader.error)
        case "version":
            return VersionResult(version=reader.version)
        case "uptime":
            return UptimeResult(uptime_seconds=reader.uptime)
        case "peripheralCommand":
            command = reader.peripheralCommand
            return PeripheralCommandResult(
                media_type=command.mediaType, data=command.data, metadata=command.metadata
            )
        case "peripheralCommandLock":
            return PeripheralCommandLockResult(locked=reader.peripheralCommandLock)
    return Unrecognised()


def encode_kit_rpc_response(message: KitRpcResponse) -> bytes:
    """Encode an answer of a kit. Raises WireError."""
    check_rpc_id(message.id)
    check_result(message.result)
    builder = new_message(limits.KIT_RPC_RESPONSE)
    builder.id = message.id
    with translated():
        _write_kit_result(builder, message.result)
    return seal(limits.KIT_RPC_RESPONSE, builder)


def _write_kit_result(builder: Any, result: KitResult) -> None:
    match result:
        case OtherError() | MethodNotFoundError() | RateLimitError():
            _write_error(builder.init("error"), result)
        case VersionResult():
            builder.version = result.version
        case UptimeResult():
            builder.uptime = result.uptime_seconds
        case PeripheralCommandResult():
            command = builder.init("peripheralCommand")
            command.mediaType = result.media_type
            command.data = result.data
            command.metadata = result.metadata
        case PeripheralCommandLockResult():
            builder.peripheralCommandLock = result.locked
        case Unrecognised():
            raise WireError(Reason.UNKNOWN_VARIANT)


def _read_error(reader: Any) -> RpcError | Unrecognised:
    match _variant(reader):
        case "other":
            return OtherError()
        case "methodNotFound":
            return MethodNotFoundError()
        case "rateLimit":
            return RateLimitError(wait_ms=reader.rateLimit)
    return Unrecognised()


def _write_error(builder: Any, error: RpcError) -> None:
    match error:
        case OtherError():
            builder.other = None
        case MethodNotFoundError():
            builder.methodNotFound = None
        case RateLimitError():
            builder.rateLimit = error.wait_ms


def _variant(reader: Any) -> str | None:
    """Return the name of the active union member, or None if the schema does not know its number."""
    try:
        return str(reader.which())
    except capnp.KjException:
        return None
