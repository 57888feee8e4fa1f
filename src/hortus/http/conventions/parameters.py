"""Types of path and query parameters, with the strictness of http-api 1.1 and 1.3."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.routing import APIRoute
from pydantic import BeforeValidator, Field, WithJsonSchema

from hortus.http.conventions.problems import bad_request, unknown_parameters

LARGEST_ID = 2**31 - 1
SMALLEST_ID = -(2**31)

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)

_SPACE_BEFORE_OFFSET = re.compile(r" (?=[0-9]{2}:[0-9]{2}$)")


def parse_time(text: str) -> datetime:
    """Return the time of an RFC 3339 text, including microseconds. Raises ValueError."""
    if not _TIME.fullmatch(text):
        raise ValueError("a time looks like 2026-11-22T12:24:18.805Z")
    moment = datetime.fromisoformat(text.upper())
    if not 1 < moment.year < 9999:
        raise ValueError("a time's year is between 2 and 9998")
    return moment


def integer_text(value: Any) -> Any:
    """Return the value. Raises ValueError for a text that is not a decimal integer."""
    if isinstance(value, str) and not _INTEGER.fullmatch(value):
        raise ValueError("an integer is expected")
    return value


def _boolean(value: Any) -> Any:
    if isinstance(value, str):
        if value not in {"true", "false"}:
            raise ValueError("exactly true or false is expected")
        return value == "true"
    return value


def _time_in_query(value: Any) -> Any:
    # In the query of an address, a plus means a space, unless it was encoded.
    return _time(_SPACE_BEFORE_OFFSET.sub("+", value)) if isinstance(value, str) else value


def _time(value: Any) -> Any:
    return parse_time(value) if isinstance(value, str) else value


Identifier = Annotated[int, BeforeValidator(integer_text), Field(ge=SMALLEST_ID, le=LARGEST_ID)]
"""An id: a 32-bit signed integer."""

IdInBody = Annotated[int, Field(ge=SMALLEST_ID, le=LARGEST_ID)]

IdInQuery = Annotated[Identifier | None, Query()]

Boolean = Annotated[bool, BeforeValidator(_boolean)]
"""Exactly `true` or `false`."""

_TIME_SCHEMA = WithJsonSchema({"type": "string", "format": "date-time"})

Time = Annotated[datetime, BeforeValidator(_time), _TIME_SCHEMA]
"""RFC 3339 with any offset."""

TimeInQuery = Annotated[Annotated[datetime, BeforeValidator(_time_in_query), _TIME_SCHEMA] | None, Query()]


def require_order(start: datetime | None, end: datetime | None) -> None:
    """Raise Problem 400 if a time range ends before it begins."""
    if start is not None and end is not None and end < start:
        raise bad_request("from is later than to.")


def query_parameters_of(route: APIRoute) -> frozenset[str]:
    """Return the names of the query parameters that a route reads."""
    names: set[str] = set()
    dependants = [route.dependant]
    while dependants:
        dependant = dependants.pop()
        names.update(parameter.alias for parameter in dependant.query_params)
        dependants += dependant.dependencies
    return frozenset(names)


def require_known_parameters(request: Request, known: frozenset[str]) -> None:
    """Raise Problem 422 for a query parameter that is not known: what was asked for would not be done."""
    if not request.scope["query_string"]:
        return
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise unknown_parameters(unknown, sorted(known))


def require_single_values(request: Request) -> None:
    """Reject a repeated query key with status 400: it is unclear which value is meant."""
    if not request.scope["query_string"]:
        return
    pairs = request.query_params.multi_items()
    if len(pairs) > len(request.query_params):
        raise bad_request("Each query parameter may be given only once.")
