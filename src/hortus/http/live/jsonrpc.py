"""JSON-RPC 2.0 in text frames, one request each (https://www.jsonrpc.org/specification). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import orjson

RequestId = int | float | str | None


class ErrorCode(IntEnum):
    """Error codes: those of the specification, and our own (positive, or from -32099 to -32000)."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    UNAVAILABLE = -32000  # the database does not answer; try again
    TOO_MANY_REQUESTS = -32005
    TOO_MANY_SUBSCRIPTIONS = -32006
    NOT_AUTHORIZED = 1  # as http-api 5.1 has it
    INVALID_TOKEN = 2


class RpcError(Exception):
    """A refused request, with an error for the client. `data` is for programs."""

    def __init__(
        self, code: ErrorCode, message: str, *, request_id: RequestId = None, data: object = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.request_id = request_id
        self.data = data


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcRequest:
    """A parsed request. `wants_reply` is False for what the specification calls a notification."""

    id: RequestId
    method: str
    params: Any
    wants_reply: bool


def parse_request(text: str) -> RpcRequest:
    """Return the request in a frame. Raises RpcError, with the request's id where it is known."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RpcError(ErrorCode.PARSE_ERROR, "The message is not JSON.") from error
    if isinstance(document, list):
        raise RpcError(ErrorCode.INVALID_REQUEST, "Send one request per message; batches are not supported.")
    if not isinstance(document, dict):
        raise RpcError(ErrorCode.INVALID_REQUEST, "A request must be a JSON object.")
    request_id = document.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, int | float | str | None):
        raise RpcError(ErrorCode.INVALID_REQUEST, "The id of a request must be a number, a string or null.")
    if document.get("jsonrpc") != "2.0":
        raise RpcError(
            ErrorCode.INVALID_REQUEST, 'A request must have the member "jsonrpc": "2.0".', request_id=request_id
        )
    method = document.get("method")
    if not isinstance(method, str):
        raise RpcError(ErrorCode.INVALID_REQUEST, "A request must have a method.", request_id=request_id)
    return RpcRequest(id=request_id, method=method, params=document.get("params"), wants_reply="id" in document)


def arguments(params: Any, *names: str) -> dict[str, Any]:
    """Return the arguments by name, whether sent by name or by position. Additional ones are ignored.

    Raises RpcError if one is missing.
    """
    if isinstance(params, dict):
        given = {name: params[name] for name in names if name in params}
    elif isinstance(params, list):
        given = dict(zip(names, params, strict=False))
    else:
        given = {}
    missing = [name for name in names if name not in given]
    if missing:
        raise RpcError(ErrorCode.INVALID_PARAMS, f"Missing parameters: {', '.join(missing)}.")
    return given


def reply(request_id: RequestId, result: object) -> str:
    """Return the response to a successful request."""
    return orjson.dumps({"jsonrpc": "2.0", "result": result, "id": request_id}).decode()


def error_reply(error: RpcError) -> str:
    """Return the response to a failed request."""
    content: dict[str, object] = {"code": int(error.code), "message": error.message}
    if error.data is not None:
        content["data"] = error.data
    return orjson.dumps({"jsonrpc": "2.0", "error": content, "id": error.request_id}).decode()


def notification(method: str, params: object) -> str:
    """Return a message that is not the response to a request."""
    return orjson.dumps({"jsonrpc": "2.0", "method": method, "params": params}).decode()


def subscription_prefix(method: str, subscription_id: int) -> str:
    """Return the beginning of a value's notification; a value and two braces complete it."""
    return f'{{"jsonrpc":"2.0","method":"{method}","params":{{"subscription":{subscription_id},"result":'
