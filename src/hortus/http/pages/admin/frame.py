"""What all pages for administrators share: who may see them, the tabs, and failures of forms."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hortus.base.language.translation import gettext
from hortus.domain.accounts.store import User
from hortus.http.access.viewer import Viewer
from hortus.http.pages.places import ADMIN_PLACES
from hortus.http.pages.requests import require_same_origin
from hortus.http.pages.site import Site


class AdminPages:
    """A group of pages for administrators."""

    def __init__(self, site: Site) -> None:
        self.site = site

    async def viewer(self, request: Request) -> Viewer:
        """Return the administrator who asks. Raises HTTPException 404 for everybody else."""
        viewer = await self.site.viewer(request)
        if not viewer.is_admin:
            raise HTTPException(404)
        return viewer

    async def acting(self, request: Request) -> tuple[Viewer, User]:
        """Return the administrator who sent a form. Raises HTTPException 403 or 404."""
        viewer = await self.viewer(request)
        require_same_origin(request)
        assert viewer.user is not None
        return viewer, viewer.user

    def page(
        self,
        request: Request,
        viewer: Viewer,
        tab: str,
        template: str,
        *,
        status_code: int = 200,
        **values: Any,
    ) -> Response:
        """Return a page under this tab."""
        return self.site.page(
            request,
            f"admin/{template}",
            viewer=viewer,
            status_code=status_code,
            admin_tabs=[{"key": key, "path": path, "name": gettext(name)} for key, path, name in ADMIN_PLACES],
            tab=tab,
            now=self.site.clock(),
            **{"form": None, "message": "", **values},
        )


def number_in_path(request: Request, name: str) -> int:
    """Return a number of the address. Raises HTTPException 404 if it is none that a database has."""
    text = request.path_params[name]
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) < 2**31:
        raise HTTPException(404)
    return int(text)
