from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hortus import __version__
from hortus.base.database.url import DatabaseUrl
from hortus.base.files import DirectoryNotUsable
from hortus.base.installation.data_directory import (
    DataDirectory,
    DirectoryDamaged,
    DirectoryInUse,
    DirectoryMissing,
    NewerInstallation,
    running_installation,
)
from hortus.base.installation.run_info import RunInfo
from waiting import PATIENCE_SECONDS

HOLD = """
import sys
from pathlib import Path
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import HortusError
from hortus.base.installation.data_directory import DataDirectory
from hortus.base.installation.run_info import RunInfo
try:
    directory = DataDirectory.open(Path(sys.argv[1]))
except HortusError as error:
    sys.exit(str(error))
directory.announce(RunInfo.of_this_process(DatabaseUrl.parse("postgresql://h/d")))
print("open", flush=True)
sys.stdin.read()
"""
URL = DatabaseUrl.parse("postgresql://hortus:geheim@127.0.0.1:5432/hortus")


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that has the data directory open."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "data")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    yield process
    process.kill()
    process.communicate()


def test_a_new_directory_is_for_its_owner_only(tmp_path):
    with DataDirectory.open(tmp_path / "data") as directory:
        parts = {directory.postgres, directory.media, directory.spool, directory.logs}
        assert directory.path.stat().st_mode & 0o777 == 0o700
        assert {path for path in directory.path.iterdir() if path.is_dir()} == {
            *parts,
            directory.path / "secrets",
        }
        for path in directory.path.iterdir():
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
        assert json.loads((directory.path / "installation.json").read_text()) == {
            "format": 1,
            "hortus_version": __version__,
        }


def test_an_existing_directory_is_opened_again(tmp_path):
    for _ in range(2):
        with DataDirectory.open(tmp_path / "data") as directory:
            assert directory.secrets.get_or_create("token", lambda: "one") == "one"


def test_a_second_opener_learns_who_holds_it_and_what_to_do(tmp_path, holder):
    with pytest.raises(DirectoryInUse) as caught:
        DataDirectory.open(tmp_path / "data")

    assert str(caught.value) == (
        f"Hortus already runs in {tmp_path}/data (process {holder.pid}). Stop it first, or choose another "
        "directory with --data-dir."
    )


def test_a_paused_holder_still_has_it(tmp_path, holder):
    holder.send_signal(signal.SIGSTOP)

    with pytest.raises(DirectoryInUse):
        DataDirectory.open(tmp_path / "data")


def test_a_killed_holder_releases_it(tmp_path, holder):
    assert running_installation(tmp_path / "data").process_id == holder.pid
    holder.kill()
    holder.wait()

    assert running_installation(tmp_path / "data") is None
    with DataDirectory.open(tmp_path / "data") as directory:
        assert not (directory.path / "run.json").exists()


def test_the_lock_is_not_inherited_by_programs_that_are_started(tmp_path):
    directory = DataDirectory.open(tmp_path / "data")
    program = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        directory.close()
        DataDirectory.open(tmp_path / "data").close()
    finally:
        program.kill()
        program.wait()


def test_a_running_installation_is_found_until_it_closes(tmp_path):
    info = RunInfo(
        process_id=os.getpid(),
        database_url="postgresql://hortus@127.0.0.1:5432/hortus",
        http_address="127.0.0.1:8080",
        mqtt_address="127.0.0.1:1883",
    )
    with DataDirectory.open(tmp_path / "data") as directory:
        assert running_installation(directory.path) is None
        directory.announce(
            RunInfo.of_this_process(URL, http_address="127.0.0.1:8080", mqtt_address="127.0.0.1:1883")
        )
        assert running_installation(directory.path) == info
        assert "geheim" not in (directory.path / "run.json").read_text()
    assert running_installation(tmp_path / "data") is None


def test_a_note_of_another_process_is_not_believed(tmp_path):
    with DataDirectory.open(tmp_path / "data") as directory:
        RunInfo(process_id=1, database_url="postgresql://h/d").write(directory.path / "run.json")

        assert running_installation(directory.path) is None


def test_a_newer_directory_is_refused_and_left_alone(tmp_path):
    DataDirectory.open(tmp_path / "data").close()
    path = tmp_path / "data" / "installation.json"
    path.write_text('{"format": 2, "hortus_version": "9.0.0"}')

    with pytest.raises(NewerInstallation) as caught:
        DataDirectory.open(tmp_path / "data")

    assert str(caught.value) == (
        f"The data directory {tmp_path}/data belongs to a newer version of Hortus (9.0.0; this is "
        f"{__version__}). Install that version or a later one."
    )
    assert json.loads(path.read_text())["format"] == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": "x"}', "null"])
def test_a_damaged_description_is_reported(tmp_path, content):
    DataDirectory.open(tmp_path / "data").close()
    (tmp_path / "data" / "installation.json").write_text(content)

    with pytest.raises(DirectoryDamaged, match=r"Restore it from a backup\.$"):
        DataDirectory.open(tmp_path / "data")


def test_a_missing_directory_is_reported_unless_it_may_be_created(tmp_path):
    with pytest.raises(DirectoryMissing, match=r"There is no data directory at .*hortus up --data-dir"):
        DataDirectory.open(tmp_path / "data", create=False)

    assert not (tmp_path / "data").exists()


def test_a_missing_parent_is_reported(tmp_path):
    with pytest.raises(DirectoryNotUsable) as caught:
        DataDirectory.open(tmp_path / "a" / "b")

    assert str(caught.value) == (
        f"Cannot use {tmp_path}/a/b: {tmp_path}/a does not exist. Make that directory first, or choose "
        "another one."
    )


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_in_place_of_the_directory_is_reported(tmp_path, place):
    (tmp_path / "file").touch()

    with pytest.raises(DirectoryNotUsable, match="a file and not a directory"):
        DataDirectory.open(tmp_path / place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
@pytest.mark.parametrize("existing", [True, False])
def test_a_directory_without_write_permission_is_reported(existing):
    parent = Path(tempfile.mkdtemp(dir="/tmp"))
    parent.chmod(0o555)
    directory = parent if existing else parent / "data"
    passing = [f"--{kind}=-all,+dac_read_search" for kind in ("bounding-set", "inh-caps", "ambient-caps")]
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *passing, "--"]
    try:
        done = subprocess.run(
            [*command, sys.executable, "-c", HOLD, str(directory)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
            cwd="/",
        )
    finally:
        shutil.rmtree(parent)

    assert done.returncode == 1
    assert done.stderr == (
        f"Cannot use {directory}: this user has no permission there. Choose another directory with "
        "--data-dir, or run Hortus as the user that owns it.\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_read_only_file_system_is_reported(tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this environment cannot mount a file system")
    try:
        with pytest.raises(DirectoryNotUsable, match="on a read-only file system"):
            DataDirectory.open(tmp_path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
