"""Makes what the form for a new kit asks for: a kit, a board or a virtual kit, once per form."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.language.translation import gettext
from hortus.domain.accounts.shown_once import keep_to_show_once
from hortus.domain.accounts.store import User
from hortus.domain.kits.creation import (
    create_kit_for,
    create_virtual_kit_for,
    kits_of_form,
    note_creation,
)
from hortus.domain.kits.details import change_details
from hortus.domain.kits.first_configurations import FirstConfiguration, configuration_of
from hortus.domain.kits.store import NewKit
from hortus.flow.gateway.owned_boards import OwnedBoard, adopt_board_for, register_owned_board
from hortus.http.access.permissions import Permission
from hortus.http.access.services import Services
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.problems import Problem
from hortus.http.pages.kits.credentials import Credentials, sealed_text
from hortus.http.pages.kits.details_form import Details
from hortus.http.pages.kits.opened import open_kit


class Kind(StrEnum):
    """What can be added."""

    KIT = "kit"
    BOARD = "board"
    VIRTUAL = "virtual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a form is about. `sensor_id` is the number of a board that sends already; `gateway` tells which."""

    kind: Kind
    form_id: UUID
    sensor_id: int | None = None
    gateway: str | None = None

    async def existing(self, connection: AsyncConnection, user_id: int) -> str | None:
        """Return the serial of the kit that this form has created already, if it has."""
        serials = await kits_of_form(connection, self.form_id, user_id)
        return serials[0] if serials else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A kit, the page to go on to, and whether the form had created it before."""

    next_path: str
    board: OwnedBoard | None = None
    is_old: bool = False


async def make(
    services: Services, viewer: Viewer, user: User, wish: Wish, details: Details, choice: FirstConfiguration
) -> Made:
    """Create what is wanted, or change what the same form has created before.

    Raises QuotaReached, UsageError, Problem or DatabaseNotAnswering.
    """
    async with services.writing() as connection:
        existing = await wish.existing(connection, user.id)
        if existing is not None:
            kit = await open_kit(connection, viewer, existing)
            kit.require(Permission.EDIT_DETAILS)
            await change_details(connection, kit.id, details.columns(), by=user.id, now=services.clock())
            return Made(next_path=_next(wish, existing), is_old=True)
        if wish.kind is Kind.BOARD:
            return await _make_board(connection, services, viewer, user, wish, details)
        return await _make_kit(connection, services, user, wish, details, choice)


async def _make_kit(
    connection: AsyncConnection,
    services: Services,
    user: User,
    wish: Wish,
    details: Details,
    choice: FirstConfiguration,
) -> Made:
    now, quotas = services.clock(), services.parts.quotas
    common = (connection, services.kits, user.id, new_kit(details))
    if wish.kind is Kind.VIRTUAL:
        kit = await create_virtual_kit_for(*common, quotas=quotas, now=now)
        await note_creation(connection, wish.form_id, user.id, [kit.id])
        return Made(next_path=_next(wish, kit.serial))
    kit = await create_kit_for(*common, quotas=quotas, now=now, configuration=configuration_of(choice))
    await note_creation(connection, wish.form_id, user.id, [kit.id])
    credentials = Credentials(serial=kit.serial, password=kit.password)
    once = await keep_to_show_once(
        connection, user.id, services.messages.seal.close(sealed_text([credentials])), now
    )
    return Made(next_path=f"{_next(wish, kit.serial)}?once={once}")


async def _make_board(
    connection: AsyncConnection,
    services: Services,
    viewer: Viewer,
    user: User,
    wish: Wish,
    details: Details,
) -> Made:
    now, quotas = services.clock(), services.parts.quotas
    name = details.name or ""
    if wish.sensor_id is None:
        board = await register_owned_board(connection, user.id, name=name, quotas=quotas, now=now)
    elif viewer.is_admin:
        board = await adopt_board_for(
            *(connection, user.id, wish.sensor_id),
            name=name,
            gateway=wish.gateway,
            quotas=quotas,
            now=now,
        )
    else:
        raise Problem(403, detail=gettext("Only administrators can name boards that send already."))
    await change_details(connection, board.kit_id, details.columns(), by=user.id, now=now)
    await note_creation(connection, wish.form_id, user.id, [board.kit_id])
    return Made(next_path=_next(wish, board.serial), board=board)


def new_kit(details: Details) -> NewKit:
    """Return the kit to create."""
    return NewKit(
        name=details.name,
        description=details.description,
        latitude=details.latitude,
        longitude=details.longitude,
        public_dashboard=details.is_public,
        show_on_map=details.is_on_map,
        time_zone=details.time_zone,
    )


def _next(wish: Wish, serial: str) -> str:
    """Return the page to go on to: what sends by itself needs nothing to be entered."""
    has_to_connect = wish.kind is Kind.KIT or (wish.kind is Kind.BOARD and wish.sensor_id is None)
    return f"/kits/new/{quote(serial, safe='')}/{'connect' if has_to_connect else 'first-reading'}"
