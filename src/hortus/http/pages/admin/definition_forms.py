"""Reads the forms of definitions. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Any

from hortus.base.language.translation import gettext
from hortus.base.text import fault_of_line, fault_of_lines
from hortus.domain.administration.definitions import ListedDevice, ListedQuantity
from hortus.domain.definitions.display import QUANTITY_DISPLAYS
from hortus.domain.definitions.own import MOST_DECIMALS, OwnDevice, OwnQuantity
from hortus.domain.kits.schemas import is_schema
from hortus.http.pages.forms import Form

DEVICE_FORM_BYTES = 128 * 1024
DEVICE_FORM_FIELDS = 520
_MOST_SCHEMA_CHARACTERS = 50_000
_EMPTY_SCHEMA = {"type": "object", "title": "Configuration", "properties": {}}


def read_quantity(form: Form, *, is_new: bool = True) -> OwnQuantity | None:
    """Return the quantity of the form, or None with the faults noted in it."""
    quantity = _line(form, "physical_quantity", 100) if is_new else ""
    unit = _line(form, "physical_unit", 100) if is_new else ""
    symbol = _line(form, "symbol", 20, optional=True)
    text = form.value("decimals")
    decimals = int(text) if text in {str(each) for each in range(MOST_DECIMALS + 1)} else None
    if text and decimals is None:
        form.refuse("decimals", gettext("Enter a whole number from 0 to %(most)s.", most=MOST_DECIMALS))
    if form.faults:
        return None
    return OwnQuantity(physical_quantity=quantity, physical_unit=unit, symbol=symbol or None, decimals=decimals)


def decimals_of(quantity: ListedQuantity) -> int | None:
    """Return with how many decimals values of this quantity are shown; None if that depends on the value."""
    display = QUANTITY_DISPLAYS.get(quantity.physical_quantity)
    return quantity.decimals if display is None else display.decimals


def read_device(form: Form, measured: Collection[int]) -> OwnDevice | None:
    """Return the device of the form, or None with the faults noted in it."""
    name = _line(form, "name", 100)
    location, symbol = _line(form, "symbol_location", 255), _line(form, "symbol", 255)
    brand, model = _line(form, "brand", 100, optional=True), _line(form, "model", 100, optional=True)
    description = form.value("description")
    if len(description) > 2000 or fault_of_lines(description):
        form.refuse("description", gettext("Enter at most %(most)s ordinary characters.", most=2000))
    configuration = _schema(form, "configuration_schema")
    command = _schema(form, "command_schema", optional=True)
    if form.faults:
        return None
    return OwnDevice(
        name=name,
        description=description or None,
        brand=brand or None,
        model=model or None,
        symbol_location=location,
        symbol=symbol,
        configuration_schema=configuration,
        command_schema=command,
        quantity_types=measured,
    )


def device_form(device: ListedDevice | None) -> Form:
    """Return the form of this device, or of a new one."""
    if device is None:
        return Form({"configuration_schema": _shown(_EMPTY_SCHEMA)})
    definition = device.definition
    command = definition.command_schema
    return Form(
        {
            "name": definition.name,
            "description": definition.description or "",
            "brand": definition.brand or "",
            "model": definition.model or "",
            "symbol_location": definition.symbol_location,
            "symbol": definition.symbol,
            "configuration_schema": _shown(definition.configuration_schema),
            "command_schema": "" if command is None else _shown(command),
        }
    )


def read_limit(form: Form, name: str) -> float | None:
    """Return a number, written with a dot or a comma, or None if the field is empty or its fault noted."""
    text = form.value(name).replace(",", ".").replace("−", "-")
    if not text:
        return None
    try:
        value = float(text) if len(text) < 40 else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        form.refuse(name, gettext("Enter a number, or leave the field empty."))
        return None
    return value


def plain_number(value: float | None) -> str:
    """Return a number for a field, as `read_limit` reads it."""
    return "" if value is None else f"{value:.10g}"


def _line(form: Form, name: str, most: int, *, optional: bool = False) -> str:
    text = form.value(name)
    if not text and not optional:
        form.refuse(name, gettext("This is needed."))
    elif len(text) > most or fault_of_line(text):
        form.refuse(name, gettext("Enter at most %(most)s ordinary characters.", most=most))
    return text


def _schema(form: Form, name: str, *, optional: bool = False) -> Any:
    text = form.value(name)
    if not text and optional:
        return None
    if len(text) > _MOST_SCHEMA_CHARACTERS or "\\u0000" in text:
        form.refuse(name, gettext("This is too long or has a character that cannot be stored."))
        return None
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        form.refuse(name, gettext("This is not JSON. Check brackets, quotes and commas."))
        return None
    if not isinstance(schema, dict) or not is_schema(schema):
        form.refuse(name, gettext("This is JSON, but not a JSON Schema (draft 7) of an object."))
        return None
    return schema


def _shown(schema: Any) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2)
