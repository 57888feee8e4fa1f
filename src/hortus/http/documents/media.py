"""JSON objects of media (http-api 4.1), for the API and the live feed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

from hortus.base.times import format_time
from hortus.http.conventions.replies import TimeText, UuidText


class Media(TypedDict):
    """A picture or another file. `size` is in bytes; `metadata` is whatever the kit sent with it.

    `hasThumbnail` is also false while the thumbnail is still to be made.
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
    """Return the medium in this row."""
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
