"""The web application with both APIs, on a database and a pipeline, and users of PlantKeeper's clients."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from sqlalchemy import insert, text

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.domain.accounts.tables import UserRow
from hortus.domain.accounts.tokens import Tokens
from hortus.flow.gateway.gateways import add_gateway
from hortus.flow.gateway.limits import Network
from hortus.http.access.services import ApiParts, open_reading_engine
from hortus.http.api.app import create_api
from hortus.http.app import WebDependencies, create_app
from hortus.http.plantkeeper.app import create_plantkeeper_api
from hortus.http.plantkeeper.parts import PlantKeeperParts
from hortus.http.server.server import bind, serving
from ingest_world import World
from waiting import PATIENCE_SECONDS

TOKEN_KEY = b"a key of the tests that signs tokens"
MONSTERA = {
    "type": "Monstera",
    "humidityMin": 40,
    "humidityMax": 60,
    "lightMin": 500,
    "lightMax": 1500,
    "temperatureMin": 18,
    "temperatureMax": 27,
    "description": "d",
}

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gardener:
    """A user who logged in at this API."""

    id: int
    email: str
    headers: dict[str, str]


@dataclass(slots=True, kw_only=True)
class PlantKeeper:
    """A served installation. `url` is the base URL for PlantKeeper's clients."""

    world: World
    port: int
    client: httpx.AsyncClient

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    async def gardener(self, *, is_admin: bool = False) -> Gardener:
        """Return a new user. Their password hash matches no password, which saves the hashing."""
        name = f"gardener-{next(_numbers)}"
        async with self.world.engine.begin() as connection:
            user_id = await connection.scalar(
                insert(UserRow)
                .values(
                    username=name,
                    display_name=name,
                    password_hash="none",
                    email_address=f"{name}@example.org",
                    gravatar_alternative="x",
                    is_admin=is_admin,
                )
                .returning(UserRow.id)
            )
        assert user_id is not None
        token = Tokens(TOKEN_KEY, now).access(user_id)
        headers = {"Authorization": f"Bearer {token}"}
        return Gardener(id=user_id, email=f"{name}@example.org", headers=headers)

    async def join(self, gardener: Gardener, sensor_id: int, *, configure: bool = False) -> None:
        """Make the user a member of a sensor's kit."""
        await self.run(
            "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure)"
            " SELECT :user_id, kit_id, now(), false, :configure FROM boards WHERE sensor_id = :sensor_id",
            user_id=gardener.id,
            sensor_id=sensor_id,
            configure=configure,
        )

    async def sensor(self, gardener: Gardener, name: str = "pot 1") -> int:
        """Register a sensor and return its number."""
        made = await self.client.post(
            "/users/sensors", json={"name": name, "remark": ""}, headers=gardener.headers
        )
        assert made.status_code == 201, made.text
        return int(made.json()["id"])

    async def plant(self, gardener: Gardener, **body: Any) -> Any:
        """Make a plant and return its row."""
        wanted = {"name": "Monty", "remark": "", "generalPlant": {"id": 1}, **body}
        made = await self.client.post("/users/plants", json=wanted, headers=gardener.headers)
        assert made.status_code == 201, made.text
        return made.json()

    async def gateway_token(self, name: str = "greenhouse") -> str:
        """Make a gateway and return its token."""
        async with self.world.engine.begin() as connection:
            return await add_gateway(connection, name)

    async def run(self, statement: str, **parameters: Any) -> None:
        async with self.world.engine.begin() as connection:
            await connection.execute(text(statement), parameters)

    async def scalar(self, statement: str, **parameters: Any) -> Any:
        """Return the first value of a statement's first row."""
        async with self.world.engine.connect() as connection:
            return await connection.scalar(text(statement), parameters)

    async def stored(self, sensor_id: int) -> list[tuple[str, float]]:
        """Return everything stored of a board, in the order of time."""
        rows = await self.world.connection.fetch(
            "SELECT q.physical_quantity, r.value FROM raw_measurements r"
            " JOIN kits k ON k.id = r.kit_id JOIN quantity_types q ON q.id = r.quantity_type_id"
            " WHERE k.serial = $1 ORDER BY r.datetime, q.id",
            f"pk-{sensor_id}",
        )
        return [(row[0], row[1]) for row in rows]


@asynccontextmanager
async def serve_plantkeeper(
    world: World,
    *,
    open_networks: tuple[Network, ...] = (),
    sign_up_open: bool = True,
    takes_readings: bool = True,
    **parts: Any,
) -> AsyncIterator[PlantKeeper]:
    """Serve the web application on the world's database."""
    url = DatabaseUrl.parse(world.url)
    async with open_reading_engine(url) as reading_engine:
        api = create_api(
            ApiParts(
                engine=world.engine,
                connect=connector(url, "test api"),
                reading_engine=reading_engine,
                token_key=TOKEN_KEY,
                sign_up_open=sign_up_open,
                **parts,
            )
        )
        plantkeeper = create_plantkeeper_api(
            PlantKeeperParts(
                services=api.state.services,
                intake=world.pipeline if takes_readings else None,
                open_networks=open_networks,
            )
        )
        app = create_app(
            WebDependencies(services=api.state.services, secret_key="secret", api=api, plantkeeper=plantkeeper)
        )
        listener = bind("127.0.0.1", 0)
        port = listener.getsockname()[1]
        base_url = f"http://127.0.0.1:{port}/api/v1"
        async with (
            serving(app, listener),
            httpx.AsyncClient(base_url=base_url, verify=False, timeout=PATIENCE_SECONDS) as client,
        ):
            yield PlantKeeper(world=world, port=port, client=client)


def assert_error(response: httpx.Response, status: int, message: str | None = None) -> None:
    """Check that an error has NestJS's format and a message."""
    document = response.json()
    assert (response.status_code, document["statusCode"]) == (status, status), response.text
    assert document.keys() == {"message", "error", "statusCode"}
    assert document["message"] if message is None else document["message"] == message
    assert response.headers["content-type"] == "application/json"


def now() -> datetime:
    return datetime.now(UTC)
