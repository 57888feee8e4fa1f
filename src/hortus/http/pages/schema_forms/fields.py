"""The fields of a form as the template draws them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hortus.base.language.translation import gettext, ngettext
from hortus.http.pages.figures import count
from hortus.http.pages.schema_forms.kinds import (
    MOST_RADIOS,
    MOST_ROWS,
    SECONDS_OF,
    Kind,
    hint_of,
    is_required,
    kind_of,
    label_of,
    name_below,
    properties_of,
    translated,
    unit_of,
)
from hortus.http.pages.schema_forms.texts import COUNT, UNIT, choice_text, row_count

DAY_SECONDS = 86_400
_ENTRIES_PER_DAY = {"measurementInterval", "aggregateInterval"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One value of an enum."""

    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """A field, or a group of fields. `note` is a sentence about the value that is in it now."""

    name: str
    kind: Kind
    label: str
    hint: str = ""
    unit: str = ""
    text: str = ""
    error: str = ""
    note: str = ""
    is_required: bool = True
    choices: tuple[Choice, ...] = ()
    is_in_row: bool = False
    parts: tuple[FormField, ...] = ()

    @property
    def has_radios(self) -> bool:
        """Whether the choices are few enough to be shown at once. A row is for one line."""
        return len(self.choices) <= MOST_RADIOS and not self.is_in_row

    @property
    def is_full(self) -> bool:
        """Whether no further row can be added."""
        return len(self.parts) >= MOST_ROWS

    @property
    def count_name(self) -> str:
        """The name of the field with the number of rows."""
        return name_below(self.name, COUNT)

    @property
    def unit_name(self) -> str:
        """The name of the field with the unit of an interval."""
        return name_below(self.name, UNIT)


def field_of(
    schema: Any,
    texts: Mapping[str, str],
    faults: Mapping[str, str],
    name: str,
    label: str,
    *,
    required: bool = True,
    level: int = 0,
    unit: str = "",
    in_row: bool = False,
) -> FormField:
    """Return the field for a schema, with its texts and faults."""
    kind = kind_of(schema, level=level, inherited_unit=unit)
    text = texts.get(name, "")
    return FormField(
        name=name,
        kind=kind,
        label=label,
        hint=hint_of(schema),
        unit=texts.get(name_below(name, UNIT), "s") if kind is Kind.INTERVAL else unit_of(schema, unit),
        text=text,
        error=faults.get(name, ""),
        note=_note(kind, texts, name),
        is_required=required,
        choices=_choices(schema, required=required) if kind is Kind.CHOICE else (),
        is_in_row=in_row,
        parts=_parts(kind, schema, texts, faults, name, level, in_row=in_row),
    )


def _parts(
    kind: Kind,
    schema: Any,
    texts: Mapping[str, str],
    faults: Mapping[str, str],
    name: str,
    level: int,
    *,
    in_row: bool,
) -> tuple[FormField, ...]:
    if kind is Kind.GROUP:
        return tuple(
            field_of(
                part,
                texts,
                faults,
                name_below(name, key),
                label_of(part, key),
                required=is_required(schema, key),
                level=level + 1,
                unit=unit_of(schema),
                in_row=in_row,
            )
            for key, part in properties_of(schema).items()
        )
    if kind is Kind.ROWS:
        return tuple(
            field_of(
                schema["items"],
                texts,
                faults,
                name_below(name, index),
                gettext("Row %(number)s", number=index + 1),
                level=level + 1,
                in_row=True,
            )
            for index in range(row_count(texts, name))
        )
    return ()


def _choices(schema: Mapping[str, Any], *, required: bool) -> tuple[Choice, ...]:
    # The labels of our own forms. They come in translated.
    labels = schema.get("enumNames") or [translated(choice_text(value)) for value in schema["enum"]]
    choices = tuple(
        Choice(value=choice_text(value), label=str(label))
        for value, label in zip(schema["enum"], labels, strict=False)
    )
    return choices if required else (Choice(value="", label=gettext("Not set")), *choices)


def _note(kind: Kind, texts: Mapping[str, str], name: str) -> str:
    key = name.rpartition(".")[2]
    if kind is not Kind.INTERVAL or key not in _ENTRIES_PER_DAY:
        return ""
    text, unit = texts.get(name, ""), texts.get(name_below(name, UNIT), "s")
    if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text)):
        return ""
    per_day = round(DAY_SECONDS / (int(text) * SECONDS_OF.get(unit, 1)))
    if per_day < 1:
        return ""
    if key == "aggregateInterval":
        return ngettext("%(count)s summary a day", "%(count)s summaries a day", per_day, count=count(per_day))
    return ngettext("%(count)s reading a day", "%(count)s readings a day", per_day, count=count(per_day))
