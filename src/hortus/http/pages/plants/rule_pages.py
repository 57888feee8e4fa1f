"""The alert rules of a plant: when to tell, when to close, how often to remind."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, ngettext
from hortus.domain.alerts.plant_settings import (
    MOST_HOLD_SECONDS,
    MOST_HYSTERESIS_PERCENT,
    MOST_PAUSE_SECONDS,
    PlantAlertSettings,
    read_plant_settings,
    set_plant_settings,
)
from hortus.domain.alerts.withdrawal import withdraw_alerts
from hortus.http.access.plant_access import PlantAccess
from hortus.http.pages.forms import Form
from hortus.http.pages.plant_store import NoSuchPlant, visible_plant
from hortus.http.pages.plants.fields import number_of
from hortus.http.pages.plants.opening import NO_PLANT, changing_plant, hidden, id_in_path
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.times import duration

_HOUR = 3600
_PAUSES = (_HOUR, 6 * _HOUR, 12 * _HOUR, 24 * _HOUR, 3 * 24 * _HOUR, 7 * 24 * _HOUR)


class PlantRulePages:
    """`/plants/{id}/alert-rules`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/plants/{plant_id}/alert-rules", self.show, methods=["GET"]),
            Route("/plants/{plant_id}/alert-rules", self.save, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the rules: as a form for those who may change them, as text for the others."""
        return await self._page(request, None)

    async def save(self, request: Request) -> Response:
        """Store the rules, or show the form again with what is wrong."""
        require_same_origin(request)
        form = Form(values=await read_form(request))
        settings = _settings_of(form)
        if settings is None:
            return await self._page(request, form, status_code=422)
        async with changing_plant(self._site, request) as (connection, _, access):
            await set_plant_settings(connection, access.plant.id, settings)
            await withdraw_alerts(connection, access.plant.id)
        return redirect(request, f"/plants/{access.plant.id}", said="rules")

    async def _page(self, request: Request, form: Form | None, *, status_code: int = 200) -> Response:
        plant_id = id_in_path(request, "plant_id", NO_PLANT)
        viewer, _ = await self._site.person(request)
        async with self._site.reading() as connection:
            try:
                access: PlantAccess = await visible_plant(connection, viewer, plant_id)
            except NoSuchPlant as error:
                raise hidden(viewer) from error
            settings = await read_plant_settings(connection, plant_id)
        if form is not None and not access.may_edit:
            raise HTTPException(403)
        values = _values_of(settings) if form is None else form.values
        return self._site.page(
            request,
            "plants/alert_rules.html",
            viewer=viewer,
            status_code=status_code,
            plant=access.plant,
            may_edit=access.may_edit,
            settings=settings,
            form=Form(values=values, faults={} if form is None else form.faults),
            pauses=_pause_choices(settings.pause_seconds),
        )


def _settings_of(form: Form) -> PlantAlertSettings | None:
    """Return the rules in the form, or None if something is wrong with them."""
    minutes = _number_between(form, "hold", 0, MOST_HOLD_SECONDS / 60)
    percent = _number_between(form, "hysteresis", 0, MOST_HYSTERESIS_PERCENT)
    pause = form.value("pause")
    if not pause.isascii() or not pause.isdigit() or int(pause[:9]) > MOST_PAUSE_SECONDS:
        form.refuse("pause", gettext("Choose how often to remind."))
    if form.faults:
        return None
    return PlantAlertSettings(
        enabled=form.is_checked("enabled"),
        hold_seconds=round(minutes * 60),
        hysteresis_percent=percent,
        pause_seconds=int(pause),
    )


def _number_between(form: Form, name: str, least: float, most: float) -> float:
    value = number_of(form, name)
    if value is None or not least <= value <= most:
        form.refuse(
            name,
            gettext("Enter a number from %(least)s to %(most)s.", least=f"{least:g}", most=f"{most:g}"),
        )
        return least
    return value


def _values_of(settings: PlantAlertSettings) -> dict[str, str]:
    return {
        "enabled": "yes" if settings.enabled else "",
        "hold": f"{settings.hold_seconds / 60:g}",
        "hysteresis": f"{settings.hysteresis_percent:g}",
        "pause": str(settings.pause_seconds),
    }


def _pause_choices(present: int) -> Sequence[dict[str, str]]:
    """Return how often to remind, with what is set at present."""
    seconds = sorted({*_PAUSES, present})
    return [{"value": str(each), "name": _every(each)} for each in seconds]


def _every(seconds: int) -> str:
    days, rest = divmod(seconds, 24 * _HOUR)
    if days and not rest:
        return ngettext("Every day", "Every %(n)s days", days)
    return gettext("Every %(duration)s", duration=duration(seconds))
