"""Rendering HTML: the templates and the functions they may call."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache, partial
from importlib import resources
from typing import Any
from urllib.parse import quote

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from hortus import __version__
from hortus.base.language import translation
from hortus.base.language.appearance import current_appearance
from hortus.base.text import shown_lines
from hortus.domain.definitions.display import shown_unit
from hortus.http.access.viewer import ANONYMOUS, Viewer
from hortus.http.pages import figures, signs, times, week, wording
from hortus.http.pages.band import band_of
from hortus.http.pages.chart_address import chart_address
from hortus.http.pages.commands_in_text import with_commands
from hortus.http.pages.places import places_of
from hortus.http.pages.sizes import size
from hortus.http.pages.sparkline import HEIGHT, WIDTH, polylines
from hortus.http.pages.style_sheet import StyleSheets

_FILTERS: tuple[Callable[..., object], ...] = (
    figures.measured,
    figures.count,
    figures.short_count,
    figures.unit_gap,
    figures.with_unit,
    figures.bounds,
    figures.own_unit,
    figures.own_value,
    figures.range_with_unit,
    shown_unit,
    times.ago,
    times.age_seconds,
    times.duration,
    times.exact,
    times.date_and_time,
    times.clock_text,
    times.short_date,
    times.day,
    signs.condition_sign,
    signs.presence_sign,
    with_commands,
    size,
    wording.accounted,
    wording.without_readings,
    wording.quantity_name,
    wording.word,
    wording.plant_word,
    wording.need_of,
    wording.advice_on,
)


# Pages are rendered again every second, mostly with the curves of the time before.
_KNOWN_CURVES = lru_cache(maxsize=4096)(polylines)


class Templates:
    """The templates of the package. Values are escaped, and undefined names are errors.

    Templates write each address of ours as `{{ url('/plants/{}', plant.id) }}`: the public path is put in
    front, and values are percent-encoded.
    """

    def __init__(self, public_path: str = "", *, sign_up_open: bool = False) -> None:
        self._public_path = public_path
        self.style_sheets = StyleSheets()
        self.build = _fingerprint_of_static_files(self.style_sheets)
        self._environment = Environment(
            loader=PackageLoader("hortus.http.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_readable,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        self._environment.policies["ext.i18n.trimmed"] = True
        # With this, `trans` hands its values to the functions below, which show them as `finalize` would.
        self._environment.newstyle_gettext = True  # type: ignore[attr-defined]
        self._environment.globals.update(
            url=self.address,
            gettext=_gettext,
            ngettext=_ngettext,
            pgettext=_pgettext,
            current_language=translation.current_language,
            script_words=_script_words,
            places_of=partial(places_of, sign_up_open=sign_up_open),
            sign_up_open=sign_up_open,
            current_appearance=current_appearance,
            current_place="",
            here="",
            toast="",
            undo="",
            sign_colours=signs.SIGN_COLOURS,
            event_signs=signs.EVENT_SIGNS,
            band_of=band_of,
            static=self.static,
            chart_address=chart_address,
            version=__version__,
            polylines=_KNOWN_CURVES,
            week_width=week.WIDTH,
            week_height=week.HEIGHT,
            spark_width=WIDTH,
            spark_height=HEIGHT,
        )
        for function in _FILTERS:
            self._environment.filters[function.__name__] = function

    def render(self, template: str, **values: Any) -> str:
        """Return a template as HTML, in the language of the request."""
        return self._environment.get_template(template).render(values)

    def page(
        self,
        template: str,
        *,
        viewer: Viewer = ANONYMOUS,
        status_code: int = 200,
        headers: dict[str, str] | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """Return a whole page as a response."""
        content = self.render(template, viewer=viewer, build=self.build, **values)
        return HTMLResponse(content, status_code=status_code, headers=headers)

    def is_current(self, request: Request, viewer: Viewer) -> bool:
        """Return whether the page around a self-refreshing part is still right.

        It is not if its viewer logged in or out in another tab, chose a language, or the server was upgraded.
        """
        asked = request.query_params
        tag = translation.current_language().tag
        return (asked.get("viewer"), asked.get("build"), asked.get("language", tag)) == (
            viewer.name,
            self.build,
            tag,
        )

    def static(self, name: str) -> str:
        """Return the address of a file in `static`."""
        # The address changes with the content, so browsers may cache a file indefinitely.
        return self.address(f"/static/{name}?v={self.build}")

    def address(self, path: str, *values: object) -> str:
        """Return an address of ours below the public path, with these values in the places of `{}`."""
        return self._public_path + path.format(*(quote(str(value), safe="") for value in values))


def _script_words() -> str:
    """Return the texts of static/status.js as JSON."""
    words = {
        "live": translation.gettext("Live"),
        "noConnection": translation.gettext("No connection since %(time)s. Retrying."),
        "noDatabase": translation.gettext("The database has not answered since %(time)s. Retrying."),
        "patterns": times.script_patterns(),
    }
    return orjson.dumps(words).decode()


def _gettext(message: str, /, **values: object) -> Markup:
    return Markup(translation.gettext(message)) % _shown(values)  # noqa: S704  (texts of our own)


def _ngettext(singular: str, plural: str, n: int, /, **values: object) -> Markup:
    text = translation.current_language().translations.ngettext(singular, plural, n)
    return Markup(text) % _shown(values)  # noqa: S704  (texts of our own)


def _pgettext(context: str, message: str, /, **values: object) -> Markup:
    return Markup(translation.pgettext(context, message)) % _shown(values)  # noqa: S704  (texts of our own)


def _shown(values: dict[str, object]) -> dict[str, object]:
    return {
        name: figures.count(value) if isinstance(value, int) else _readable(value)
        for name, value in values.items()
    }


def _readable(value: object) -> object:
    """Return a value as a page shows it, with characters that change or end text direction escaped."""
    if not isinstance(value, str) or isinstance(value, Markup) or (value.isascii() and value.isprintable()):
        return value
    return shown_lines(value)


def _fingerprint_of_static_files(style_sheets: StyleSheets) -> str:
    digest = hashlib.sha256((__version__ + style_sheets.content).encode())
    for folder in ("static", "static/charts", "static/lapse", "static/vendor"):
        for file in sorted(
            resources.files("hortus.http.pages").joinpath(folder).iterdir(), key=lambda file: file.name
        ):
            if file.is_file():
                digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
