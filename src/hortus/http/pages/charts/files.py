"""The script and the style sheet of the charts' pages."""

from __future__ import annotations

from importlib import resources

from starlette.routing import Route

from hortus.http.pages.joined_files import JoinedFile, joined_modules


def chart_file_routes() -> list[Route]:
    """Return the routes of the script and the style sheet."""
    static = resources.files("hortus.http.pages") / "static"
    library, own = static / "vendor" / "uPlot.iife.min.js", joined_modules(static / "charts", "main")
    script = JoinedFile(f"{library.read_text('utf-8')}\n{own}", "text/javascript")
    styles = (static / "vendor" / "uPlot.min.css", static / "charts.css", static / "marks.css")
    sheet = JoinedFile("\n".join(file.read_text("utf-8") for file in styles), "text/css")
    return [
        Route("/static/charts.js", script.show, methods=["GET"]),
        Route("/static/charts.css", sheet.show, methods=["GET"]),
    ]
