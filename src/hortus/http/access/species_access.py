"""Which species a caller may use."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.accounts.store import find_user
from hortus.domain.plants.species_store import Species, find_species
from hortus.http.access.caller import Caller
from hortus.http.conventions.problems import NOT_FOUND, invalid_parameters


async def visible_species(connection: AsyncConnection, caller: Caller, species_id: int) -> Species | None:
    """Return a species that is built in, or the caller's own; None if there is none with this id."""
    species = await find_species(connection, species_id)
    if species is None or species.is_built_in:
        return species
    user = None if caller.user_id is None else await find_user(connection, caller.user_id)
    is_own = user is not None and (user.is_admin or species.owner_id == user.id)
    return species if is_own else None


async def require_visible_species(connection: AsyncConnection, caller: Caller, species_id: int | None) -> None:
    """Refuse a species for a plant that is not there, or that the caller may not see. Raises Problem 400."""
    if species_id is not None and await visible_species(connection, caller, species_id) is None:
        raise invalid_parameters({"speciesId": [NOT_FOUND]}, f"There is no species {species_id}.")
