"""`…/configuration/{id}/rules`: control rules in words, part by part, and what they would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import RowMapping
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.kits.activation import faults_before_activation
from hortus.domain.kits.configurations import NoRoom, change_configuration
from hortus.domain.kits.control_rules import misshapen_rules, oversized_rules
from hortus.domain.kits.rule_editing import control_of, without_part, without_rule
from hortus.http.access.kit_access import lock_kit
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.configuration.device_parts import configuration_id_of, configuration_path, draft_of
from hortus.http.pages.kits.configuration.list_pages import TAB
from hortus.http.pages.kits.configuration.reading import (
    configurers_of,
    opened_configuration,
    shown_definitions,
    stamp_of,
)
from hortus.http.pages.kits.configuration.rule_drawing import HEIGHT, WIDTH
from hortus.http.pages.kits.configuration.rule_reading import shown_rules
from hortus.http.pages.kits.configuration.words import configuration_name
from hortus.http.pages.kits.frame import changing_kit, kit_page, reading_kit
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site

_EDIT = Permission.EDIT_CONFIGURATION
_TOASTS = {
    "saved": gettext_noop("The rules are saved."),
    "two-rules": gettext_noop("The rules are saved. The one across midnight became two rules."),
    "removed": gettext_noop("It is removed from the rules."),
    "meanwhile": gettext_noop("Somebody else changed the rules meanwhile. Look at them, and try again."),
}


class RulesPages:
    """The rules of a configuration as a whole, and removing parts of them."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        path = "/kits/{serial}/configuration/{configuration_id:int}/rules"
        return [
            Route(path, self.show, methods=["GET"]),
            Route(f"{path}/remove", self.remove, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with targets, outputs, rules, faults, and what the rules would do over a day."""
        async with reading_kit(self._site, request) as (connection, kit):
            opened = await opened_configuration(connection, kit, configuration_id_of(request))
            definitions = await shown_definitions(connection)
            rules = opened.row["control_rules"]
            faults = await faults_before_activation(connection, opened.row, rules)
            may_edit = kit.may(_EDIT)
            return kit_page(
                self._site,
                request,
                kit,
                TAB,
                "kits/configuration/rules.html",
                toasts=_TOASTS,
                configuration=opened,
                name=configuration_name(opened.id, opened.row["description"]),
                shown=await shown_rules(connection, kit, request, opened, definitions, self._site.clock()),
                faults=[str(fault) for fault in faults.rules],
                is_readable=not misshapen_rules(rules),
                stamp=stamp_of(rules),
                may_edit=may_edit,
                may_change=may_edit and opened.is_draft,
                who_can="" if may_edit else await configurers_of(connection, kit, full_access=False),
                width=WIDTH,
                height=HEIGHT,
            )

    async def remove(self, request: Request) -> Response:
        """Remove a target, an output or a rule from a draft."""
        require_same_origin(request)
        form = await read_form(request)
        part, device, key = form.get("part", ""), form.get("device", ""), form.get("key", "")

        def changed(rules: Any) -> Any:
            if part in {"input", "output"} and key in control_of(rules)[part].get(device, {}):
                return without_part(rules, part, device, key)
            if part == "rule" and key.isdecimal() and 1 <= int(key[:6]) <= len(control_of(rules)["rules"]):
                return without_rule(rules, int(key[:6]))
            raise HTTPException(404, gettext("This part of the rules does not exist, or it was removed."))

        return await changed_rules(self._site, request, form.get("stamp", ""), changed, said="removed")


async def changed_rules(
    site: Site, request: Request, stamp: str, changed: Callable[[Any], Any], *, said: str
) -> Response:
    """Change the rules of the draft and return to them. What others changed meanwhile is not overwritten.

    Raises Problem 403, or HTTPException 404, 409 or 422.
    """
    try:
        async with changing_kit(site, request, _EDIT) as (connection, kit):
            await lock_kit(connection, kit.id)
            configuration: RowMapping = await draft_of(connection, kit, request)
            path = f"{configuration_path(kit, configuration)}/rules"
            if stamp != stamp_of(configuration["control_rules"]):
                return redirect(request, path, said="meanwhile")
            rules = changed(configuration["control_rules"])
            faults = oversized_rules(rules) or misshapen_rules(rules)
            if faults:
                raise HTTPException(422, " ".join(map(str, faults)))
            await change_configuration(connection, configuration, {"control_rules": rules})
    except NoRoom as error:
        raise HTTPException(403, str(error)) from error
    return redirect(request, path, said=said)
