"""Style sheets: several files to write, one that every page loads, and one per chapter of pages."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_FOR_EVER = "public, max-age=31536000, immutable"


class StyleSheets:
    """`/static/hortus.css`: the files of `styles`, in the order of their names; `/static/styles/…`: chapters.

    A template names the chapters that it needs beside the first one: `{% set styles = ["data"] %}`.
    """

    def __init__(self) -> None:
        folder = resources.files("hortus.http.pages") / "styles"
        self._of_all = "\n".join(_files(folder).values())
        self._chapters = _files(folder / "chapters")

    @property
    def content(self) -> str:
        """All sheets, one after the other."""
        return "\n".join([self._of_all, *self._chapters.values()])

    async def show(self, request: Request) -> Response:
        """Answer with the sheet of all pages."""
        return _sheet(self._of_all, request)

    async def show_chapter(self, request: Request) -> Response:
        """Answer with the sheet of one chapter; raise HTTPException when there is none."""
        content = self._chapters.get(request.path_params["name"])
        if content is None:
            raise HTTPException(404)
        return _sheet(content, request)


def _files(folder: Traversable) -> dict[str, str]:
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {file.name: file.read_text("utf-8") for file in files if file.name.endswith(".css")}


def _sheet(content: str, request: Request) -> Response:
    # The address changes with the content, so browsers may keep it.
    headers = {"Cache-Control": _FOR_EVER} if "v" in request.query_params else {}
    return Response(content, media_type="text/css", headers=headers)
