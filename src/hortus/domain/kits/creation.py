"""Creating kits for a person: within the quota, with a first configuration, and once per form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.base.quotas import Quotas
from hortus.domain.kits.first_configurations import OF_VIRTUAL_KIT, PresetConfiguration
from hortus.domain.kits.members import add_member, require_room_for_kit
from hortus.domain.kits.store import CreatedKit, KitStore, NewKit, add_configuration
from hortus.domain.kits.tables import KitCreationRow, KitRow, VirtualKitRow

MOST_VIRTUAL_KITS = 20
"""In an installation: all of them run in one process, beside the database."""

# Not the lock of a row: two copies of a form may arrive before there is any.
_LOCK_FORM = text("SELECT pg_advisory_xact_lock(hashtextextended(:form_id, 0))")
_LOCK_VIRTUAL_KITS = text("SELECT pg_advisory_xact_lock(hashtext('hortus virtual kits'))")


class TooManyVirtualKits(UsageError):
    """The installation runs as many virtual kits as it may."""

    def __init__(self) -> None:
        super().__init__(
            f"There are {MOST_VIRTUAL_KITS} virtual kits already, which is the limit. Delete one of them first."
        )


async def create_kit_for(
    connection: AsyncConnection,
    store: KitStore,
    user_id: int,
    wanted: NewKit,
    *,
    quotas: Quotas,
    now: datetime,
    configuration: PresetConfiguration | None = None,
) -> CreatedKit:
    """Create a kit whose only member is this user, with full access. The caller commits. Raises QuotaReached.

    With a configuration, it is the active one.
    """
    await require_room_for_kit(connection, user_id, quotas.kits_per_person)
    kit = await store.create(connection, wanted)
    await add_member(connection, kit.id, user_id, access_super=True, access_configure=True, now=now)
    if configuration is not None:
        await add_configuration(
            connection,
            kit.id,
            description=configuration.description,
            peripherals=configuration.peripherals,
            active=True,
        )
    return kit


async def create_virtual_kit_for(
    connection: AsyncConnection,
    store: KitStore,
    user_id: int,
    wanted: NewKit,
    *,
    quotas: Quotas,
    now: datetime,
) -> CreatedKit:
    """As `create_kit_for`, a kit that `hortus up` runs. Raises TooManyVirtualKits as well."""
    await connection.execute(_LOCK_VIRTUAL_KITS)
    if (await connection.scalar(select(func.count()).select_from(VirtualKitRow)) or 0) >= MOST_VIRTUAL_KITS:
        raise TooManyVirtualKits
    kit = await create_kit_for(
        connection, store, user_id, wanted, quotas=quotas, now=now, configuration=OF_VIRTUAL_KIT
    )
    await connection.execute(insert(VirtualKitRow).values(kit_id=kit.id))
    return kit


async def kits_of_form(connection: AsyncConnection, form_id: UUID, user_id: int) -> Sequence[str]:
    """Return the serials of the kits that this form of this user has created.

    Locks the form until the transaction ends, so that a copy of it waits, and then finds them.
    """
    await connection.execute(_LOCK_FORM, {"form_id": str(form_id)})
    serials = await connection.scalars(
        select(KitRow.serial)
        .join(KitCreationRow, KitCreationRow.kit_id == KitRow.id)
        .where(KitCreationRow.form_id == form_id, KitCreationRow.user_id == user_id)
        .order_by(KitRow.id)
    )
    return serials.all()


async def note_creation(
    connection: AsyncConnection, form_id: UUID, user_id: int, kit_ids: Sequence[int]
) -> None:
    """Record which kits a form has created. The caller commits."""
    await connection.execute(
        insert(KitCreationRow), [{"form_id": form_id, "user_id": user_id, "kit_id": each} for each in kit_ids]
    )
