"""Logging in, and accounts (plantkeeper 4.3 and 4.5)."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.domain.accounts.log_ins import end_all_log_ins, start_log_in
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.profiles import ProfileChange, change_profile, find_profile_by_address
from hortus.domain.accounts.store import User, authenticate, create_user, set_password
from hortus.domain.accounts.tokens import SESSION_LIFETIME
from hortus.http.access.addresses import network_of
from hortus.http.access.caller import Caller
from hortus.http.conventions.json_body import JsonBody
from hortus.http.conventions.texts import ANY_TEXT
from hortus.http.plantkeeper.accounts import Account, delete_account, find_account, list_accounts
from hortus.http.plantkeeper.answers import (
    NO_ACCESS,
    Refused,
    answering,
    body_of,
    id_in_path,
    json_reply,
    not_found,
)
from hortus.http.plantkeeper.parts import PlantKeeperParts
from hortus.http.plantkeeper.plants import LinkedPlant, plants_of_user, plants_visible_to
from hortus.http.plantkeeper.rows import user_row, user_with_relations_row
from hortus.http.plantkeeper.sensors import Sensor, list_sensors, list_sensors_of
from hortus.http.server.database_access import database_failures_translated


class LogInBody(JsonBody):
    """E-mail address and password."""

    email: Annotated[str, ANY_TEXT]
    password: Annotated[str, ANY_TEXT]


class NewUserBody(JsonBody):
    """A person who signs up. A role that they would like is not asked for."""

    username: Annotated[str, ANY_TEXT]
    email: Annotated[str, ANY_TEXT]
    password: Annotated[str, ANY_TEXT]


class UserChangeBody(JsonBody):
    """What is to be different. A new password needs the present one."""

    username: Annotated[str | None, ANY_TEXT] = None
    email: Annotated[str | None, ANY_TEXT] = None
    password: Annotated[str | None, ANY_TEXT] = None
    current_password: Annotated[str | None, ANY_TEXT] = None


class UsersApi:
    """Everything below `/auth` and `/users` that is about people."""

    def __init__(self, parts: PlantKeeperParts) -> None:
        self._parts = parts
        self._services = parts.services

    def routes(self) -> list[Route]:
        """Return the routes. Literal paths go before `/users/{id}`."""
        return [
            Route("/auth/login", answering(self.log_in), methods=["POST"]),
            Route("/profile", answering(self.show_me), methods=["GET"]),
            Route("/users", answering(self.sign_up), methods=["POST"]),
            Route("/users", answering(self.list_users), methods=["GET"]),
            Route("/users/me", answering(self.show_me), methods=["GET"]),
            Route("/users/me", answering(self.change_me), methods=["PATCH"]),
            Route("/users/{id}", answering(self.show_user), methods=["GET"]),
            Route("/users/{id}", answering(self.delete_user), methods=["DELETE"]),
        ]

    async def log_in(self, request: Request) -> Response:
        """Answer a token for a day; log-out and another password end it before."""
        wanted = await body_of(request, LogInBody)
        services = self._services
        async with services.reading() as connection:
            profile = await find_profile_by_address(connection, wanted.email.replace("\0", ""))
        # Counted by user name, as other ways to log in are; an address that nobody has counts as itself.
        username = profile.username if profile else wanted.email
        user = await self._authenticated(request, username, wanted.password)
        if user is None or profile is None:
            raise Refused(401, "Unauthorized")
        async with services.writing() as connection:
            token_id = await start_log_in(connection, user, services.clock(), SESSION_LIFETIME)
            account = await find_account(connection, user.id)
        if account is None:
            raise Refused(401, "Unauthorized")
        row = user_row(account)
        # What PlantKeeper's clients read in the token.
        claims = {"sub": str(user.id)} | {key: row[key] for key in ("email", "username", "role")}
        return json_reply({"access_token": services.tokens.session(user.id, token_id, claims)}, 201)

    async def sign_up(self, request: Request) -> Response:
        """Make an account, where the installation allows everybody to do so."""
        if not self._services.parts.sign_up_open:
            raise Refused(403, "Nobody can sign up here themselves. Ask the operator for an account.")
        wanted = await body_of(request, NewUserBody)
        self._services.limits.sign_ups.take(network_of(request))
        async with self._services.writing() as connection:
            user = await create_user(
                connection,
                self._services.passwords,
                username=wanted.username,
                email_address=wanted.email,
                password=wanted.password,
            )
            account = await find_account(connection, user.id)
        assert account is not None
        return json_reply(user_row(account), 201)

    async def list_users(self, request: Request) -> Response:
        """Answer everybody, to administrators; those may send an API key in the header `token` too."""
        caller = await self._parts.caller(request, with_token_header=True)
        async with self._services.reading() as connection:
            if not (await self._account_of(connection, caller)).is_admin:
                raise Refused(403, "Only administrators may see all users.")
            accounts = await list_accounts(connection)
            sensors = await list_sensors(connection, self._services.clock())
            plants = await plants_visible_to(connection, caller, self._services.clock())
        sensors_of: defaultdict[int | None, list[Sensor]] = defaultdict(list)
        for sensor in sensors:
            sensors_of[sensor.owner_id].append(sensor)
        plants_of: defaultdict[int | None, list[LinkedPlant]] = defaultdict(list)
        for linked in plants:
            plants_of[linked.plant.owner_id].append(linked)
        return json_reply(
            [
                user_with_relations_row(account, sensors_of[account.id], plants_of[account.id])
                for account in accounts
            ]
        )

    async def show_me(self, request: Request) -> Response:
        """Answer the caller's own row, with sensors and plants."""
        caller = await self._parts.caller(request)
        async with self._services.reading() as connection:
            account = await self._account_of(connection, caller)
            return json_reply(await self._with_relations(connection, caller, account))

    async def change_me(self, request: Request) -> Response:
        """Change address or password. The role cannot be changed here, and nobody changes their user name."""
        caller = await self._parts.caller(request)
        user_id = caller.require_person()
        wanted = await body_of(request, UserChangeBody)
        async with self._services.reading() as connection:
            account = await self._account_of(connection, caller)
        if wanted.username is not None and wanted.username.lower() != account.username:
            raise Refused(422, "A user name cannot be changed.")
        if wanted.password is not None:
            await self._require_password(request, account, wanted.current_password)
        async with self._services.writing() as connection:
            await change_profile(connection, user_id, ProfileChange(email_address=wanted.email))
            if wanted.password is not None:
                await _set_password(connection, self._services.passwords, account, wanted.password)
            changed = await self._account_of(connection, caller)
            return json_reply(await self._with_relations(connection, caller, changed))

    async def show_user(self, request: Request) -> Response:
        """Answer the row of the caller, or of anybody to administrators."""
        caller = await self._parts.caller(request)
        user_id = id_in_path(request, "User")
        async with self._services.reading() as connection:
            account = await self._reachable(connection, caller, user_id)
            return json_reply(await self._with_relations(connection, caller, account))

    async def delete_user(self, request: Request) -> Response:
        """Delete the caller's account, or anybody's for administrators. Kits and their readings stay."""
        caller = await self._parts.caller(request)
        caller.require_person()
        user_id = id_in_path(request, "User")
        async with self._services.writing() as connection:
            await self._reachable(connection, caller, user_id)
            await delete_account(connection, user_id)
        return Response()

    async def _authenticated(self, request: Request, username: str, password: str) -> User | None:
        services, network = self._services, network_of(request)
        services.limits.begin_log_in(network, username)
        with database_failures_translated():
            user = await authenticate(services.parts.engine, services.passwords, username, password)
        if user is not None:
            services.limits.log_in_succeeded(network, username)
        return user

    async def _require_password(self, request: Request, account: Account, password: str | None) -> None:
        if password is None or await self._authenticated(request, account.username, password) is None:
            raise Refused(422, "To change the password, send the present one as currentPassword.")

    async def _account_of(self, connection: AsyncConnection, caller: Caller) -> Account:
        account = await find_account(connection, caller.require_user())
        if account is None:
            raise Refused(401, NO_ACCESS)
        return account

    async def _reachable(self, connection: AsyncConnection, caller: Caller, user_id: int) -> Account:
        own = await self._account_of(connection, caller)
        account = await find_account(connection, user_id)
        if account is None or not (own.is_admin or own.id == user_id):
            raise not_found(f"User {user_id}")
        return account

    async def _with_relations(
        self, connection: AsyncConnection, caller: Caller, account: Account
    ) -> dict[str, Any]:
        now = self._services.clock()
        sensors = await list_sensors_of(connection, account.id, now, owned_only=True)
        plants = await plants_of_user(connection, caller, account.id, now)
        return user_with_relations_row(account, sensors, plants)


async def _set_password(
    connection: AsyncConnection, passwords: Passwords, account: Account, password: str
) -> None:
    """Set a password, which ends all log-ins, this one too."""
    await set_password(connection, passwords, account.username, password)
    await end_all_log_ins(connection, account.id)
