"""Rendering HTML: the templates and the functions they may call."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import resources
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from hortus import __version__
from hortus.base.text import shown_lines
from hortus.domain.alerts.wording import need_of
from hortus.http.access.viewer import ANONYMOUS, Viewer
from hortus.http.pages import wording
from hortus.http.pages.chart_address import chart_address
from hortus.http.pages.sparkline import HEIGHT, WIDTH, polylines

BUILD_FOLDER = "build-"
"""Begins the first part of the addresses of modules; the build follows."""

_FILTERS: tuple[Callable[..., object], ...] = (
    wording.number,
    wording.count,
    wording.ago,
    wording.age_seconds,
    wording.accounted,
    wording.without_readings,
    wording.sign,
    wording.word,
    wording.plant_sign,
    wording.plant_word,
    wording.bounds,
    need_of,
)


class Templates:
    """The templates of the package. Values are escaped, and undefined names are errors.

    Templates write each address of ours as `{{ url('/plants/{}', plant.id) }}`: the public path is put in
    front, and values are percent-encoded.
    """

    def __init__(self, public_path: str = "") -> None:
        self._public_path = public_path
        self.build = _fingerprint_of_static_files()
        self._environment = Environment(
            loader=PackageLoader("hortus.http.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_readable,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            url=self._url,
            static=self._static,
            module=self._module,
            chart_address=chart_address,
            version=__version__,
            polylines=polylines,
            spark_width=WIDTH,
            spark_height=HEIGHT,
        )
        for function in _FILTERS:
            self._environment.filters[function.__name__] = function

    def render(self, template: str, **values: Any) -> str:
        """Return a template as HTML."""
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

    def _static(self, name: str) -> str:
        # The address changes with the content, so browsers may cache a file indefinitely.
        return self._url(f"/static/{name}?v={self.build}")

    def _url(self, path: str, *values: object) -> str:
        return self._public_path + path.format(*(quote(str(value), safe="") for value in values))

    def _module(self, name: str) -> str:
        # Modules import each other by relative addresses, so all of these have to change with the content.
        return self._url(f"/static/{BUILD_FOLDER}{self.build}/{name}")


def _readable(value: object) -> object:
    """Return a value as a page shows it, with characters that change or end text direction escaped."""
    return shown_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _fingerprint_of_static_files() -> str:
    digest = hashlib.sha256(__version__.encode())
    for folder in ("static", "static/charts", "static/vendor"):
        for file in sorted(
            resources.files("hortus.http.pages").joinpath(folder).iterdir(), key=lambda file: file.name
        ):
            if file.is_file():
                digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
