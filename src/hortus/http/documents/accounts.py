"""JSON objects of accounts (http-api 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from hortus.base.times import format_optional_time, format_time
from hortus.domain.accounts.api_keys import ApiKey, Scope
from hortus.domain.accounts.log_ins import LogIn
from hortus.domain.accounts.profiles import Profile
from hortus.domain.accounts.rules import AccountRule, BrokenAccountRule, InvalidAccount
from hortus.http.conventions.problems import Problem, Reason, invalid_parameters, length_between
from hortus.http.conventions.replies import TimeText, UuidText


class User(TypedDict):
    """A person's public profile."""

    username: str
    displayName: str
    gravatar: str


class FullUser(TypedDict):
    """A person's own account, including private fields."""

    id: int
    username: str
    displayName: str
    emailAddress: str
    useEmailAddressForGravatar: bool
    gravatarAlternative: str
    timeZone: str | None
    language: Annotated[str | None, Field(description="Of the pages; null means as the browser asks.")]
    temperatureUnit: Literal["celsius", "fahrenheit"]
    clock: Literal["24h", "12h"]
    theme: Literal["system", "light", "dark"]
    shortcuts: Annotated[bool, Field(description="Whether pages react to keyboard shortcuts.")]


class TokenPair(TypedDict):
    """The tokens of a log-in."""

    refreshToken: str
    accessToken: str


class LogInObject(TypedDict):
    """One place where a person is logged in."""

    id: UuidText
    place: Literal["api", "pages"]
    createdAt: TimeText
    lastUsedAt: TimeText
    expiresAt: TimeText


class ApiKeyObject(TypedDict):
    """An API key, without its secret."""

    id: int
    name: str
    scopes: list[Scope]
    createdAt: TimeText
    lastUsedAt: TimeText | None
    expiresAt: TimeText


class NewApiKeyObject(ApiKeyObject):
    """A new API key. Its secret is not shown again."""

    key: str


def user_object(profile: Profile, viewer_id: int | None) -> User:
    """Return the person as the viewer may see them.

    The front-end derives a picture from the MD5 of `gravatar`. Only the person themselves gets their email
    address there; others get a random text that stays the same.
    """
    own_address = profile.id == viewer_id and profile.use_email_address_for_gravatar
    return {
        "username": profile.username,
        "displayName": profile.display_name,
        "gravatar": profile.email_address if own_address else profile.gravatar_alternative,
    }


def full_user_object(profile: Profile) -> FullUser:
    return {
        "id": profile.id,
        "username": profile.username,
        "displayName": profile.display_name,
        "emailAddress": profile.email_address,
        "useEmailAddressForGravatar": profile.use_email_address_for_gravatar,
        "gravatarAlternative": profile.gravatar_alternative,
        "timeZone": profile.appearance.time_zone,
        "language": profile.appearance.language,
        "temperatureUnit": profile.appearance.temperature_unit.value,
        "clock": profile.appearance.clock.value,
        "theme": profile.appearance.theme.value,
        "shortcuts": profile.appearance.shortcuts,
    }


def log_in_object(log_in: LogIn) -> LogInObject:
    return {
        "id": str(log_in.id),
        "place": log_in.place.value,
        "createdAt": format_time(log_in.created_at),
        "lastUsedAt": format_time(log_in.last_used_at),
        "expiresAt": format_time(log_in.expires_at),
    }


def api_key_object(key: ApiKey) -> ApiKeyObject:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "createdAt": format_time(key.created_at),
        "lastUsedAt": format_optional_time(key.last_used_at),
        "expiresAt": format_time(key.expires_at),
    }


def invalid_account(error: InvalidAccount, renamed: Mapping[str, str] | None = None) -> Problem:
    """Return the problem for an invalid account; `renamed` maps fields to other names."""
    reasons: dict[str, list[Reason]] = {}
    for broken in error.broken_rules:
        name = (renamed or {}).get(broken.field, broken.field)
        reasons.setdefault(name, []).append(_reason(broken))
        if broken.field == "username" and broken.rule is AccountRule.LENGTH:
            # The display name defaults to the user name, so it breaks the same rule (http-api 4.2).
            reasons["displayName"] = [_reason(broken)]
    return invalid_parameters(reasons, str(error))


def _reason(broken: BrokenAccountRule) -> Reason:
    if broken.rule is AccountRule.LENGTH:
        return length_between(broken.minimum or 0, broken.maximum or 0)
    return str(broken.rule)
