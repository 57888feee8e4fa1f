"""Started by root, Hortus goes on as an account without rights, or does not start."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import typer

import hortus
from hortus.app.command_line.main import COMMANDS, LazyCommands
from hortus.app.leaving_root import SERVING, WRITING_ELSEWHERE
from hortus.base.errors import UsageError
from hortus.base.installation.handing_over import Account, account_of, hand_over, named_account
from programs import environment, free_port
from waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave its rights")

NOBODY = named_account("nobody")
UNNAMED = 54_321
NET_BIND_SERVICE = 1 << 10
MOUNT = 'mount --bind "$1" "$2" && mount --bind "$3" "$4" && mount --bind "$5" "$6" && shift 6 && exec "$@"'
# Commands that end by themselves and listen to nobody. A new command goes here, or into SERVING.
OTHERS = {
    *WRITING_ELSEWHERE,
    *("kit", "user", "plant", "species", "recipe", "ledger", "media", "quarantine", "message", "db", "board"),
    *("kafka", "mqtt"),
    *(f"gateway {name}" for name in ("status", "set-aside", "damage-seen", "list", "add", "remove")),
}


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every account can reach, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def start(place: Path) -> list[str]:
    """What runs `hortus` where every account can reach it, in a mount namespace of its own."""
    mounts = []
    sources = (sys.base_prefix, sysconfig.get_path("purelib"), str(Path(hortus.__file__).parents[1]))
    for name, source in zip(("python", "packages", "source"), sources, strict=True):
        (place / name).mkdir()
        mounts += [source, str(place / name)]
    unshared = ["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT, "sh", *mounts]
    if subprocess.run([*unshared, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this environment cannot mount")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [*unshared, str(place / "python" / "bin" / f"python{version}"), "-m", "hortus"]


def settings_of(place: Path, **settings: str) -> dict[str, str]:
    """The environment of a command of that installation, in which root is not allowed."""
    paths = {
        "PYTHONHOME": str(place / "python"),
        "PYTHONPATH": f"{place / 'source'}:{place / 'packages'}",
        # A Python that was built below /root looks there for its own library.
        "LD_LIBRARY_PATH": str(place / "python" / "lib"),
    }
    chosen = environment(HORTUS_GATEWAY_PORT="0", **paths, **settings)
    if "HORTUS_ALLOW_ROOT" not in settings:
        del chosen["HORTUS_ALLOW_ROOT"]
    return chosen


@contextmanager
def running(start: list[str], place: Path, *arguments: object, **settings: str) -> Iterator[subprocess.Popen]:
    """Run a command until the context ends; what it says is in `place / "log"`."""
    with (place / "log").open("ab") as log:
        process = subprocess.Popen(
            [*start, *map(str, arguments)],
            stdout=log,
            stderr=log,
            env=settings_of(place, **settings),
            cwd=place,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def run(start: list[str], place: Path, *arguments: object, **settings: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*start, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=settings_of(place, **settings),
        cwd=place,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def status_of(process_id: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def family_of(process_id: int) -> list[dict[str, list[str]]]:
    """Return the status of a process and of everything that it started, as they are at one time."""
    all_of_them = {}
    for each in Path("/proc").iterdir():
        if each.name.isdecimal():
            with contextlib.suppress(OSError):  # it has ended
                all_of_them[int(each.name)] = status_of(int(each.name))
    family = [process_id]
    for member in family:
        family += [child for child, status in all_of_them.items() if int(status["PPid"][0]) == member]
    return [all_of_them[member] for member in family]


def require_no_rights(status: dict[str, list[str]], account: Account, kept: int = 0) -> None:
    assert status["Uid"] == [str(account.user_id)] * 4, status["Name"]
    assert status["Gid"] == [str(account.group_id)] * 4
    assert status["Groups"] == []
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name][0], 16) == kept, name
    assert status["NoNewPrivs"] == ["1"]


def has_left(process: subprocess.Popen, account: Account) -> bool:
    """Tell whether the process is past the program that changes the account."""
    assert process.poll() is None, "it has ended"
    program, *arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
    is_account = status_of(process.pid)["Uid"][0] == str(account.user_id)
    return is_account and b"python" in program and b"-P" in arguments


def wait_for_page(process: subprocess.Popen, place: Path, port: int) -> None:
    def answers() -> bool:
        assert process.poll() is None, (place / "log").read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, "it is ready")


def owners(directory: Path) -> set[int]:
    return {path.lstat().st_uid for path in (directory, *directory.rglob("*"))}


def usual_account() -> Account:
    return named_account("hortus")


def test_everything_of_one_box_runs_without_rights_and_its_files_are_its_own(
    start: list[str], place: Path
) -> None:
    data, http_port = place / "data", free_port()
    ports = ("--http-port", http_port, "--mqtt-port", free_port())
    for _ in range(2):
        with running(start, place, "up", "--data-dir", data, *ports) as process:
            wait_for_page(process, place, http_port)
            family = family_of(process.pid)
            assert len(family) > 5, "PostgreSQL is among them"
            for member in family:
                require_no_rights(member, usual_account())
            assert "going on as hortus" in (place / "log").read_text()
            assert run(start, place, "kit", "create", "--name", "Basil", "--data-dir", data).returncode == 0
        # What root's commands write while it is stopped must not stand in its way.
        made = run(start, place, "kit", "create", "--name", "Mint", "--json", "--data-dir", data)
        assert made.returncode == 0, made.stderr
        output = place / f"{json.loads(made.stdout)['serial']}.csv"
        serial = output.name.removesuffix(".csv")
        exported = run(start, place, "export", serial, "--output", output, "--data-dir", data)
        assert exported.returncode == 0, exported.stderr
        assert output.stat().st_uid == 0
        assert owners(data) == {usual_account().user_id}
        assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_a_data_directory_that_root_used_is_handed_over(start: list[str], place: Path) -> None:
    data, http_port = place / "data", free_port()
    ports = ("--http-port", http_port, "--mqtt-port", free_port())
    with running(start, place, "up", "--data-dir", data, *ports, HORTUS_ALLOW_ROOT="1") as process:
        wait_for_page(process, place, http_port)
        assert status_of(process.pid)["Uid"][0] == "0"
        said = "runs as root, as HORTUS_ALLOW_ROOT says"
        wait_until(lambda: said in (place / "log").read_text(), "it says so")
    assert 0 in owners(data)
    with running(start, place, "up", "--data-dir", data, *ports) as process:
        wait_for_page(process, place, http_port)
        assert owners(data) == {usual_account().user_id}


@pytest.mark.parametrize(
    "command",
    ["web --port 0", "gateway --port 0", "jobs", "ingest --to database", "rpc", "sink", "broker sync"],
)
def test_every_process_that_serves_leaves_roots_rights(start: list[str], place: Path, command: str) -> None:
    key = place / "token-signer.key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    os.chown(key, NOBODY.user_id, NOBODY.group_id)
    with socket.socket() as silent:  # accepts connections and never answers: each process waits for it
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = str(silent.getsockname()[1])
        settings = {
            "DATABASE_URL": f"postgresql://hortus:x@127.0.0.1:{port}/hortus",
            "TOKEN_SIGNER_KEY": str(key),
            "MQTT_PORT": port,
            "KAFKA_HOST": "127.0.0.1",
            "KAFKA_PORT": port,
            "HORTUS_MQTT_CLIENT_ID": "test",
            "HORTUS_BROKER_KEY": "b" * 44,
            "HORTUS_BROKER_ADMIN_PASSWORD": "x",
            "HORTUS_RUN_AS": "nobody",
        }
        with running(start, place, *command.split(), **settings) as process:
            wait_until(lambda: has_left(process, NOBODY), f"{command} has left root's rights")
            require_no_rights(status_of(process.pid), NOBODY)


def test_each_command_is_known_to_serve_or_not() -> None:
    known = set()
    group = LazyCommands(name="hortus")
    for name in COMMANDS:
        command = group.get_command(None, name)
        if name in {"broker", "gateway"}:
            known |= {f"{name} {each}" for each in command.list_commands(typer.Context(command))}
            known |= {name} if name in SERVING else set()
        else:
            known.add(name)
    assert known == SERVING | OTHERS
    assert not SERVING & OTHERS


def test_the_owner_of_a_data_directory_stays_its_owner_also_without_a_name(
    start: list[str], place: Path
) -> None:
    data = place / "data"
    data.mkdir(mode=0o700)
    os.chown(data, UNNAMED, UNNAMED)
    account = account_of(data)
    assert account == Account(name=str(UNNAMED), user_id=UNNAMED, group_id=UNNAMED, home="/")
    with running(start, place, "up", "--data-dir", data, "--http-port", "0", "--mqtt-port", "0") as process:
        wait_until(lambda: has_left(process, account), "it has left root's rights")


def test_a_port_of_root_is_taken_without_any_other_right_of_root(start: list[str], place: Path) -> None:
    port = next(port for port in range(1023, 600, -1) if can_be_bound(port))
    data = place / "data"
    with running(start, place, "up", "--data-dir", data, "--http-port", port, "--mqtt-port", "0") as process:
        wait_for_page(process, place, port)
        require_no_rights(status_of(process.pid), usual_account(), kept=NET_BIND_SERVICE)


def can_be_bound(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@pytest.mark.parametrize("command", ["up", "web", "gateway"])
def test_it_does_not_start_where_the_account_cannot_reach_its_data(
    start: list[str], place: Path, command: str
) -> None:
    private = place / "private"
    (private / "data").mkdir(parents=True)
    private.chmod(0o700)
    settings = {"HORTUS_GATEWAY_SPOOL_DIR": str(private / "data")}
    done = run(start, place, command, "--data-dir", private / "data", **settings)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Hortus does not run as root, and the account hortus cannot use ")
    assert str(private / "data") in done.stderr
    assert "HORTUS_ALLOW_ROOT=1" in done.stderr
    assert owners(private) == {0}


def test_it_does_not_start_where_the_account_cannot_reach_its_programs(start: list[str], place: Path) -> None:
    private = place / "private"
    private.mkdir(mode=0o700)
    *unshared, python, _, _ = start
    (private / "python").symlink_to(python)
    done = run([*unshared, str(private / "python"), "-m", "hortus"], place, "up", "--data-dir", place / "data")
    assert done.returncode == 2
    assert done.stderr.startswith("Hortus does not run as root, and the account hortus cannot use ")
    assert "Permission denied" in done.stderr
    assert not (place / "data").exists()


@pytest.mark.parametrize(
    ("name", "advice"), [("root", "names root"), ("0", "names root"), ("no-such-user", "useradd --system")]
)
def test_an_account_that_does_not_exist_or_is_root_is_refused(
    start: list[str], place: Path, name: str, advice: str
) -> None:
    done = run(start, place, "up", "--data-dir", place / "data", HORTUS_RUN_AS=name)
    assert done.returncode == 2
    assert advice in done.stderr
    assert not (place / "data").exists()


def test_a_command_that_serves_nobody_stays_what_it_was(start: list[str], place: Path) -> None:
    done = run(start, place, "kit", "list", "--data-dir", place / "nowhere")
    assert "There is no data directory" in done.stderr
    assert run(start, place, "--version").stdout.startswith("hortus ")


def test_only_what_is_hortuss_and_roots_is_handed_over(place: Path) -> None:
    secret = place / "shadow"
    secret.write_text("secret")
    data = place / "data"
    (data / "media").mkdir(parents=True)
    (data / "hortus.lock").touch()
    (data / "media" / "picture").touch()
    (data / "link").symlink_to(secret)
    os.link(secret, data / "media" / "other-name")
    (data / "somebody-elses").touch()
    os.chown(data / "somebody-elses", UNNAMED, UNNAMED)
    hand_over(data, NOBODY)
    found = {path.name: path.lstat().st_uid for path in (data, *data.rglob("*"))}
    nobody = NOBODY.user_id
    assert found == {
        **dict.fromkeys(("data", "media", "hortus.lock", "picture", "link"), nobody),
        "other-name": 0,
        "somebody-elses": UNNAMED,
    }
    assert secret.stat().st_uid == 0


def test_directories_of_others_are_not_handed_over(place: Path) -> None:
    etc = place / "etc"
    etc.mkdir()
    (etc / "passwd").touch()
    with pytest.raises(UsageError, match="not empty and was not made by Hortus"):
        hand_over(etc, NOBODY)
    assert owners(etc) == {0}
    (place / "of-another").mkdir()
    os.chown(place / "of-another", UNNAMED, UNNAMED)
    with pytest.raises(UsageError, match="belongs to the user 54321, not to nobody"):
        hand_over(place / "of-another", NOBODY)
