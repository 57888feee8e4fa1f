"""Endpoints for administrators: people, storage, the last day, and the log of what administrators did.

For everybody else they are answered like an unknown address: 401 without a valid token, 404 with one.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from hortus.base.times import format_time
from hortus.domain.accounts.administrators import LastAdministrator
from hortus.domain.accounts.api_keys import Scope
from hortus.domain.accounts.rules import InvalidAccount
from hortus.domain.accounts.store import User, UserNotFound, find_user
from hortus.domain.administration.figures import COURSE_KEYS, read_courses
from hortus.domain.administration.log import list_deeds
from hortus.domain.administration.people import Administrators
from hortus.domain.administration.storage import read_storage
from hortus.domain.kits.people import list_people
from hortus.domain.plants.account_deletion import SharesKits
from hortus.flow.quarantine.unknown_kits import list_unknown_kits
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.services import Services, UsedServices
from hortus.http.conventions.documentation import GUARDED, WITH_BODY, next_page, problems, request_body
from hortus.http.conventions.json_body import JsonBody, json_body
from hortus.http.conventions.paging import x_next
from hortus.http.conventions.parameters import IdInQuery
from hortus.http.conventions.problems import conflict, not_found
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.documents.accounts import invalid_account
from hortus.http.documents.administration import (
    LastDay,
    LogEntry,
    PasswordLink,
    Person,
    StorageReport,
    UnknownSerial,
    person_object,
    storage_object,
)

router = APIRouter(tags=["Administration"])

PAGE_SIZE = 100

PersonName = Annotated[str, Path(alias="username")]


class PersonBody(JsonBody):
    """The account to create. It has no password until its owner follows the link."""

    username: str
    email_address: str
    is_admin: bool = False


class RightBody(JsonBody):
    """Whether the person is an administrator."""

    is_admin: bool


@router.get(
    "/admin/people",
    responses=GUARDED | next_page("X-Next", "/admin/people?after=ada"),
    summary="List people",
)
async def show_people(
    services: UsedServices,
    caller: CurrentCaller,
    words: Annotated[str, Query(alias="q", max_length=100, description="In names or addresses.")] = "",
    after: Annotated[str, Query(max_length=100, description="Only user names after this one.")] = "",
) -> JsonReply[list[Person]]:
    """Lists all accounts by user name, 100 per page."""
    async with services.reading() as connection:
        await _administrator(connection, caller.require_scope(Scope.MANAGE))
        people = await list_people(
            connection, words=_without_nul(words), after=_without_nul(after), most=PAGE_SIZE + 1
        )
    page = people[:PAGE_SIZE]
    more = {"q": words or None, "after": page[-1].username} if len(people) > PAGE_SIZE else None
    headers = x_next("/admin/people", more) if more else None
    return JsonReply([person_object(each) for each in page], headers=headers)


@router.post(
    "/admin/people",
    status_code=201,
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(PersonBody, {"username": "flora", "emailAddress": "flora@example.org"}),
    summary="Create an account",
)
async def create_person(
    services: UsedServices,
    body: Annotated[PersonBody, Depends(json_body(PersonBody))],
    caller: CurrentCaller,
) -> JsonReply[PasswordLink]:
    """Returns a token that lets its holder choose the password once, within 3 days."""
    user_id = caller.require_person()
    try:
        async with services.writing() as connection:
            acting = await _administrator(connection, user_id)
            token = await _administrators(services, acting).create_person(
                connection,
                username=body.username,
                email_address=body.email_address,
                is_admin=body.is_admin,
            )
    except InvalidAccount as error:
        raise invalid_account(error) from error
    return JsonReply({"username": body.username.lower(), "token": token}, status_code=201)


@router.patch(
    "/admin/people/{username}",
    responses=GUARDED | WITH_BODY | problems(409),
    openapi_extra=request_body(RightBody, {"isAdmin": True}),
    response_class=Response,
    summary="Make a person an administrator, or no longer",
)
async def change_person(
    services: UsedServices,
    body: Annotated[RightBody, Depends(json_body(RightBody))],
    caller: CurrentCaller,
    username: PersonName,
) -> Response:
    """The only administrator stays one: 409."""
    user_id = caller.require_person()
    try:
        async with services.writing() as connection:
            acting = await _administrator(connection, user_id)
            await _administrators(services, acting).set_administrator(
                connection, _without_nul(username), is_admin=body.is_admin
            )
    except UserNotFound as error:
        raise not_found() from error
    except LastAdministrator as error:
        raise conflict(str(error)) from error
    return empty_reply()


@router.post(
    "/admin/people/{username}/password-link",
    responses=GUARDED,
    summary="Create a password link",
)
async def create_password_link(
    services: UsedServices, caller: CurrentCaller, username: PersonName
) -> JsonReply[PasswordLink]:
    """Returns a token that lets its holder replace the password once, within 3 days."""
    user_id = caller.require_person()
    try:
        async with services.writing() as connection:
            acting = await _administrator(connection, user_id)
            token = await _administrators(services, acting).make_password_link(
                connection, _without_nul(username)
            )
    except UserNotFound as error:
        raise not_found() from error
    return JsonReply({"username": username.lower(), "token": token})


@router.delete(
    "/admin/people/{username}/log-ins",
    responses=GUARDED,
    response_class=Response,
    summary="End all log-ins of a person",
)
async def end_log_ins(services: UsedServices, caller: CurrentCaller, username: PersonName) -> Response:
    """API keys of the person stay valid."""
    user_id = caller.require_person()
    try:
        async with services.writing() as connection:
            acting = await _administrator(connection, user_id)
            await _administrators(services, acting).end_sessions(connection, _without_nul(username))
    except UserNotFound as error:
        raise not_found() from error
    return empty_reply()


@router.delete(
    "/admin/people/{username}",
    responses=GUARDED | problems(409),
    response_class=Response,
    summary="Delete an account",
)
async def delete_person(services: UsedServices, caller: CurrentCaller, username: PersonName) -> Response:
    """Kits and readings stay. 409 for the only administrator, and if shared kits depend on the account."""
    user_id = caller.require_person()
    try:
        async with services.writing() as connection:
            acting = await _administrator(connection, user_id)
            await _administrators(services, acting).delete_person(connection, _without_nul(username))
    except UserNotFound as error:
        raise not_found() from error
    except (LastAdministrator, SharesKits) as error:
        raise conflict(str(error)) from error
    return empty_reply()


@router.get("/admin/storage", responses=GUARDED, summary="Get what is stored")
async def show_storage(services: UsedServices, caller: CurrentCaller) -> JsonReply[StorageReport]:
    """Sizes by kind and month, and when the disk is full if it goes on like that."""
    async with services.reading() as connection:
        await _administrator(connection, caller.require_scope(Scope.MANAGE))
        storage = await read_storage(connection, services.clock(), services.parts.database_folder)
    return JsonReply(storage_object(storage))


@router.get("/admin/last-day", responses=GUARDED, summary="Get the last 24 hours")
async def show_last_day(services: UsedServices, caller: CurrentCaller) -> JsonReply[LastDay]:
    """What became of messages from kits and to people, by hour."""
    async with services.reading() as connection:
        await _administrator(connection, caller.require_scope(Scope.MANAGE))
        courses = await read_courses(connection)
    counts = {course.key: list(course.counts) for course in courses.courses}
    stored, repeated, set_aside, refused, sent, given_up = (counts[key] for key in COURSE_KEYS)
    return JsonReply(
        {
            "hours": [format_time(hour) for hour in courses.hours],
            "stored": stored,
            "repeated": repeated,
            "setAside": set_aside,
            "refused": refused,
            "sent": sent,
            "givenUp": given_up,
        }
    )


@router.get("/admin/unknown-kits", responses=GUARDED, summary="List serials that no kit has")
async def show_unknown_kits(services: UsedServices, caller: CurrentCaller) -> JsonReply[list[UnknownSerial]]:
    """Of the newest 5,000 messages that came for no kit here; those with the most messages first."""
    async with services.reading() as connection:
        await _administrator(connection, caller.require_scope(Scope.MANAGE))
        unknown = await list_unknown_kits(connection)
    return JsonReply(
        [
            {
                "serial": each.serial,
                "messages": each.messages,
                "first": format_time(each.first_at),
                "last": format_time(each.last_at),
            }
            for each in unknown
        ]
    )


@router.get(
    "/admin/log",
    responses=GUARDED | next_page("X-Next", "/admin/log?before=100"),
    summary="List what administrators did",
)
async def show_log(
    services: UsedServices, caller: CurrentCaller, before: IdInQuery = None
) -> JsonReply[list[LogEntry]]:
    """Newest first, 100 per page. The newest 10,000 entries are kept."""
    async with services.reading() as connection:
        await _administrator(connection, caller.require_scope(Scope.MANAGE))
        deeds = await list_deeds(connection, before_id=before, most=PAGE_SIZE + 1)
    page = deeds[:PAGE_SIZE]
    headers = x_next("/admin/log", {"before": page[-1].id}) if len(deeds) > PAGE_SIZE else None
    entries: list[LogEntry] = [
        {
            "id": each.id,
            "at": format_time(each.at),
            "username": each.person,
            "deed": each.deed,
            "subject": each.subject,
            "count": each.count,
        }
        for each in page
    ]
    return JsonReply(entries, headers=headers)


async def _administrator(connection: AsyncConnection, user_id: int) -> User:
    """Return the caller, who is an administrator. Raises Problem 404 for others."""
    user = await find_user(connection, user_id)
    if user is None or not user.is_admin:
        raise not_found()
    return user


def _administrators(services: Services, acting: User) -> Administrators:
    return Administrators(acting=acting.username, passwords=services.passwords, tokens=services.tokens)


def _without_nul(text: str) -> str:
    return text.replace("\0", "")
