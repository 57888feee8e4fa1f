"""`/admin/definitions`: quantities, kinds of devices, and what can be measured of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.errors import UsageError
from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.administration.definitions import (
    BuiltIn,
    DefinitionEditor,
    DefinitionNotFound,
    ListedDevice,
    ListedQuantity,
    list_all_devices,
    list_all_quantities,
)
from hortus.domain.definitions.own import DefinitionExists, TooManyDefinitions
from hortus.domain.plausibility.own_limits import WrongLimits
from hortus.domain.series.definition_use import DefinitionInUse
from hortus.http.access.viewer import Viewer
from hortus.http.pages.admin.definition_forms import (
    DEVICE_FORM_BYTES,
    DEVICE_FORM_FIELDS,
    decimals_of,
    device_form,
    plain_number,
    read_device,
    read_limit,
    read_quantity,
)
from hortus.http.pages.admin.frame import AdminPages, number_in_path
from hortus.http.pages.forms import Form
from hortus.http.pages.requests import read_fields, read_form, redirect

_TOASTS = {
    "created": gettext_noop("The definition is there."),
    "changed": gettext_noop("The definition is changed."),
    "deleted": gettext_noop("The definition is deleted."),
    "limits": gettext_noop("The limits hold. Stored readings are judged again in the background."),
}
_SENTENCES: dict[type[UsageError], str] = {
    DefinitionInUse: gettext_noop("Kits or other definitions use this one, so it has to stay as it is."),
    TooManyDefinitions: gettext_noop("There is no room for more definitions. Delete unused ones first."),
    BuiltIn: gettext_noop("This definition comes with Hortus and cannot be changed. Define one of your own."),
}
Work = Callable[[DefinitionEditor, AsyncConnection], Awaitable[object]]


class AdminDefinitions(AdminPages):
    """Built-in definitions can be read; those of people can be made, changed, and deleted if unused."""

    def routes(self) -> list[Route]:
        quantity, device = (
            "/admin/definitions/quantities/{quantity_id}",
            "/admin/definitions/devices/{definition_id}",
        )
        return [
            Route("/admin/definitions", self.show),
            Route("/admin/definitions/quantities/new", self.new_quantity),
            Route("/admin/definitions/quantities", self.create_quantity, methods=["POST"]),
            Route(quantity, self.show_quantity),
            Route(quantity, self.change_quantity, methods=["POST"]),
            Route(f"{quantity}/delete", self.delete_quantity, methods=["POST"]),
            Route(f"{quantity}/limits", self.set_limits, methods=["POST"]),
            Route("/admin/definitions/devices/new", self.new_device),
            Route("/admin/definitions/devices", self.create_device, methods=["POST"]),
            Route(device, self.show_device),
            Route(device, self.change_device, methods=["POST"]),
            Route(f"{device}/delete", self.delete_device, methods=["POST"]),
            Route(f"{device}/limits", self.set_limits_of_device, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with all definitions, and how many kits use each."""
        viewer = await self.viewer(request)
        async with self.site.reading() as connection:
            quantities = await list_all_quantities(connection)
            devices = await list_all_devices(connection)
        return self.page(
            request,
            viewer,
            "definitions",
            "definitions.html",
            toasts=_TOASTS,
            quantities=quantities,
            devices=devices,
            decimals_of=decimals_of,
        )

    async def new_quantity(self, request: Request) -> Response:
        """Answer with an empty form."""
        return await self._quantity_page(request, await self.viewer(request), None, Form())

    async def create_quantity(self, request: Request) -> Response:
        """Add a quantity type."""
        viewer, acting = await self.acting(request)
        form = Form(await read_form(request))
        quantity = read_quantity(form)
        try:
            if quantity is not None:
                async with self.site.changing() as connection:
                    await DefinitionEditor(acting=acting.username).create_quantity(connection, quantity)
        except DefinitionExists:
            form.refuse("physical_quantity", gettext("This quantity in this unit exists already."))
        except TooManyDefinitions as error:
            form.refuse("physical_quantity", _sentence(error))
        if form.faults:
            return await self._quantity_page(request, viewer, None, form, status_code=422)
        return redirect(request, "/admin/definitions", said="created")

    async def show_quantity(self, request: Request) -> Response:
        """Answer with a quantity type, its form if it is one of people, and its limits."""
        viewer, number = await self.viewer(request), number_in_path(request, "quantity_id")
        return await self._quantity_page(request, viewer, number, None)

    async def change_quantity(self, request: Request) -> Response:
        """Change symbol and decimals."""
        viewer, acting = await self.acting(request)
        number, form = number_in_path(request, "quantity_id"), Form(await read_form(request))
        quantity = read_quantity(form, is_new=False)
        if quantity is None:
            return await self._quantity_page(request, viewer, number, form, status_code=422)

        async def work(editor: DefinitionEditor, connection: AsyncConnection) -> None:
            await editor.change_quantity(connection, number, symbol=quantity.symbol, decimals=quantity.decimals)

        fault = await self._do(acting.username, work)
        if fault:
            return await self._quantity_page(request, viewer, number, form, status_code=409, message=fault)
        return redirect(request, "/admin/definitions", said="changed")

    async def delete_quantity(self, request: Request) -> Response:
        """Delete a quantity type that nothing uses."""
        viewer, acting = await self.acting(request)
        number = number_in_path(request, "quantity_id")
        fault = await self._do(
            acting.username, lambda editor, connection: editor.delete_quantity(connection, number)
        )
        if fault:
            return await self._quantity_page(request, viewer, number, None, status_code=409, message=fault)
        return redirect(request, "/admin/definitions", said="deleted")

    async def set_limits(self, request: Request) -> Response:
        """Set limits of a quantity, or go back to the built-in ones."""
        viewer, acting = await self.acting(request)
        number, form = number_in_path(request, "quantity_id"), Form(await read_form(request))
        if not await self._set_limits(form, acting.username, number, None):
            return await self._quantity_page(request, viewer, number, form, status_code=422)
        return redirect(request, f"/admin/definitions/quantities/{number}", said="limits")

    async def new_device(self, request: Request) -> Response:
        """Answer with an empty form."""
        return await self._device_page(request, await self.viewer(request), None, device_form(None))

    async def create_device(self, request: Request) -> Response:
        """Add a kind of device."""
        viewer, acting = await self.acting(request)
        form, measured = await self._read_device_form(request)
        device = read_device(form, measured)
        try:
            if device is not None:
                async with self.site.changing() as connection:
                    await DefinitionEditor(acting=acting.username).create_device(connection, device)
        except DefinitionExists:
            form.refuse("name", gettext("There is a device of this name already."))
        except TooManyDefinitions as error:
            form.refuse("name", _sentence(error))
        if form.faults:
            return await self._device_page(request, viewer, None, form, measured, status_code=422)
        return redirect(request, "/admin/definitions", said="created")

    async def show_device(self, request: Request) -> Response:
        """Answer with a kind of device, as a form if it is one of people."""
        viewer, number = await self.viewer(request), number_in_path(request, "definition_id")
        return await self._device_page(request, viewer, number, None)

    async def change_device(self, request: Request) -> Response:
        """Change a kind of device; its schemas only while no kit has one."""
        viewer, acting = await self.acting(request)
        number = number_in_path(request, "definition_id")
        form, measured = await self._read_device_form(request)
        device = read_device(form, measured)
        if device is None:
            return await self._device_page(request, viewer, number, form, measured, status_code=422)
        fault = await self._do(
            acting.username, lambda editor, connection: editor.change_device(connection, number, device)
        )
        if fault:
            return await self._device_page(
                request, viewer, number, form, measured, status_code=409, message=fault
            )
        return redirect(request, "/admin/definitions", said="changed")

    async def delete_device(self, request: Request) -> Response:
        """Delete a kind of device that no kit has."""
        viewer, acting = await self.acting(request)
        number = number_in_path(request, "definition_id")
        fault = await self._do(
            acting.username, lambda editor, connection: editor.delete_device(connection, number)
        )
        if fault:
            return await self._device_page(request, viewer, number, None, status_code=409, message=fault)
        return redirect(request, "/admin/definitions", said="deleted")

    async def set_limits_of_device(self, request: Request) -> Response:
        """Set limits of what a kind of device measures, or go back to the built-in ones."""
        viewer, acting = await self.acting(request)
        number, form = number_in_path(request, "definition_id"), Form(await read_form(request))
        quantity = form.value("quantity")
        if not quantity.isascii() or not quantity.isdigit() or int(quantity[:12]) >= 2**31:
            raise HTTPException(404)
        if not await self._set_limits(form, acting.username, int(quantity), number):
            return await self._device_page(request, viewer, number, None, status_code=422, limits=form)
        return redirect(request, f"/admin/definitions/devices/{number}", said="limits")

    async def _set_limits(self, form: Form, acting: str, quantity: int, device: int | None) -> bool:
        if form.is_checked("reset"):
            await self._do(acting, lambda editor, connection: editor.reset_limits(connection, quantity, device))
            return True
        suffix = "" if device is None else f"-{quantity}"
        minimum, maximum = read_limit(form, f"minimum{suffix}"), read_limit(form, f"maximum{suffix}")
        if not form.faults and minimum is None and maximum is None:
            form.refuse(f"minimum{suffix}", gettext("Enter at least one limit."))
        if form.faults:
            return False

        async def work(editor: DefinitionEditor, connection: AsyncConnection) -> None:
            await editor.set_limits(connection, quantity, device, minimum=minimum, maximum=maximum)

        try:
            await self._do(acting, work)
        except WrongLimits:
            form.refuse(f"minimum{suffix}", gettext("The lower limit is above the upper one."))
        return not form.faults

    async def _do(self, acting: str, work: Work) -> str:
        """Do this in a transaction; return why not, or an empty text. Raises HTTPException 404."""
        try:
            async with self.site.services.writing() as connection:
                await work(DefinitionEditor(acting=acting), connection)
        except DefinitionNotFound as error:
            raise HTTPException(404) from error
        except tuple(_SENTENCES) as error:
            return _sentence(error)
        return ""

    async def _read_device_form(self, request: Request) -> tuple[Form, frozenset[int]]:
        fields = await read_fields(request, most_bytes=DEVICE_FORM_BYTES, most_fields=DEVICE_FORM_FIELDS)
        form = Form({name: values[-1] for name, values in fields.items()})
        measured = fields.get("measures", ())
        return form, frozenset(int(each) for each in measured if each.isascii() and each.isdigit())

    async def _quantity_page(
        self,
        request: Request,
        viewer: Viewer,
        number: int | None,
        form: Form | None,
        *,
        status_code: int = 200,
        message: str = "",
    ) -> Response:
        quantity: ListedQuantity | None = None
        if number is not None:
            async with self.site.reading() as connection:
                quantities = await list_all_quantities(connection)
            quantity = next((each for each in quantities if each.id == number), None)
            if quantity is None:
                raise HTTPException(404)
        form = form or Form()
        if quantity is not None:
            decimals = "" if quantity.decimals is None else str(quantity.decimals)
            form.values = {"symbol": quantity.symbol or "", "decimals": decimals, **form.values}
        return self.page(
            request,
            viewer,
            "definitions",
            "quantity.html",
            status_code=status_code,
            quantity=quantity,
            form=form,
            message=message,
            plain_number=plain_number,
            crumbs=[{"path": "/admin/definitions", "name": gettext("Definitions")}],
            toasts=_TOASTS,
        )

    async def _device_page(
        self,
        request: Request,
        viewer: Viewer,
        number: int | None,
        form: Form | None,
        measured: frozenset[int] = frozenset(),
        *,
        status_code: int = 200,
        message: str = "",
        limits: Form | None = None,
    ) -> Response:
        async with self.site.reading() as connection:
            quantities = await list_all_quantities(connection)
            devices = await list_all_devices(connection) if number is not None else ()
        device: ListedDevice | None = next((each for each in devices if each.id == number), None)
        if number is not None and device is None:
            raise HTTPException(404)
        if form is None:
            form = device_form(device)
            measured = frozenset(device.definition.quantity_types) if device else frozenset()
        if limits is not None:
            form.faults = limits.faults
        return self.page(
            request,
            viewer,
            "definitions",
            "device.html",
            status_code=status_code,
            device=device,
            quantities=quantities,
            measured=measured,
            limits={each.quantity_type_id: each for each in device.limits} if device else {},
            typed=limits or Form(),
            plain_number=plain_number,
            form=form,
            message=message,
            crumbs=[{"path": "/admin/definitions", "name": gettext("Definitions")}],
            toasts=_TOASTS,
        )


def _sentence(error: UsageError) -> str:
    return gettext(_SENTENCES[type(error)])
