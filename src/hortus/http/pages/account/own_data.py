"""All that is stored about a person, in the JSON of the API: for the download of one's own data."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.times import format_time
from hortus.domain.accounts.api_keys import list_keys
from hortus.domain.accounts.log_ins import list_log_ins
from hortus.domain.accounts.profiles import find_profile
from hortus.domain.alerts.plant_settings import settings_of_plants
from hortus.domain.kits.members import memberships_of_user
from hortus.domain.messages.channels import list_channels, read_preferences
from hortus.domain.messages.queue import list_messages
from hortus.domain.plants.store import Plant, list_plants_owned, own_ranges
from hortus.http.documents.accounts import api_key_object, full_user_object, log_in_object, user_object
from hortus.http.documents.alerts import settings_object
from hortus.http.documents.kits import membership_object
from hortus.http.documents.notification_channels import channel_object, message_object, preferences_object
from hortus.http.pages.requests import LogInNeeded

_MOST_PLANTS = 10_000
_MOST_MESSAGES = 10_000


async def own_data(connection: AsyncConnection, user_id: int, now: datetime) -> dict[str, Any]:
    """Return the document. It has no readings: those belong to kits, whose export has them.

    Raises LogInNeeded if the account no longer exists.
    """
    profile = await find_profile(connection, user_id)
    if profile is None:
        raise LogInNeeded
    memberships = await memberships_of_user(connection, user_id, user_id)
    me = user_object(profile, user_id)
    preferences = await read_preferences(connection, user_id)
    return {
        "createdAt": format_time(now),
        "profile": full_user_object(profile),
        "memberships": [
            {**membership_object(row, me, is_exact=True), "readings": f"/api/kits/{row['serial']}/archive"}
            for row in memberships
        ],
        "plants": await _plants(connection, user_id),
        "notificationPreferences": preferences_object(preferences, mail_available=True),
        "notificationServices": [channel_object(row) for row in await list_channels(connection, user_id)],
        "messages": [
            message_object(row) for row in await list_messages(connection, user_id=user_id, most=_MOST_MESSAGES)
        ],
        "logIns": [log_in_object(each) for each in await list_log_ins(connection, user_id, now)],
        "apiKeys": [api_key_object(each) for each in await list_keys(connection, user_id)],
    }


async def _plants(connection: AsyncConnection, user_id: int) -> list[dict[str, Any]]:
    plants = await list_plants_owned(connection, user_id, most=_MOST_PLANTS)
    ids = [plant.id for plant in plants]
    ranges, settings = await own_ranges(connection, ids), await settings_of_plants(connection, ids)

    def shown(plant: Plant) -> dict[str, Any]:
        return {
            "id": plant.id,
            "name": plant.name,
            "remark": plant.remark,
            "species": plant.species_name,
            "createdAt": format_time(plant.created_at),
            "updatedAt": format_time(plant.updated_at),
            "ranges": [
                {"quantityTypeId": quantity, "minimum": each.minimum, "maximum": each.maximum}
                for quantity, each in ranges.get(plant.id, {}).items()
            ],
            "alertSettings": settings_object(settings[plant.id]),
        }

    return [shown(plant) for plant in plants]
