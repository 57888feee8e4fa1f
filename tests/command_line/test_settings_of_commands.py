"""Every command finds its database, and the data directory, in the same way, however an operator names it.

Each way names a place that cannot be used, and the error tells which place that was: a URL with an unknown
parameter, or a directory that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from hortus.app.command_line.main import app
from hortus.base.errors import HortusError
from hortus.flow.gateway.spool import open_keeper
from programs import free_port

# What they work on is no database.
ABOUT_A_SPOOL = {
    "gateway status",
    "gateway damage-seen",
    "gateway set-aside list",
    "gateway set-aside retry",
    "gateway set-aside drop",
}
WITHOUT_DATABASE = {
    **dict.fromkeys(ABOUT_A_SPOOL, "the spool of a gateway"),
    "message test": "the mail server",
    "recipe check": "a file",
    "recipe compare": "files",
    "kafka topics create": "Kafka",
    "kafka topics check": "Kafka",
    "up": "the data directory, in which it makes the database",
}
# Processes of an installation on many machines, which has no data directory.
WITHOUT_DATA_DIRECTORY = {"ingest", "rpc", "sink"}

ARGUMENTS = {
    "mqtt account add": ["wall", "--read", "kit/#"],
    "mqtt account remove": ["wall", "--yes"],
    "kit create": ["--name", "Kit"],
    "kit commands": ["k-serial"],
    "kit configurations deleted": ["k-serial"],
    "kit configurations restore": ["k-serial", "1"],
    "kit password": ["k-serial"],
    "kit delete": ["k-serial", "--yes"],
    "user create": ["ada", "--email", "ada@example.org", "--generate-password"],
    "user admin": ["ada", "--grant", "--yes"],
    "user delete": ["ada", "--yes"],
    "user password": ["ada", "--generate-password"],
    "export": ["k-serial"],
    "plant show": ["1"],
    "species show": ["1"],
    "media list": ["k-serial"],
    "message retry": ["--all"],
    "simulate": ["--host", "127.0.0.1"],
    "quarantine show": ["1"],
    "quarantine replay": ["--all"],
    "quarantine purge": ["--all", "--yes"],
    "db repair": ["raw_measurements"],
    "gateway add": ["shed"],
    "gateway set-aside retry": ["--all"],
    "gateway set-aside drop": ["--all", "--yes"],
    "gateway remove": ["shed", "--yes"],
    "board adopt": ["1", "--name", "Board"],
    "board add": ["--name", "Board"],
    "board forget": ["1", "--yes"],
    "broker seed": ["--output", "seed.json"],
    "web": ["--port", "0"],
    "gateway": ["--port", "0"],
}
OTHER_SETTINGS = {
    "HORTUS_BROKER_ADMIN_PASSWORD": "secret",
    "HORTUS_BROKER_KEY": "secret",
    "MQTT_USERNAME": "hortus",
    "MQTT_PASSWORD": "secret",
    "TOKEN_SIGNER_KEY": "signer.key",
    "HORTUS_MEDIA_KEEP_ALL_DAYS": "1",
}


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Walk over all commands, including those that also have commands below them."""
    if isinstance(command, TyperGroup):
        if path and command.invoke_without_command:
            yield " ".join(path), command
        context = typer.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))
    else:
        yield " ".join(path), command


ROOT = get_command(app)
ALL = [name for name, _ in commands(ROOT)]
WITH_DATABASE = [name for name in ALL if name not in WITHOUT_DATABASE]
WITH_DATA_DIRECTORY = [
    *(name for name in WITH_DATABASE if name not in WITHOUT_DATA_DIRECTORY),
    *sorted(ABOUT_A_SPOOL),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATABASE_URL", "DATABASE_URL_FILE", "HORTUS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in OTHER_SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "signer.key").write_text("k" * 48)
    return tmp_path


def url_with(parameter: str) -> str:
    return f"postgresql://127.0.0.1:{free_port()}/hortus?{parameter}=1"


def complaint(name: str, *options: str) -> str:
    """Return the sentence with which the command fails."""
    with pytest.raises(HortusError) as failed:
        ROOT.main([*name.split(), *ARGUMENTS.get(name, []), *options], standalone_mode=False)
    return str(failed.value)


def test_no_exception_is_named_that_is_no_command() -> None:
    assert {*WITHOUT_DATABASE, *WITHOUT_DATA_DIRECTORY, *ARGUMENTS} <= set(ALL)


@pytest.mark.parametrize("name", WITH_DATABASE)
def test_every_command_takes_the_database_from_the_environment_or_from_a_secret_file(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "url").write_text(url_with("in_the_file") + "\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(folder / "url"))
    assert "'in_the_file'" in complaint(name)
    # Images set variables to empty texts.
    monkeypatch.setenv("DATABASE_URL", "")
    assert "'in_the_file'" in complaint(name)
    monkeypatch.setenv("HORTUS_DATA_DIR", str(folder / "nowhere"))
    assert "'in_the_file'" in complaint(name)
    monkeypatch.setenv("DATABASE_URL", url_with("in_the_environment"))
    assert "'in_the_environment'" in complaint(name)


@pytest.mark.parametrize("name", WITH_DATA_DIRECTORY)
def test_every_command_takes_a_data_directory_and_one_on_its_command_line_goes_first(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HORTUS_DATA_DIR", str(folder / "in-the-environment"))
    assert str(folder / "in-the-environment") in complaint(name)
    monkeypatch.setenv("DATABASE_URL", url_with("in_the_environment"))
    monkeypatch.setenv("HORTUS_GATEWAY_SPOOL_DIR", str(folder / "spool-in-the-environment"))
    said = complaint(name, "--data-dir", str(folder / "on-the-line"))
    assert str(folder / "on-the-line") in said


def test_every_command_that_takes_a_data_directory_is_among_these() -> None:
    takes = {name for name, command in commands(ROOT) if "data_dir" in {each.name for each in command.params}}
    assert takes - set(WITH_DATA_DIRECTORY) == {"up"}


def make_spool(directory: Path) -> None:
    directory.mkdir(parents=True)
    open_keeper(directory, most_bytes=1024 * 1024).close()


@pytest.mark.parametrize("place", ["hortus-data/spool", "hortus-gateway"])
@pytest.mark.parametrize("name", sorted(ABOUT_A_SPOOL))
def test_commands_about_a_spool_find_that_of_hortus_up_and_that_of_a_gateway_of_its_own(
    name: str, place: str, folder: Path
) -> None:
    said = complaint(name)
    assert "hortus-data/spool or hortus-gateway" in said
    assert "--data-dir" in said
    make_spool(folder / place)
    ROOT.main([*name.split(), *ARGUMENTS.get(name, [])], standalone_mode=False)


def test_where_there_are_two_spools_a_command_says_which_it_is_about(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_spool(folder / "hortus-data" / "spool")
    make_spool(folder / "hortus-gateway")
    ROOT.main(["gateway", "status"], standalone_mode=False)
    said = " ".join(capsys.readouterr().err.split())
    assert "This is about hortus-data/spool. There is another spool in hortus-gateway" in said
    monkeypatch.setenv("HORTUS_GATEWAY_SPOOL_DIR", str(folder / "hortus-gateway"))
    ROOT.main(["gateway", "status"], standalone_mode=False)
    assert capsys.readouterr().err == ""
