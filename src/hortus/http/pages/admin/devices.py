"""`/admin/devices`: gateways that deliver readings, and boards that nobody has named."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.errors import UsageError
from hortus.base.language.translation import gettext, gettext_noop
from hortus.base.text import fault_of_name
from hortus.domain.administration.log import Deed, note_deed
from hortus.flow.gateway.board_intake import BoardIntake, DatabaseAway
from hortus.flow.gateway.boards import (
    BoardNotHeard,
    RegisteredBoard,
    adopt_board,
    forget_waiting_board,
    list_boards,
    list_waiting_boards,
)
from hortus.flow.gateway.gateways import (
    LOCAL_GATEWAY,
    LONGEST_NAME,
    GatewayExists,
    GatewayNotFound,
    add_gateway,
    gateway_id_of,
    list_gateways,
    remove_gateway,
)
from hortus.http.access.viewer import Viewer
from hortus.http.pages.admin.frame import AdminPages, number_in_path
from hortus.http.pages.forms import Form
from hortus.http.pages.requests import read_form, redirect

_TOASTS = {
    "named": gettext_noop("The board has a name. Its readings are stored under its kit."),
    "forgotten": gettext_noop("The board is forgotten. It comes back if it is heard again."),
    "removed": gettext_noop("The gateway is removed. Its boards stay."),
}


class AdminDevices(AdminPages):
    """Shows gateways and boards; adds, names, forgets and removes them."""

    def routes(self) -> list[Route]:
        return [
            Route("/admin/devices", self.show),
            Route("/admin/devices/gateways", self.add, methods=["POST"]),
            Route("/admin/devices/gateways/{gateway}/remove", self.ask_to_remove),
            Route("/admin/devices/gateways/{gateway}/remove", self.remove, methods=["POST"]),
            Route("/admin/devices/boards/{sensor}/name", self.name, methods=["POST"]),
            Route("/admin/devices/boards/{sensor}/forget", self.ask_to_forget),
            Route("/admin/devices/boards/{sensor}/forget", self.forget, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with gateways and boards."""
        return await self._page(request, await self.viewer(request), Form())

    async def add(self, request: Request) -> Response:
        """Add a gateway, and show its token this once."""
        viewer, acting = await self.acting(request)
        form = Form(await read_form(request))
        name, token = form.value("gateway"), ""
        if not 1 <= len(name) <= LONGEST_NAME or fault_of_name(name):
            form.refuse("gateway", gettext("Enter 1 to %(most)s ordinary characters.", most=LONGEST_NAME))
            return await self._page(request, viewer, form, status_code=422)
        try:
            async with self.site.changing() as connection:
                token = await add_gateway(connection, name)
                await note_deed(connection, acting.username, Deed.GATEWAY_ADDED, name)
        except GatewayExists:
            form.refuse("gateway", gettext("There is a gateway of this name already."))
            return await self._page(request, viewer, form, status_code=422)
        return await self._page(request, viewer, Form(), token=token, added=name)

    async def ask_to_remove(self, request: Request) -> Response:
        """Ask before a gateway is removed."""
        viewer = await self.viewer(request)
        async with self.site.reading() as connection:
            names = [each.name for each in await list_gateways(connection)]
        name = request.path_params["gateway"]
        if name not in names or name == LOCAL_GATEWAY:
            raise HTTPException(404)
        return self._question(request, viewer, gateway=name, board=None)

    async def remove(self, request: Request) -> Response:
        """Remove a gateway with its token."""
        _, acting = await self.acting(request)
        name = request.path_params["gateway"]
        if name == LOCAL_GATEWAY:
            raise HTTPException(404)
        try:
            async with self.site.changing() as connection:
                await remove_gateway(connection, name)
                await note_deed(connection, acting.username, Deed.GATEWAY_REMOVED, name)
        except GatewayNotFound as error:
            raise HTTPException(404) from error
        return redirect(request, "/admin/devices", said="removed")

    async def name(self, request: Request) -> Response:
        """Name a board, and store the readings that were kept for it."""
        viewer, acting = await self.acting(request)
        sensor, form = number_in_path(request, "sensor"), Form(await read_form(request))
        name, gateway = form.value("name"), form.value("gateway")
        if not 1 <= len(name) <= LONGEST_NAME or fault_of_name(name):
            message = gettext("A name has 1 to %(most)s ordinary characters.", most=LONGEST_NAME)
            return await self._page(request, viewer, Form(), status_code=422, message=message)
        try:
            async with self.site.changing() as connection:
                board = await adopt_board(connection, sensor, name=name, gateway=gateway or None)
                gateway_id = await gateway_id_of(connection, gateway) if gateway else None
                await note_deed(connection, acting.username, Deed.BOARD_NAMED, f"{sensor}: {name}")
        except (BoardNotHeard, GatewayNotFound) as error:
            raise HTTPException(404) from error
        except UsageError as error:
            return await self._page(request, viewer, Form(), status_code=409, message=str(error))
        await self._release(board, gateway_id)
        return redirect(request, "/admin/devices", said="named")

    async def ask_to_forget(self, request: Request) -> Response:
        """Ask before the readings of an unknown board are deleted."""
        viewer, sensor = await self.viewer(request), number_in_path(request, "sensor")
        async with self.site.reading() as connection:
            boards = [each for each in await list_waiting_boards(connection) if each.sensor_id == sensor]
        if not boards:
            raise HTTPException(404)
        return self._question(request, viewer, gateway="", board=boards[0])

    async def forget(self, request: Request) -> Response:
        """Delete the readings kept of an unknown board."""
        _, acting = await self.acting(request)
        sensor = number_in_path(request, "sensor")
        try:
            async with self.site.changing() as connection:
                readings = await forget_waiting_board(connection, sensor)
                await note_deed(connection, acting.username, Deed.BOARD_FORGOTTEN, str(sensor), readings)
        except BoardNotHeard as error:
            raise HTTPException(404) from error
        return redirect(request, "/admin/devices", said="forgotten")

    async def _release(self, board: RegisteredBoard, gateway_id: int | None) -> None:
        """Store kept readings now if this process can; otherwise the board's next reading brings them along."""
        intake = self.site.monitor.intake
        if intake is None or gateway_id is None:
            return
        try:
            await BoardIntake(self.site.engine, intake).release(gateway_id, board.sensor_id)
        except DatabaseAway:
            return

    def _question(self, request: Request, viewer: Viewer, *, gateway: str, board: object) -> Response:
        crumbs = [{"path": "/admin/devices", "name": gettext("Devices")}]
        return self.page(
            request, viewer, "devices", "devices_question.html", gateway=gateway, board=board, crumbs=crumbs
        )

    async def _page(
        self,
        request: Request,
        viewer: Viewer,
        form: Form,
        *,
        status_code: int = 200,
        message: str = "",
        token: str = "",
        added: str = "",
    ) -> Response:
        async with self.site.reading() as connection:
            gateways = await list_gateways(connection)
            waiting = await list_waiting_boards(connection)
            boards = await list_boards(connection, self.site.clock())
        return self.page(
            request,
            viewer,
            "devices",
            "devices.html",
            status_code=status_code,
            gateways=gateways,
            waiting=waiting,
            boards=boards,
            local=LOCAL_GATEWAY,
            local_waiting=await self._waiting_here(),
            token=token,
            added=added,
            form=form,
            message=message,
            toasts=_TOASTS,
        )

    async def _waiting_here(self) -> int | None:
        """Return how many readings wait in the gateway of this process, or None without one."""
        health = self.site.monitor.gateway.health
        return None if health is None else (await health.report()).depth.waiting
