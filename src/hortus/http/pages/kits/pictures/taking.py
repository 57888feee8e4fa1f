"""Taking a picture: a command to a camera, and its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hortus.base.language.translation import gettext
from hortus.domain.kits.cameras import commandable_cameras
from hortus.flow.commands.command import Question, UnsuitableCommand
from hortus.flow.commands.store import (
    RESULT_PART_BYTES,
    Command,
    IsBoard,
    NobodySends,
    TooManyWaiting,
    enqueue,
    result_part,
)
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.frame import changing_kit, kit_path, reading_kit
from hortus.http.pages.kits.pictures.asked import SHOWN_TYPES, asked_command, progress_of
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site

_PATIENCE_SECONDS = 60
_RETRY_SECONDS = 5
_TURN_SECONDS = 10
_HARMLESS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


class TakingPages:
    """Asking a camera for a picture."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        start = "/kits/{serial}/pictures"
        return [
            Route(f"{start}/take", self.take, methods=["POST"]),
            Route(f"{start}/asked/{{command_id}}", self.progress, methods=["GET"]),
            Route(f"{start}/asked/{{command_id}}/picture", self.picture, methods=["GET"]),
        ]

    async def take(self, request: Request) -> Response:
        """Ask a camera for a picture, and answer with the page that waits for it."""
        require_same_origin(request)
        form = await read_form(request)
        camera, _, word = form.get("what", "").rpartition("/")
        try:
            async with changing_kit(self._site, request, Permission.RPC_PERIPHERAL_COMMAND) as (
                connection,
                kit,
            ):
                cameras = await commandable_cameras(connection, kit.id)
                if not any(camera == each.name and word in each.commands for each in cameras):
                    raise HTTPException(
                        400, gettext("This kit has no such camera any more. Go back and reload.")
                    )
                user = kit.viewer.user
                assert user is not None  # strangers have no such permission
                command_id = await enqueue(
                    connection,
                    kit_id=kit.id,
                    user_id=user.id,
                    question=Question.to_peripheral(camera, word),
                    patience_seconds=_PATIENCE_SECONDS,
                )
        except (UnsuitableCommand, IsBoard) as error:
            raise HTTPException(409, gettext(str(error))) from error
        except TooManyWaiting as error:
            raise HTTPException(429, gettext(str(error)), {"Retry-After": str(_TURN_SECONDS)}) from error
        except NobodySends as error:
            raise HTTPException(503, gettext(str(error)), {"Retry-After": str(_RETRY_SECONDS)}) from error
        return redirect(request, f"{kit_path(kit, '/pictures')}?asked={command_id}")

    async def progress(self, request: Request) -> Response:
        """Answer with how far a command is, as a part of the page."""
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.RPC_PERIPHERAL_COMMAND)
            command = await asked_command(connection, kit, request.path_params["command_id"])
        if command is None:
            raise HTTPException(404, gettext("This command does not exist."))
        return self._site.templates.page(
            "kits/pictures/_asked.html",
            viewer=kit.viewer,
            command=command,
            progress=progress_of(command, self._site.clock(), kit.zone),
            path=kit_path(kit, "/pictures"),
        )

    async def picture(self, request: Request) -> Response:
        """Answer with the picture that the kit sent."""
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.RPC_PERIPHERAL_COMMAND)
            command = await asked_command(connection, kit, request.path_params["command_id"])
            media_type = (command.result_media_type or "").partition(";")[0] if command else ""
            if command is None or not command.has_result or media_type not in SHOWN_TYPES:
                raise HTTPException(404, gettext("This picture is no longer there."))
        headers = _HARMLESS | {"Content-Length": str(command.result_bytes or 0)}
        return StreamingResponse(self._parts(command), media_type=media_type, headers=headers)

    async def _parts(self, command: Command) -> AsyncIterator[bytes]:
        """Yield the parts of a result; no connection is held while a slow reader receives one."""
        for part in range(-(-(command.result_bytes or 0) // RESULT_PART_BYTES)):
            async with self._site.services.reading() as connection:
                data = await result_part(connection, command.id, part)
            yield data
