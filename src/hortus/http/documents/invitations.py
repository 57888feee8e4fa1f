"""JSON objects of invitations to a kit."""

from __future__ import annotations

from typing_extensions import TypedDict

from hortus.base.times import format_time
from hortus.domain.kits import invitations
from hortus.http.conventions.replies import TimeText


class Invitation(TypedDict):
    """An invitation that can still be used, without its token."""

    id: int
    accessConfigure: bool
    accessSuper: bool
    note: str | None
    uses: int
    usesLeft: int
    createdAt: TimeText
    expiresAt: TimeText
    invitedBy: str


class NewInvitation(Invitation):
    """A new invitation. Its token is not shown again: `/invitations/` and the token are the link's path."""

    token: str


class OpenedInvitation(TypedDict):
    """What whoever has an invitation may know of it."""

    kitSerial: str
    kitName: str | None
    accessConfigure: bool
    accessSuper: bool
    invitedBy: str
    expiresAt: TimeText


def invitation_object(invitation: invitations.Invitation) -> Invitation:
    """Return the JSON object."""
    return {
        "id": invitation.id,
        "accessConfigure": invitation.access_configure,
        "accessSuper": invitation.access_super,
        "note": invitation.note,
        "uses": invitation.uses,
        "usesLeft": invitation.uses_left,
        "createdAt": format_time(invitation.created_at),
        "expiresAt": format_time(invitation.expires_at),
        "invitedBy": invitation.invited_by,
    }


def opened_invitation_object(invitation: invitations.Invitation) -> OpenedInvitation:
    """Return the JSON object."""
    return {
        "kitSerial": invitation.kit_serial,
        "kitName": invitation.kit_name,
        "accessConfigure": invitation.access_configure,
        "accessSuper": invitation.access_super,
        "invitedBy": invitation.invited_by,
        "expiresAt": format_time(invitation.expires_at),
    }
