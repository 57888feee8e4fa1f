"""Endpoints for notifications: channels, preferences and the delivery state of messages."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field
from starlette.responses import Response

from hortus.domain.accounts.room import QuotaReached
from hortus.domain.messages.channels import (
    Preferences,
    add_channel,
    change_channel,
    delete_channel,
    find_channel,
    list_channels,
    read_preferences,
    set_preferences,
)
from hortus.domain.messages.queue import list_messages
from hortus.domain.messages.services import MOST_URL_CHARACTERS, InvalidService
from hortus.domain.messages.tables import MOST_CHANNEL_NAME_CHARACTERS
from hortus.domain.messages.trial import NoSuchWay, queue_test
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.services import Services, UsedServices
from hortus.http.api.accounts import current_profile
from hortus.http.conventions.documentation import WITH_BODY, problems, request_body
from hortus.http.conventions.json_body import JsonBody, json_body
from hortus.http.conventions.parameters import Identifier
from hortus.http.conventions.problems import (
    OTHER,
    forbidden,
    invalid_parameters,
    length_between,
    not_found,
)
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.texts import NAME
from hortus.http.documents.notification_channels import (
    Message,
    NotificationChannel,
    NotificationPreferences,
    channel_object,
    message_object,
    preferences_object,
)

router = APIRouter(tags=["Messages"])

SHOWN_MESSAGES = 100

_ChannelId = Annotated[Identifier, Path(alias="channelId")]
_Name = Annotated[
    str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_CHANNEL_NAME_CHARACTERS}), NAME
]
_Url = Annotated[str, Field(json_schema_extra={"maxLength": MOST_URL_CHARACTERS, "writeOnly": True})]


class PreferencesBody(JsonBody):
    """The fields to change. A field that is absent or null keeps its value."""

    by_mail: bool | None = None
    of_shared_kits: bool | None = None
    when_over: bool | None = None
    when_silent: bool | None = None


class NewChannelBody(JsonBody):
    """The service to add."""

    name: _Name
    url: _Url


class ChannelChangeBody(JsonBody):
    """The fields to change. A field that is absent or null keeps its value."""

    name: _Name | None = None
    url: _Url | None = None
    enabled: bool | None = None


@router.get(
    "/me/notification-preferences",
    responses=problems(401, 403),
    summary="Get your notification preferences",
)
async def show_preferences(services: UsedServices, caller: CurrentCaller) -> JsonReply[NotificationPreferences]:
    """Returns what you are notified about, and whether by email."""
    user_id = caller.require_person()
    async with services.reading() as connection:
        preferences = await read_preferences(connection, user_id)
    return JsonReply(preferences_object(preferences, mail_available=services.messages.mail is not None))


@router.patch(
    "/me/notification-preferences",
    responses=problems(401, 403) | WITH_BODY,
    openapi_extra=request_body(PreferencesBody, {"byMail": True, "ofSharedKits": True}),
    summary="Update your notification preferences",
)
async def change_preferences(
    services: UsedServices,
    body: Annotated[PreferencesBody, Depends(json_body(PreferencesBody))],
    caller: CurrentCaller,
) -> JsonReply[NotificationPreferences]:
    """Changes apply from the next message on."""
    profile = await current_profile(services, caller.require_person())
    async with services.writing() as connection:
        old = await read_preferences(connection, profile.id)
        preferences = Preferences(
            by_mail=_changed(body.by_mail, old.by_mail),
            of_shared_kits=_changed(body.of_shared_kits, old.of_shared_kits),
            when_over=_changed(body.when_over, old.when_over),
            when_silent=_changed(body.when_silent, old.when_silent),
        )
        await set_preferences(connection, profile.id, preferences)
    return JsonReply(preferences_object(preferences, mail_available=services.messages.mail is not None))


@router.get(
    "/me/notification-channels",
    responses=problems(401, 403),
    summary="List your notification services",
)
async def show_channels(services: UsedServices, caller: CurrentCaller) -> JsonReply[list[NotificationChannel]]:
    """Lists your services in the order in which they were added, without their URLs.

    Email is not listed here; see the notification preferences.
    """
    user_id = caller.require_person()
    async with services.reading() as connection:
        rows = await list_channels(connection, user_id)
    return JsonReply([channel_object(row) for row in rows])


@router.post(
    "/me/notification-channels",
    status_code=201,
    responses=problems(401, 403) | WITH_BODY,
    openapi_extra=request_body(NewChannelBody, {"name": "My telephone", "url": "ntfys://my-secret-topic"}),
    summary="Add a notification service",
)
async def create_channel(
    services: UsedServices,
    body: Annotated[NewChannelBody, Depends(json_body(NewChannelBody))],
    caller: CurrentCaller,
) -> JsonReply[NotificationChannel]:
    """The URL is in Apprise format and contains the destination and its secret.

    It is stored encrypted and never shown again.
    """
    profile = await current_profile(services, caller.require_person())
    _require_valid_name(body.name)
    scheme = await _checked_scheme(services, body.url)
    try:
        async with services.writing() as connection:
            channel_id = await add_channel(
                connection,
                profile.id,
                name=body.name,
                scheme=scheme,
                sealed_url=services.messages.seal.close(body.url),
                most=services.parts.quotas.services_per_person,
            )
            row = await find_channel(connection, profile.id, channel_id)
    except QuotaReached as error:
        raise forbidden(str(error)) from error
    assert row is not None
    return JsonReply(channel_object(row), status_code=201)


@router.patch(
    "/me/notification-channels/{channelId}",
    responses=problems(401, 403, 404) | WITH_BODY,
    openapi_extra=request_body(ChannelChangeBody, {"enabled": False}),
    summary="Update a notification service",
)
async def patch_channel(
    services: UsedServices,
    body: Annotated[ChannelChangeBody, Depends(json_body(ChannelChangeBody))],
    caller: CurrentCaller,
    channel_id: _ChannelId,
) -> JsonReply[NotificationChannel]:
    """Rename the service, replace its URL, or turn it on or off."""
    user_id = caller.require_person()
    values: dict[str, object] = {}
    if body.name is not None:
        _require_valid_name(body.name)
        values["name"] = body.name
    if body.url is not None:
        values["scheme"] = await _checked_scheme(services, body.url)
        values["sealed_url"] = services.messages.seal.close(body.url)
    if body.enabled is not None:
        values["enabled"] = body.enabled
    async with services.writing() as connection:
        await change_channel(connection, user_id, channel_id, values)
        row = await find_channel(connection, user_id, channel_id)
    if row is None:
        raise not_found()
    return JsonReply(channel_object(row))


@router.delete(
    "/me/notification-channels/{channelId}",
    response_class=Response,
    responses=problems(401, 403, 404),
    summary="Delete a notification service",
)
async def remove_channel(services: UsedServices, caller: CurrentCaller, channel_id: _ChannelId) -> Response:
    """Messages still waiting to be sent through it are deleted as well."""
    user_id = caller.require_person()
    async with services.writing() as connection:
        if not await delete_channel(connection, user_id, channel_id):
            raise not_found()
    return empty_reply()


@router.get(
    "/me/messages",
    responses=problems(401, 403),
    summary="List messages sent to you",
)
async def show_messages(services: UsedServices, caller: CurrentCaller) -> JsonReply[list[Message]]:
    """The last hundred messages and their delivery state, newest first, without their contents."""
    user_id = caller.require_person()
    async with services.reading() as connection:
        rows = await list_messages(connection, user_id=user_id, most=SHOWN_MESSAGES)
    return JsonReply([message_object(row) for row in rows])


@router.post(
    "/me/test-message",
    status_code=202,
    responses=problems(401, 403),
    summary="Send yourself a test message",
)
async def send_test(services: UsedServices, caller: CurrentCaller) -> JsonReply[list[Message]]:
    """Sends a message through every enabled channel.

    Delivery may take a minute; `GET /me/messages` shows the outcome.
    """
    profile = await current_profile(services, caller.require_person())
    services.limits.test_messages.take(str(profile.id))
    async with services.writing() as connection:
        try:
            ids = await queue_test(connection, services.messages, profile.id, profile.display_name)
        except NoSuchWay as error:
            raise forbidden(str(error)) from error
        rows = await list_messages(connection, user_id=profile.id, most=SHOWN_MESSAGES)
    return JsonReply([message_object(row) for row in rows if row["id"] in ids], status_code=202)


def _changed(new: bool | None, old: bool) -> bool:
    return old if new is None else new


def _require_valid_name(name: str) -> None:
    if not 1 <= len(name) <= MOST_CHANNEL_NAME_CHARACTERS:
        raise invalid_parameters({"name": [length_between(1, MOST_CHANNEL_NAME_CHARACTERS)]})


async def _checked_scheme(services: Services, url: str) -> str:
    try:
        # In a thread: the library is loaded on the first call.
        return await asyncio.to_thread(services.messages.services.check, url)
    except InvalidService as error:
        raise invalid_parameters({"url": [OTHER]}, str(error)) from error
