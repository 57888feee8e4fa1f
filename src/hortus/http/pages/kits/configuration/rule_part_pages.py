"""`…/rules/target`, `/output` and `/rule`: one part of the control rules in its form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext
from hortus.domain.kits.rule_editing import control_of, split_at_midnight, with_part, with_rule
from hortus.domain.kits.schemas import SchemaFault
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.configuration import control_forms, rule_forms
from hortus.http.pages.kits.configuration.device_parts import draft_of
from hortus.http.pages.kits.configuration.list_pages import TAB
from hortus.http.pages.kits.configuration.reading import (
    OpenedConfiguration,
    ShownDefinition,
    opened_configuration,
    shown_definitions,
    stamp_of,
)
from hortus.http.pages.kits.configuration.rule_reading import (
    named_outputs,
    named_targets,
    possible_inputs,
    possible_outputs,
    quantities_by_id,
)
from hortus.http.pages.kits.configuration.rules_pages import changed_rules
from hortus.http.pages.kits.configuration.words import configuration_name
from hortus.http.pages.kits.frame import kit_page, reading_kit
from hortus.http.pages.requests import read_form, require_same_origin
from hortus.http.pages.schema_forms.form import MOST_FORM_BYTES, MOST_FORM_FIELDS, SchemaForm
from hortus.http.pages.schema_forms.texts import Texts
from hortus.http.pages.site import Site

_NAME = "part"
_IDENTITY = ("part", "device", "key", "type", "number")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A part of the rules: its form, what is in it now (None if it is new), and how it is stored."""

    title: str
    unit: str
    schema: Mapping[str, Any]
    value: Any
    check: Callable[[Any], SchemaFault | None]
    stored: Callable[[Any, Any], Any]
    """Returns rules with the entered value."""

    becomes_two: Callable[[Any], bool] = lambda _value: False


