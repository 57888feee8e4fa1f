"""A plant and the caller's rights to it.

A plant belongs to its owner. Anyone who may see or configure a kit that measures it now may see or edit the
plant. A kit's measurements are shown only to those who may see that kit: a link grants no access to a kit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.accounts.api_keys import Scope
from hortus.domain.accounts.store import User, find_user
from hortus.domain.plants.links import PlantLink, links_of_plants
from hortus.domain.plants.species_store import Species, find_species
from hortus.domain.plants.store import Plant, find_plant, lock_plant
from hortus.http.access.caller import Caller
from hortus.http.access.kit_access import access_to_kit, role_in
from hortus.http.access.permissions import Permission, Role, permissions_of, within_scopes
from hortus.http.conventions.problems import NOT_FOUND, Problem, invalid_parameters, not_found


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantAccess:
    """A plant that the caller may see. `links` are those to kits that they may see, past ones included."""

    plant: Plant
    caller: Caller
    permissions: frozenset[Permission]
    is_owner: bool
    links: tuple[PlantLink, ...]

    @property
    def may_edit(self) -> bool:
        """Whether the caller may change the plant."""
        return Permission.EDIT_CONFIGURATION in self.permissions

    def require_view(self) -> None:
        """Raise Problem 401 or 403 unless the caller may see the plant (a key may lack the scope)."""
        if Permission.VIEW not in self.permissions:
            raise self.caller.denial("This needs an API key with the scope read.")

    def require_edit(self) -> None:
        """Raise Problem 401 or 403 unless the caller may change the plant."""
        if not self.may_edit:
            raise self.caller.denial(
                "Only the plant's owner and people who may configure its kit can change it."
            )

    def require_owner(self) -> None:
        """Raise Problem 401 or 403 unless the caller owns the plant, or may change it and nobody owns it."""
        self.require_edit()
        if not self.is_owner and self.plant.owner_id is not None:
            raise self.caller.denial("Only the plant's owner can do this.")


async def access_to_plant(connection: AsyncConnection, caller: Caller, plant_id: int) -> PlantAccess:
    """Return the plant with this id. Raises Problem 401 or 404 if there is none that the caller may see."""
    plant = await find_plant(connection, plant_id)
    found = await access_to_plants(connection, caller, [plant] if plant else [])
    if not found:
        raise caller.refusal()
    return found[0]


async def access_to_plants(
    connection: AsyncConnection, caller: Caller, plants: Sequence[Plant]
) -> list[PlantAccess]:
    """Return those of these plants that the caller may see."""
    user = None if caller.user_id is None else await find_user(connection, caller.user_id)
    if caller.user_id is not None and user is None:
        # The token is valid, but its user has been deleted: treat the caller as anonymous.
        caller = Caller(fault="expired")
    links = await links_of_plants(connection, [plant.id for plant in plants], caller.user_id)
    accesses = (_access(caller, user, plant, links[plant.id]) for plant in plants)
    return [access for access in accesses if access is not None]


def _access(caller: Caller, user: User | None, plant: Plant, links: Sequence[PlantLink]) -> PlantAccess | None:
    is_owner = user is not None and (user.is_admin or plant.owner_id == user.id)
    permissions = permissions_of(Role.CONFIGURER, is_public=False) if is_owner else frozenset()
    is_public = False
    for link in links:
        if link.until is None:
            public_kit = link.kit["privacy_public_dashboard"]
            permissions |= permissions_of(role_in(link.kit), is_public=public_kit)
            is_public |= public_kit
    if Permission.VIEW not in permissions:
        return None
    return PlantAccess(
        plant=plant,
        caller=caller,
        permissions=within_scopes(permissions, caller.scopes, is_public=is_public),
        is_owner=is_owner,
        links=tuple(link for link in links if _may_see(caller, link)),
    )


def _may_see(caller: Caller, link: PlantLink) -> bool:
    is_public = link.kit["privacy_public_dashboard"]
    permissions = permissions_of(role_in(link.kit), is_public=is_public)
    return Permission.VIEW in within_scopes(permissions, caller.scopes, is_public=is_public)


async def editable_plant(connection: AsyncConnection, caller: Caller, plant_id: int) -> PlantAccess:
    """Return a plant that the caller may change, locked. Raises Problem 401, 403 or 404."""
    access = await access_to_plant(connection, caller, plant_id)
    access.require_edit()
    if not await lock_plant(connection, plant_id):
        raise not_found()
    return access


async def configurable_kit(connection: AsyncConnection, caller: Caller, serial: str) -> int:
    """Return the id of a kit that the caller may link plants to. Raises Problem 400 or 403."""
    try:
        access = await access_to_kit(connection, caller, serial)
    except Problem as error:
        detail = f"There is no kit with the serial {serial!r:.40} that you can see."
        raise invalid_parameters({"kitSerial": [NOT_FOUND]}, detail) from error
    access.require(Permission.EDIT_CONFIGURATION)
    return access.kit_id


async def editable_species(connection: AsyncConnection, caller: Caller, species_id: int) -> Species:
    """Return a species that the caller may change. Raises Problem 401, 403 or 404."""
    species = await visible_species(connection, caller, species_id)
    if species is None:
        raise caller.refusal()
    if species.is_built_in:
        raise caller.denial("Built-in species cannot be changed. Create one of your own instead.")
    caller.require_scope(Scope.CONFIGURE)
    return species


async def visible_species(connection: AsyncConnection, caller: Caller, species_id: int) -> Species | None:
    """Return a built-in species or the caller's own; None if there is none with this id."""
    species = await find_species(connection, species_id)
    if species is None or species.is_built_in:
        return species
    user = None if caller.user_id is None else await find_user(connection, caller.user_id)
    is_own = user is not None and (user.is_admin or species.owner_id == user.id)
    return species if is_own else None


async def require_visible_species(connection: AsyncConnection, caller: Caller, species_id: int | None) -> None:
    """Raise Problem 400 unless the species exists and the caller may use it."""
    if species_id is not None and await visible_species(connection, caller, species_id) is None:
        raise invalid_parameters({"speciesId": [NOT_FOUND]}, f"There is no species {species_id}.")
