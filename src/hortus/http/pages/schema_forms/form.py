"""A form for values of one JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from hortus.domain.kits.schemas import SchemaFault
from hortus.http.pages.schema_forms.fields import FormField, field_of
from hortus.http.pages.schema_forms.kinds import Kind, kind_of, name_below, properties_of, unit_of
from hortus.http.pages.schema_forms.reading import Entered, read_value
from hortus.http.pages.schema_forms.texts import (
    Texts,
    default_of,
    texts_of,
    with_row_added,
    with_row_removed,
)

_ROW = re.compile(r"(add|remove):([^:]{1,500})", re.ASCII)

MOST_FORM_BYTES = 256 * 1024
MOST_FORM_FIELDS = 1000
"""For read_fields: a hundred rows of some fields."""


class SchemaForm:
    """A form. Its fields are named `name.key.key`, `name` being that of the whole value."""

    def __init__(self, schema: Any, name: str) -> None:
        self._schema = schema
        self.name = name

    @property
    def has_nothing_to_set(self) -> bool:
        """Whether the form has no field."""
        kind = kind_of(self._schema)
        return kind is Kind.NOTHING or (kind is Kind.GROUP and not properties_of(self._schema))

    def blank(self) -> Texts:
        """Return the texts of a new form, with the schema's defaults."""
        return self.filled(default_of(self._schema))

    def filled(self, value: Any) -> Texts:
        """Return the texts for this value."""
        return texts_of(self._schema, value, self.name)

    def field(self, texts: Mapping[str, str], faults: Mapping[str, str], label: str) -> FormField:
        """Return the form as the template draws it."""
        return field_of(self._schema, texts, faults, self.name, label)

    def read(
        self,
        texts: Mapping[str, str],
        check: Callable[[Any], SchemaFault | None],
        *,
        before: Any = None,
    ) -> Entered:
        """Return what was entered. `check` looks at the whole value, once each field is right by itself."""
        entered = read_value(self._schema, texts, self.name, before=before)
        if not entered.faults:
            fault = check(entered.value)
            if fault is not None:
                entered.faults[self._field_at(fault.place)] = _as_sentence(fault.message)
        return entered

    def with_rows_changed(self, texts: Texts, action: str) -> Texts | None:
        """Return the texts after a button that adds or removes a row, or None if it was another one."""
        found = _ROW.fullmatch(action)
        if found is None:
            return None
        act, name = found[1], found[2]
        if act == "add":
            schema = self._schema_at(name)
            return None if schema is None else with_row_added(schema, texts, name)
        of, _, row = name.rpartition(".")
        if self._schema_at(of) is None or not (row.isdigit() and len(row) < 5):
            return None
        return with_row_removed(texts, of, int(row))

    def _schema_at(self, name: str) -> Any:
        """Return the schema of the list with this name, or None."""
        return next((schema for each, schema in self._lists(self._schema, self.name, 0) if each == name), None)

    def _lists(self, schema: Any, name: str, level: int) -> list[tuple[str, Any]]:
        kind = kind_of(schema, level=level)
        if kind is Kind.ROWS:
            return [(name, schema)]
        if kind is not Kind.GROUP:
            return []
        return [
            found
            for key, part in properties_of(schema).items()
            for found in self._lists(part, name_below(name, key), level + 1)
        ]

    def _field_at(self, place: tuple[str | int, ...]) -> str:
        """Return the name of the innermost field around this place of the value."""
        schema, name, unit = self._schema, self.name, ""
        for level, key in enumerate(place):
            match kind_of(schema, level=level, inherited_unit=unit):
                case Kind.GROUP if key in properties_of(schema):
                    schema, unit = properties_of(schema)[str(key)], unit_of(schema)
                case Kind.ROWS:
                    schema, unit = schema["items"], ""
                case _:
                    break
            name = name_below(name, key)
        return name


def _as_sentence(message: str) -> str:
    text = message[:1].upper() + message[1:]
    return text if text.endswith((".", "…")) else f"{text}."
