"""A kit with one of everything, and the shapes of the API's objects, key by key (http-api 4.1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
from api_client import Installation, Person

from hortus.domain.kits.store import CreatedKit
from hortus.domain.media.keys import ObjectKey

Shape = Any
"""A type, a predicate on values, a dict (exactly these keys), a list (all items alike), or a tuple (any)."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def time(value: Any) -> bool:
    """A moment in UTC, with no fraction or 3 or 6 digits of it."""
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def uuid(value: Any) -> bool:
    """A UUID in lower case."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def anything(_value: Any) -> bool:
    """Any JSON."""
    return True


def numbers(value: Any) -> bool:
    """A map of names to numbers that keep their `.0`."""
    return isinstance(value, dict) and all(isinstance(each, float) for each in value.values())


def assert_shape(value: Any, shape: Shape, place: str = "the reply") -> None:
    """Check that a value has exactly this shape."""
    if isinstance(shape, tuple):
        assert any(_fits(value, each) for each in shape), f"{place}: {value!r}"
    elif isinstance(shape, dict):
        assert isinstance(value, dict), f"{place}: {value!r}"
        assert value.keys() == shape.keys(), place
        for name, each in shape.items():
            assert_shape(value[name], each, f"{place}.{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), f"{place}: {value!r}"
        assert value, f"{place} is empty, so nothing was checked"
        for index, item in enumerate(value):
            assert_shape(item, shape[0], f"{place}[{index}]")
    elif isinstance(shape, type):
        # A boolean is an integer to Python, but not in JSON.
        assert type(value) is shape, f"{place}: {value!r}"
    else:
        predicate: Callable[[Any], bool] = shape
        assert predicate(value), f"{place}: {value!r}"


def _fits(value: Any, shape: Shape) -> bool:
    try:
        assert_shape(value, shape)
    except AssertionError:
        return False
    return True


_NONE = type(None)
TEXT = (str, _NONE)

USER = {"username": str, "displayName": str, "gravatar": str}
FULL_USER = {
    "id": int,
    "username": str,
    "displayName": str,
    "emailAddress": str,
    "useEmailAddressForGravatar": bool,
    "gravatarAlternative": str,
    "timeZone": (str, _NONE),
    "language": (str, _NONE),
    "temperatureUnit": str,
    "clock": str,
    "theme": str,
    "shortcuts": bool,
}
KIT = {
    "id": int,
    "serial": str,
    "name": TEXT,
    "description": TEXT,
    "latitude": (float, _NONE),
    "longitude": (float, _NONE),
    "privacyPublicDashboard": bool,
    "privacyShowOnMap": bool,
    "timeZone": (str, _NONE),
    "lastSeen": (time, _NONE),
}
MEMBERSHIP = {
    "id": int,
    "user": USER,
    "kit": KIT,
    "datetimeLinked": time,
    "accessSuper": bool,
    "accessConfigure": bool,
}
CHANGED_MEMBERSHIP = {**MEMBERSHIP, "user": int, "kit": int}
CONFIGURATION = {
    "id": int,
    "kitId": int,
    "description": TEXT,
    "controllerSymbolLocation": str,
    "controllerSymbol": str,
    "controlRules": anything,
    "active": bool,
    "neverUsed": bool,
}
PERIPHERAL = {
    "id": int,
    "kitId": int,
    "kitConfigurationId": int,
    "peripheralDefinitionId": int,
    "name": str,
    "configuration": anything,
}
CONFIGURATION_WITH_PERIPHERALS = {**CONFIGURATION, "peripherals": [PERIPHERAL]}
QUANTITY_TYPE = {"id": int, "physicalQuantity": str, "physicalUnit": str, "physicalUnitSymbol": TEXT}
PERIPHERAL_DEFINITION = {
    "id": int,
    "name": str,
    "description": TEXT,
    "brand": TEXT,
    "model": TEXT,
    "symbolLocation": str,
    "symbol": str,
    "configurationSchema": anything,
    "commandSchema": (dict, _NONE),
}
AGGREGATE = {
    "id": uuid,
    "peripheralId": int,
    "kitId": int,
    "kitConfigurationId": int,
    "quantityTypeId": int,
    "datetimeStart": time,
    "datetimeEnd": time,
    "values": numbers,
    "implausible": bool,  # an addition of ours
}
MEDIUM = {
    "id": uuid,
    "peripheralId": int,
    "kitId": int,
    "kitConfigurationId": int,
    "datetime": time,
    "name": str,
    "type": str,
    "metadata": anything,
    "size": int,
    "hasThumbnail": bool,  # ours; readers ignore what they do not know
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A private kit with an owner, another member, a configuration, a peripheral, an aggregate and a medium."""

    api: Installation
    kit: CreatedKit
    owner: Person
    stranger: Person
    membership_id: int
    configuration_id: int
    peripheral_id: int
    medium_id: str

    @property
    def at(self) -> str:
        """The kit's address."""
        return f"/kits/{self.kit.serial}"

    async def send(
        self, method: str, path: str, *, json: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send a request as the owner, or with other headers."""
        body: dict[str, Any] = {} if json is None else {"json": json}
        sent = self.owner.headers if headers is None else headers
        return await self.api.client.request(method, path, headers=sent, **body)


async def make_scene(api: Installation) -> Scene:
    """Return a new scene."""
    kit = await api.kit()
    owner = await api.member(kit, access_super=True, access_configure=True)
    configuration_id = await api.scalar(_INSERT_CONFIGURATION, kit=kit.id)
    peripheral_id = await api.scalar(_INSERT_PERIPHERAL, kit=kit.id, configuration=configuration_id)
    ids = {"kit": kit.id, "configuration": configuration_id, "peripheral": peripheral_id}
    await api.run(_INSERT_AGGREGATES, **ids)
    medium_id = uuid4()
    await api.run(_INSERT_MEDIUM, **ids, id=medium_id)
    objects = api.parts.media_objects
    assert objects is not None
    await objects.put(ObjectKey(kit.serial, medium_id), (b"png",), "image/png", size=3)
    return Scene(
        api=api,
        kit=kit,
        owner=owner,
        stranger=await api.person(),
        membership_id=await api.join(kit, await api.person()),
        configuration_id=configuration_id,
        peripheral_id=peripheral_id,
        medium_id=str(medium_id),
    )


_INSERT_CONFIGURATION = """
INSERT INTO kit_configurations (kit_id, controller_symbol_location, controller_symbol, control_rules)
VALUES (:kit, 'astroplant_kit.controller', 'AstroplantControllerV1', '{}') RETURNING id
"""
_INSERT_PERIPHERAL = """
INSERT INTO peripherals (kit_id, kit_configuration_id, peripheral_definition_id, name, configuration)
VALUES (:kit, :configuration, 4, 'Heater', 'null') RETURNING id
"""
# One more than a page.
_INSERT_AGGREGATES = """
INSERT INTO aggregate_measurements (datetime_start, datetime_end, id, kit_id, peripheral_id,
    kit_configuration_id, quantity_type_id, values)
SELECT at, at + interval '1 minute', gen_random_uuid(), :kit, :peripheral, :configuration, 1,
    '{"count": 2, "average": 20.5, "minimum": 20, "maximum": 21}'
FROM generate_series(timestamptz '2026-01-10T00:00:00Z', '2026-01-10T00:50:00Z', interval '1 minute') AS at
"""
_INSERT_MEDIUM = """
INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, datetime, name, type, metadata, size)
VALUES (:id, :peripheral, :kit, :configuration, '2026-01-10T00:00:00.25Z', 'leaf.png', 'image/png', 'null', 3)
"""
