"""The files of the embedded PostgreSQL: created once with initdb, checked and configured at each start."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hortus.base.embedded_postgres.account import (
    ENVIRONMENT,
    POSTGRES_MAJOR,
    SystemUser,
    binaries,
    give_to,
    initdb_launcher,
)
from hortus.base.embedded_postgres.log import explain
from hortus.base.embedded_postgres.settings import (
    HOST_BASED_AUTHENTICATION,
    configuration,
    measure_box,
)
from hortus.base.errors import UsageError
from hortus.base.files import make_private_directory, not_usable, sync_directory, write_private_file

SUPERUSER = "postgres"
# An old memory card takes minutes to write the 40 MB of an empty database durably.
_INITDB_TIMEOUT_SECONDS = 600
_UNFINISHED = "data.new-"


class OtherPostgresVersion(UsageError):
    """The data was written by another major version of PostgreSQL."""


def check_version(data_directory: Path) -> bool:
    """Return whether there is data for our version of PostgreSQL; False if there is none yet.

    Raises OtherPostgresVersion if the data is of another version.
    """
    try:
        version = (data_directory / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError) as error:
        raise not_usable(data_directory, error if isinstance(error, OSError) else OSError()) from error
    if version != str(POSTGRES_MAJOR):
        raise OtherPostgresVersion(
            f"The data in {data_directory} was written by PostgreSQL {version}, this version of Hortus brings "
            f"PostgreSQL {POSTGRES_MAJOR}. Use the version of Hortus that wrote it, or move the data by dump "
            "and restore."
        )
    return True


async def create_cluster(data_directory: Path, account: SystemUser, superuser_password: str) -> None:
    """Create an empty PostgreSQL cluster in `data_directory`: completely and durably, or not at all.

    UTF-8 throughout, sorted by code point: this does not depend on the machine's libraries, so a system upgrade
    never corrupts an index. Pages have checksums, because memory cards do decay.
    """
    # A new name each time: the initdb of a Hortus that was killed just now may still be removing its files.
    unfinished = data_directory.with_name(_UNFINISHED + secrets.token_hex(4))
    try:
        for abandoned in data_directory.parent.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        make_private_directory(unfinished)
        give_to(account, unfinished)
        await _run_initdb(unfinished, account, superuser_password)
        unfinished.rename(data_directory)
        sync_directory(data_directory.parent)
    except OSError as error:
        raise not_usable(data_directory, error) from error


def configure_cluster(data_directory: Path, account: SystemUser) -> None:
    """Write the configuration files of this version of Hortus, so that an upgrade of Hortus takes effect."""
    contents = {
        "postgresql.conf": configuration(measure_box(data_directory)),
        "pg_hba.conf": HOST_BASED_AUTHENTICATION,
    }
    for name, content in contents.items():
        path = data_directory / name
        try:
            unchanged = path.read_text(encoding="utf-8") == content
        except FileNotFoundError:
            unchanged = False
        except OSError as error:
            raise not_usable(path, error) from error
        if not unchanged:
            write_private_file(path, content, owner=account.owner)


@contextmanager
def handed_over(data_directory: Path, account: SystemUser) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name of the directory for a program run as `account`, and the descriptors to pass to it.

    Another user may lack permission on the directories above it; see the module `account`.
    """
    if not account.switch:
        yield str(data_directory), ()
        return
    descriptor = os.open(data_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


async def _run_initdb(directory: Path, account: SystemUser, superuser_password: str) -> None:
    start = await initdb_launcher(account)
    # In memory, so that no copy of the password is ever left on the disk.
    password_file = os.memfd_create("password")
    try:
        os.write(password_file, f"{superuser_password}\n".encode())
        with handed_over(directory, account) as (name, descriptors):
            process = await asyncio.create_subprocess_exec(
                *start,
                str(binaries() / "initdb"),
                *_initdb_options(name, f"/proc/self/fd/{password_file}"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=ENVIRONMENT,
                cwd="/",
                pass_fds=(*descriptors, password_file),
                start_new_session=True,
            )
    finally:
        os.close(password_file)
    output = await _output_of(process)
    if process.returncode != 0:
        raise explain(output, directory, directory.parent / "postgres.log")


def _initdb_options(directory: str, password_file: str) -> list[str]:
    return [
        f"--pgdata={directory}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth-local=scram-sha-256",
        "--auth-host=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
    ]


async def _output_of(process: asyncio.subprocess.Process) -> str:
    """Wait for initdb; on timeout or cancellation, kill it together with the servers that it starts."""
    try:
        async with asyncio.timeout(_INITDB_TIMEOUT_SECONDS):
            output, _ = await process.communicate()
    except BaseException:  # also when cancelled: initdb must not keep running alone; raised again
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    return output.decode("utf-8", errors="replace")
