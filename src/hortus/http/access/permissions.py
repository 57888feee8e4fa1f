"""Permissions by role: the table of http-api 3.1, here and nowhere else.

An administrator of the installation may do everything with every kit. An API key may do what its owner may,
limited to its scopes; what everyone may do needs no scope.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from hortus.domain.accounts.api_keys import Scope


class Permission(StrEnum):
    """The permissions, named and ordered as in `GET /permissions`."""

    VIEW = "view"
    SUBSCRIBE_REAL_TIME_MEASUREMENTS = "subscribeRealTimeMeasurements"
    DELETE = "delete"
    DELETE_MEDIA = "deleteMedia"
    RESET_PASSWORD = "resetPassword"  # noqa: S105  (a permission, not a password)
    EDIT_DETAILS = "editDetails"
    EDIT_CONFIGURATION = "editConfiguration"
    EDIT_MEMBERS = "editMembers"
    EDIT_SUPER_MEMBERS = "editSuperMembers"
    RPC_VERSION = "rpcVersion"
    RPC_UPTIME = "rpcUptime"
    RPC_PERIPHERAL_COMMAND = "rpcPeripheralCommand"
    RPC_PERIPHERAL_COMMAND_LOCK = "rpcPeripheralCommandLock"


class Role(StrEnum):
    """A person's relation to a kit."""

    STRANGER = "stranger"  # anonymous, or not a member
    MEMBER = "member"
    CONFIGURER = "configurer"
    SUPER = "super"
    ADMINISTRATOR = "administrator"


_SEE = frozenset({Permission.VIEW, Permission.SUBSCRIBE_REAL_TIME_MEASUREMENTS})
_EDIT = frozenset({Permission.DELETE_MEDIA, Permission.EDIT_DETAILS, Permission.EDIT_CONFIGURATION})
_EVERYTHING = frozenset(Permission)

_OF_ROLE: dict[Role, frozenset[Permission]] = {
    Role.STRANGER: frozenset(),
    Role.MEMBER: _SEE,
    Role.CONFIGURER: _SEE | _EDIT,
    Role.SUPER: _EVERYTHING,
    Role.ADMINISTRATOR: _EVERYTHING,
}

_OF_SCOPE: dict[Scope, frozenset[Permission]] = {
    Scope.READ: _SEE,
    Scope.CONFIGURE: _EDIT,
    Scope.CONTROL: frozenset(
        {
            Permission.RPC_VERSION,
            Permission.RPC_UPTIME,
            Permission.RPC_PERIPHERAL_COMMAND,
            Permission.RPC_PERIPHERAL_COMMAND_LOCK,
        }
    ),
    Scope.MANAGE: frozenset(
        {
            Permission.DELETE,
            Permission.RESET_PASSWORD,
            Permission.EDIT_MEMBERS,
            Permission.EDIT_SUPER_MEMBERS,
        }
    ),
}


def permissions_of(role: Role, *, is_public: bool) -> frozenset[Permission]:
    """Return the permissions of this role for a kit with a public or private dashboard."""
    return _OF_ROLE[role] | (_SEE if is_public else frozenset())


def within_scopes(
    permissions: frozenset[Permission], scopes: Collection[Scope], *, is_public: bool
) -> frozenset[Permission]:
    """Return those of these permissions that a credential with these scopes may use."""
    granted = permissions_of(Role.STRANGER, is_public=is_public)
    for scope in scopes:
        granted |= _OF_SCOPE[scope]
    return permissions & granted


def role_of(*, is_admin: bool, access_super: bool | None, access_configure: bool | None) -> Role:
    """Return the role; the flags are None for someone who is not a member."""
    if is_admin:
        return Role.ADMINISTRATOR
    if access_super:
        return Role.SUPER
    if access_configure:
        return Role.CONFIGURER
    return Role.STRANGER if access_super is None else Role.MEMBER