class RulePartPages:
    """The forms of targets, outputs and rules. Which one it is stands in the query or the form."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        path = "/kits/{serial}/configuration/{configuration_id:int}/rules/edit"
        return [Route(path, self.show, methods=["GET"]), Route(path, self.save, methods=["POST"])]

    async def show(self, request: Request) -> Response:
        """Answer with the form of a part."""
        identity = {name: request.query_params.get(name, "") for name in _IDENTITY}
        return await self._page(request, identity, None, {}, None, 200)

    async def save(self, request: Request) -> Response:
        """Save a part, or show its form again with a row more or less, or with what is wrong."""
        require_same_origin(request)
        texts = await read_form(request, most_bytes=MOST_FORM_BYTES, most_fields=MOST_FORM_FIELDS)
        identity = {name: texts.get(f"of-{name}", "") for name in _IDENTITY}
        stamp = texts.get("stamp", "")
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.EDIT_CONFIGURATION)
            draft = await draft_of(connection, kit, request)
            opened = await opened_configuration(connection, kit, draft["id"])
            part = _part_of(opened, await shown_definitions(connection), identity)
        form = SchemaForm(part.schema, _NAME)
        changed = form.with_rows_changed(texts, texts.get("action", ""))
        if changed is not None:
            return await self._page(request, identity, changed, {}, stamp, 200)
        entered = form.read(texts, part.check)
        if entered.faults:
            return await self._page(request, identity, texts, entered.faults, stamp, 422)
        said = "two-rules" if part.becomes_two(entered.value) else "saved"
        return await changed_rules(
            self._site, request, stamp, lambda rules: part.stored(rules, entered.value), said=said
        )

    async def _page(
        self,
        request: Request,
        identity: Mapping[str, str],
        texts: Texts | None,
        faults: dict[str, str],
        stamp: str | None,
        status_code: int,
    ) -> Response:
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.EDIT_CONFIGURATION)
            draft = await draft_of(connection, kit, request)
            opened = await opened_configuration(connection, kit, draft["id"])
            part = _part_of(opened, await shown_definitions(connection), identity)
        form = SchemaForm(part.schema, _NAME)
        if texts is None:
            texts = form.blank() if part.value is None else form.filled(part.value)
        return kit_page(
            self._site,
            request,
            kit,
            TAB,
            "kits/configuration/rule_part.html",
            status_code=status_code,
            configuration=opened,
            name=configuration_name(opened.id, opened.row["description"]),
            title=part.title,
            unit=part.unit,
            fields=form.field(texts, faults, part.title),
            errors=[{"field": name, "message": message} for name, message in faults.items()],
            identity=identity,
            stamp=stamp_of(draft["control_rules"]) if stamp is None else stamp,
        )


def _part_of(
    opened: OpenedConfiguration, definitions: Mapping[int, ShownDefinition], identity: Mapping[str, str]
) -> _Part:
    """Return the part of the rules that is asked for. Raises HTTPException 404."""
    part = None
    if identity["part"] == "input":
        part = _target(opened, definitions, identity["device"], identity["key"])
    elif identity["part"] == "output":
        part = _output(opened, identity["device"], identity["key"], identity["type"])
    elif identity["part"] == "rule":
        part = _rule(opened, definitions, identity["number"])
    if part is None:
        raise HTTPException(404, gettext("This part of the rules does not exist, or it was removed."))
    return part


def _target(
    opened: OpenedConfiguration, definitions: Mapping[int, ShownDefinition], device: str, key: str
) -> _Part | None:
    control = control_of(opened.row["control_rules"])
    settings = control["input"].get(device, {}).get(key)
    found = next(
        ((n, u) for n, u in possible_inputs(opened, definitions) if (n.device, n.key) == (device, key)), None
    )
    if found is None:
        known = named_targets(control, quantities_by_id(definitions))
        named = next((each for each in known if (each.device, each.key) == (device, key)), None)
        found = (named, "") if named is not None else None
    if found is None:
        return None
    return _Part(
        title=gettext("Target of %(quantity)s", quantity=found[0].name),
        unit=found[1],
        schema=control_forms.target_schema(),
        value=settings,
        check=control_forms.target_fault,
        stored=lambda rules, value: with_part(rules, "input", device, key, control_forms.sorted_target(value)),
    )


def _output(opened: OpenedConfiguration, device: str, key: str, kind: str) -> _Part | None:
    settings = control_of(opened.row["control_rules"])["output"].get(device, {}).get(key)
    found = next(
        (pair for pair in possible_outputs(opened) if (pair[0].device, pair[0].key) == (device, key)), None
    )
    if found is None:
        return None
    named, schema = found
    kind = settings["type"] if settings is not None else kind
    title = gettext("Output %(output)s", output=named.name)
    if kind == "scheduled":
        return _Part(
            title=title,
            unit="",
            schema=control_forms.scheduled_schema(schema),
            value=None if settings is None else control_forms.scheduled_to_form(settings["scheduled"]),
            check=control_forms.scheduled_fault,
            stored=lambda rules, value: with_part(
                rules,
                "output",
                device,
                key,
                {"type": "scheduled", "scheduled": control_forms.scheduled_from_form(value)},
            ),
        )
    return _Part(
        title=title,
        unit="",
        schema=control_forms.continuous_schema(schema),
        value=None if settings is None else settings["continuous"],
        check=control_forms.continuous_fault,
        stored=lambda rules, value: with_part(
            rules, "output", device, key, {"type": "continuous", "continuous": value}
        ),
    )


def _rule(opened: OpenedConfiguration, definitions: Mapping[int, ShownDefinition], number: str) -> _Part | None:
    control = control_of(opened.row["control_rules"])
    inputs = named_targets(control, quantities_by_id(definitions))
    continuous, scheduled = named_outputs(control, "continuous"), named_outputs(control, "scheduled")
    outputs = [*continuous, *scheduled]
    index = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else None
    if not inputs or not outputs or (number and (index is None or not 1 <= index <= len(control["rules"]))):
        return None

    def from_form(value: Any) -> dict[str, Any]:
        return rule_forms.rule_from_form(value, inputs, outputs)

    return _Part(
        title=gettext("New rule") if index is None else gettext("Rule %(number)s", number=index),
        unit="",
        schema=rule_forms.rule_schema(inputs, continuous, scheduled),
        value=None if index is None else rule_forms.rule_to_form(control["rules"][index - 1], inputs, outputs),
        check=rule_forms.rule_fault,
        stored=lambda rules, value: with_rule(rules, index, from_form(value))[0],
        becomes_two=lambda value: len(split_at_midnight(value)) > 1,
    )
