"""A served API on a real database, and its users."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.domain.accounts.tables import UserRow
from hortus.domain.accounts.tokens import Tokens
from hortus.domain.kits.store import CreatedKit, KitStore, NewKit
from hortus.http.access.services import ApiParts

TOKEN_KEY = b"a key of the tests that signs tokens"
PROBLEM = "application/problem+json"

_numbers = itertools.count(1)


class Clock:
    """The current time, unless a test moves it."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.ahead_seconds, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user with a valid access token."""

    id: int
    username: str
    headers: dict[str, str]


@dataclass(slots=True, kw_only=True)
class Installation:
    """A served API with direct access to its database and stores."""

    base_url: str
    engine: AsyncEngine
    clock: Clock
    parts: ApiParts
    client: httpx.AsyncClient
    kits: KitStore = field(default_factory=KitStore)

    async def person(self, *, is_admin: bool = False) -> Person:
        """Return a new user. Their password hash matches no password, which saves the hashing."""
        username = f"person-{next(_numbers)}"
        async with self.engine.begin() as connection:
            user_id = await connection.scalar(
                insert(UserRow)
                .values(
                    username=username,
                    display_name=username.title(),
                    password_hash="none",
                    email_address=f"{username}@example.org",
                    gravatar_alternative=f"random-{username}",
                    is_admin=is_admin,
                )
                .returning(UserRow.id)
            )
        assert user_id is not None
        token = Tokens(TOKEN_KEY, self.clock).access(user_id)
        return Person(id=user_id, username=username, headers={"Authorization": f"Bearer {token}"})

    async def kit(self, *, public: bool = False, on_map: bool = False) -> CreatedKit:
        """Return a new kit without members."""
        async with self.engine.begin() as connection:
            return await self.kits.create(
                connection, NewKit(name="Basil", public_dashboard=public, show_on_map=on_map)
            )

    async def member(
        self, kit: CreatedKit, *, access_super: bool = False, access_configure: bool = False
    ) -> Person:
        """Return a new user who is a member of the kit."""
        person = await self.person()
        await self.join(kit, person, access_super=access_super, access_configure=access_configure)
        return person

    async def join(
        self, kit: CreatedKit, person: Person, *, access_super: bool = False, access_configure: bool = False
    ) -> int:
        """Make the person a member and return the membership's id."""
        membership_id = await self.scalar(
            "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure) "
            "VALUES (:user_id, :kit_id, '2026-01-02T03:04:05Z', :access_super, :access_configure) RETURNING id",
            user_id=person.id,
            kit_id=kit.id,
            access_super=access_super,
            access_configure=access_configure,
        )
        assert isinstance(membership_id, int)
        return membership_id

    async def kits_deleted(self, *kits: CreatedKit) -> None:
        """Delete these kits."""
        async with self.engine.begin() as connection:
            for kit in kits:
                await self.kits.delete(connection, kit.serial)

    async def scalar(self, statement: str, **parameters: Any) -> Any:
        """Run a statement and return the first value of its first row."""
        async with self.engine.begin() as connection:
            return await connection.scalar(text(statement), parameters)

    async def run(self, statement: str, **parameters: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), parameters)


def assert_problem(response: httpx.Response, status: int, kind: str = "about:blank", **members: Any) -> None:
    """Check everything about a problem document except its detail."""
    document = response.json()
    document.pop("detail", None)
    title = document.pop("title")
    assert title
    assert (response.status_code, document) == (status, {"type": kind, "status": status, **members})
    assert response.headers["content-type"] == PROBLEM


def assert_invalid(response: httpx.Response, **parameters: list[Any]) -> None:
    """Check that exactly these parameters are rejected, for exactly these reasons."""
    assert_problem(response, 400, "/probs/invalid-parameters", invalidParameters=parameters)
