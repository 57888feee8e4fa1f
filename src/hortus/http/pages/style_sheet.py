"""The style sheet: several files to write, one to load."""

from __future__ import annotations

from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

_FOR_EVER = "public, max-age=31536000, immutable"


class StyleSheet:
    """`/static/hortus.css`: the files of `styles`, in the order of their names."""

    def __init__(self) -> None:
        folder = resources.files("hortus.http.pages") / "styles"
        files = sorted(folder.iterdir(), key=lambda file: file.name)
        self.content = "\n".join(file.read_text("utf-8") for file in files if file.name.endswith(".css"))

    async def show(self, request: Request) -> Response:
        """Answer with all of it. Its address changes with the content, so that browsers may keep it."""
        headers = {"Cache-Control": _FOR_EVER} if "v" in request.query_params else {}
        return Response(self.content, media_type="text/css", headers=headers)
