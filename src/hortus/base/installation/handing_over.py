"""Accounts of the system, and how a directory that root made is handed over to one of them."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from hortus.base.errors import UsageError
from hortus.base.files import PRIVATE_DIRECTORY, not_usable

# One of these is in each directory that Hortus has used; nothing else is handed over.
_OURS = ("hortus.lock", "installation.json", "gateway.lock", "gateway.sqlite3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of the system that is not root."""

    name: str
    user_id: int
    group_id: int
    home: str

    @classmethod
    def of(cls, user: pwd.struct_passwd) -> Account:
        return cls(name=user.pw_name, user_id=user.pw_uid, group_id=user.pw_gid, home=user.pw_dir)


def named_account(name: str) -> Account:
    """Return the account of this name or user id. Raises UsageError if there is none, or if it is root."""
    try:
        user = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except (KeyError, OverflowError) as error:
        raise UsageError(
            f"HORTUS_RUN_AS names the account {name}, which this system does not have. Make it with "
            f"`useradd --system {name}`, or name another."
        ) from error
    if user.pw_uid == 0:
        raise UsageError(
            "HORTUS_RUN_AS names root. Name another account, or set HORTUS_ALLOW_ROOT=1 to run as root."
        )
    return Account.of(user)


def account_of(directory: Path) -> Account | None:
    """Return the account that owns a directory; None if that is root, or if there is no such directory."""
    try:
        status = directory.stat()
    except OSError:
        return None
    if status.st_uid == 0:
        return None
    try:
        user = pwd.getpwuid(status.st_uid)
    except KeyError:  # as in a container's volume
        return Account(name=str(status.st_uid), user_id=status.st_uid, group_id=status.st_gid, home="/")
    return Account.of(user)


def hand_over(directory: Path, account: Account) -> None:
    """Make the account the owner of a directory of Hortus, which is created if its parent exists.

    Only what root owns changes hands. Raises UsageError if the directory belongs to a third account, or to
    something else than Hortus, and DirectoryNotUsable.
    """
    try:
        if not directory.exists():
            if directory.parent.is_dir():
                directory.mkdir(mode=PRIVATE_DIRECTORY)
                os.chown(directory, account.user_id, account.group_id)
            return
        owner_id = directory.stat().st_uid
        if owner_id == account.user_id or not directory.is_dir():
            return
        if owner_id != 0:
            raise UsageError(
                f"{directory} belongs to the user {owner_id}, not to {account.name}. Set HORTUS_RUN_AS to its "
                f"owner, or hand it over with `chown -R {account.name}: {directory}`."
            )
        if any(directory.iterdir()) and not any((directory / name).exists() for name in _OURS):
            raise UsageError(
                f"{directory} is not empty and was not made by Hortus, so it is not handed over to "
                f"{account.name}. Choose another directory."
            )
        _give(directory, account)
    except OSError as error:
        raise not_usable(directory, error) from error


def _give(directory: Path, account: Account) -> None:
    """Change the owner of what root owns, by descriptors: no link that appears meanwhile is followed."""
    for _, directories, files, descriptor in os.fwalk(directory, topdown=False):
        for name in (*directories, *files):
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            # Another name of a file elsewhere, such as /etc/shadow, stays root's. Hortus makes no such names.
            is_linked = stat.S_ISREG(status.st_mode) and status.st_nlink > 1
            if status.st_uid == 0 and not is_linked:
                os.chown(name, account.user_id, account.group_id, dir_fd=descriptor, follow_symlinks=False)
    # Last, because its owner marks the rest as done.
    os.chown(directory, account.user_id, account.group_id)
