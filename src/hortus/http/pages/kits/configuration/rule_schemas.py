"""Parts of the schemas of our own forms. Pure."""

from __future__ import annotations

from typing import Any

from hortus.domain.kits.rule_editing import DAY_BEGINS

Schema = dict[str, Any]


def object_schema(properties: Schema) -> Schema:
    """Return the schema of an object with these properties, all of them required."""
    return {"type": "object", "required": list(properties), "properties": properties}


def time_schema(title: str) -> Schema:
    """Return the schema of a time of day."""
    return {"type": "string", "format": "time", "title": title, "default": DAY_BEGINS}


def choice_schema(title: str, values: list[str], names: list[str]) -> Schema:
    """Return the schema of one of these values, with their names."""
    return {"enum": values, "enumNames": names, "title": title}
