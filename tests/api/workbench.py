"""A kit with configurations to work on, and valid rules and intervals."""

from __future__ import annotations

from typing import Any

import httpx
from api_client import Installation, Person

from hortus.domain.kits.store import CreatedKit

INTERVALS = {"intervals": {"measurementInterval": 60, "aggregateInterval": 1800}}
BAROMETER, HEATER, CAMERA, LOGGER, REAL_CAMERA, SOIL_PROBE = 3, 4, 5, 6, 13, 15


def rules(climate: str = "Climate", heater: str = "Heater", command: str = "heat", quantity: int = 1) -> Any:
    time = {"activeFrom": "00:00:00", "activeTo": "23:59:59"}
    return {
        "fuzzyControl": {
            "input": {
                climate: {
                    str(quantity): {
                        "nominalRange": 1.0,
                        "nominalDeltaRange": 0.5,
                        "deltaMeasurements": 3,
                        "interpolated": True,
                        "setpoints": [{"time": "00:00:00", "value": 19}, {"time": "07:00:00", "value": 24.5}],
                    }
                }
            },
            "output": {heater: {command: {"type": "continuous", "continuous": {"minimal": 0, "maximal": 10}}}},
            "rules": [
                {
                    "condition": [
                        {
                            "peripheral": climate,
                            "quantityType": quantity,
                            "fuzzyVariable": "largeNegative",
                            "negation": False,
                            "delta": False,
                        }
                    ],
                    "implication": [{"peripheral": heater, "command": command, "fuzzyVariable": "maximal"}],
                    "schedules": [],
                    **time,
                }
            ],
        }
    }


class Workbench:
    """A kit, its owner, and shortcuts to work on its configurations."""

    def __init__(self, api: Installation, kit: CreatedKit, owner: Person) -> None:
        self.api, self.kit, self.owner = api, kit, owner

    @classmethod
    async def of(cls, api: Installation) -> Workbench:
        kit = await api.kit()
        return cls(api, kit, await api.member(kit, access_configure=True))

    async def request(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        content = {} if body is None else {"json": body}
        return await self.api.client.request(
            method, path, params=query or None, headers=self.owner.headers, **content
        )

    async def configuration(self, description: str | None = None) -> dict[str, Any]:
        made = await self.request(
            "POST", f"/kits/{self.kit.serial}/configurations", {"description": description}
        )
        assert made.status_code == 200
        document: dict[str, Any] = made.json()
        return document

    async def add(self, configuration_id: int, definition: int, name: str, settings: Any) -> httpx.Response:
        body = {"peripheralDefinitionId": definition, "name": name, "configuration": settings}
        return await self.request("POST", f"/kit-configurations/{configuration_id}/peripherals", body)

    async def change(self, configuration_id: int, **body: Any) -> httpx.Response:
        return await self.request("PATCH", f"/kit-configurations/{configuration_id}", body)

    async def listed(self) -> list[dict[str, Any]]:
        response = await self.request("GET", f"/kits/{self.kit.serial}/configurations")
        assert response.status_code == 200
        documents: list[dict[str, Any]] = response.json()
        return documents

    async def runnable(self) -> int:
        configuration_id: int = (await self.configuration("Basil"))["id"]
        assert (await self.add(configuration_id, BAROMETER, "Climate", INTERVALS)).status_code == 200
        assert (await self.add(configuration_id, HEATER, "Heater", None)).status_code == 200
        return configuration_id
