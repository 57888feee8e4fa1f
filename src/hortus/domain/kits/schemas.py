"""Checks values against the JSON Schemas of definitions. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from jsonschema import Draft7Validator, FormatChecker
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

# Without `time`: kits expect a time without an offset, which JSON Schema does not allow.
_FORMATS = FormatChecker(("email", "ipv4", "ipv6", "uuid"))

SCHEMA_LEADS_NOWHERE = (Unresolvable, RecursionError)
"""Raised on use by a valid schema with a dangling reference or infinite recursion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaFault:
    """Why a value does not match a schema, and the keys that lead to the part that does not.

    `of_value` is False if the schema itself is at fault.
    """

    message: str
    place: tuple[str | int, ...] = ()
    of_value: bool = True

    @property
    def path(self) -> str:
        """The place as text; empty for the whole value."""
        return ".".join(map(str, self.place))

    @property
    def sentence(self) -> str:
        """The fault with its place."""
        return f"{self.path or 'configuration'}: {self.message}" if self.of_value else self.message


def fault_by_schema(schema: Any, value: Any, definition_name: str) -> SchemaFault | None:
    """Return the first fault of a value by a schema of this definition, or None."""
    validator = _validator(orjson.dumps(schema))
    if validator is None:
        return _faulty_schema(definition_name, "invalid")
    try:
        error = next(iter(validator.iter_errors(value)), None)
    except SCHEMA_LEADS_NOWHERE:
        return _faulty_schema(definition_name, "unusable")
    if error is None:
        return None
    return SchemaFault(place=tuple(error.absolute_path), message=error.message)


def is_schema(document: Any) -> bool:
    """Return whether a JSON document is a schema that can be used: valid, and all references lead somewhere."""
    validator = _validator(orjson.dumps(document))
    if validator is None:
        return False
    try:
        next(iter(validator.iter_errors({})), None)
    except SCHEMA_LEADS_NOWHERE:
        return False
    return True


def _faulty_schema(definition_name: str, state: str) -> SchemaFault:
    message = f"The definition of {definition_name} has an {state} schema. Ask the operator to correct it."
    return SchemaFault(message=message, of_value=False)


@lru_cache(maxsize=256)
def _validator(schema_json: bytes) -> Draft7Validator | None:
    """Return a validator for this schema, or None if the schema is invalid.

    Cached, because checking a schema takes a hundred times as long as using it, and kits boot all at once.
    """
    schema = orjson.loads(schema_json)
    try:
        Draft7Validator.check_schema(schema)
    except SchemaError:
        return None
    # An empty registry: references to remote schemas are not fetched.
    return Draft7Validator(schema, format_checker=_FORMATS, registry=Registry())
