"""Media as the API and the live feed show them (http-api 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

from hortus.base.times import format_time
from hortus.http.conventions.replies import TimeText, UuidText


class Media(TypedDict):
    """A picture or file. `size` is in bytes, `metadata` whatever the kit said about it.

    `hasThumbnail` is false also while a thumbnail is still to be made.
    """

    id: UuidText
    peripheralId: int
    kitId: int
    kitConfigurationId: int
    datetime: TimeText
    name: str
    type: str
    metadata: Any
    size: int
    hasThumbnail: bool


def media_object(row: Mapping[Any, Any]) -> Media:
    """Return a medium as http-api 4.1 has it, from its row."""
    return {
        "id": str(row["id"]),
        "peripheralId": row["peripheral_id"],
        "kitId": row["kit_id"],
        "kitConfigurationId": row["kit_configuration_id"],
        "datetime": format_time(row["datetime"]),
        "name": row["name"],
        "type": row["type"],
        "metadata": row["metadata"],
        "size": row["size"],
        "hasThumbnail": row["thumbnail"] == "made",
    }
