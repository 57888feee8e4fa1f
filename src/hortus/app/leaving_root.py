"""What `hortus` does first when root starts it: it goes on as an unprivileged account.

Whatever serves parses what strangers send. So before a command is even imported, the process replaces itself by
one of the account, without groups and capabilities, which can never get root's rights back. That is only
possible if the account can reach the programs and the data; if not, nothing starts unless the operator allows
root. See docs/decisions/0012-nothing-that-serves-runs-as-root.md.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from hortus.app.command_line.terminal import messages
from hortus.base.embedded_postgres.account import USER_NAME, find_or_make_user
from hortus.base.errors import UsageError
from hortus.base.installation.handing_over import Account, account_of, hand_over, named_account
from hortus.base.settings import Settings, read_settings
from hortus.flow.gateway.settings import GatewaySettings, read_gateway_settings

SERVING = frozenset({"up", "web", "gateway", "ingest", "rpc", "jobs", "sink", "broker sync"})
"""The commands that run until they are stopped, and parse what strangers send."""

WRITING_ELSEWHERE = frozenset({"export", "simulate", "broker seed"})
"""Commands that write files for root, wherever it is; they listen to nobody."""

_GROUPS_OF_COMMANDS = frozenset({"broker", "gateway"})
_PORT_OPTION = re.compile(r"--(?:[a-z]+-)*port")
_LOWEST_ORDINARY_PORT = 1024
_CHECK_SECONDS = 60
# Imports what every command needs, and looks at the directory, if there is one.
_CHECK = "import os, sys, hortus.app.command_line.main\nfor each in sys.argv[1:]: os.stat(each)"


class NotAsRoot(UsageError):
    """The command does not run as root, and no other account can run it."""


def leave_root(arguments: Sequence[str]) -> None:
    """Go on as an unprivileged account, if this is root; returns only if there is nothing to leave.

    Other commands stay root, unless they work in a data directory of another account: what they write there
    must belong to it. Raises NotAsRoot or UsageError, with advice.
    """
    command = _command(arguments)
    if os.geteuid() != 0 or command is None:
        return
    # Those of gateways only where they are used: a wrong one stops no other command.
    settings = read_gateway_settings() if command.split()[0] in {"up", "gateway"} else read_settings()
    if settings.allow_root:
        return
    serves = command in SERVING
    places = list(_places(command, arguments, settings))
    owner = next((owner for place in places if (owner := account_of(place))), None)
    if not serves and (owner is None or command in WRITING_ELSEWHERE):
        return
    account = (named_account(settings.run_as) if serves and settings.run_as else owner) or _usual_account()
    start = _starting_as(account, keeps_low_ports=_has_low_port(arguments))
    _require_reachable(account, start, places)
    if command in {"up", "gateway"}:
        hand_over(places[0], account)
    if serves:
        messages.print(f"Started by root; going on as {account.name}.", style="dim")
    _go_on(account, [*start, sys.executable, "-P", "-m", "hortus", *arguments])


def _command(arguments: Sequence[str]) -> str | None:
    if not arguments or arguments[0].startswith("-") or "--help" in arguments:
        return None
    first, *others = arguments
    if first in _GROUPS_OF_COMMANDS and others and not others[0].startswith("-"):
        return f"{first} {others[0]}"
    return first


def _places(command: str, arguments: Sequence[str], settings: Settings) -> Iterator[Path]:
    """Yield the directories that the command works in; first the one that it makes if it is missing."""
    if isinstance(settings, GatewaySettings) and command != "up":
        yield settings.gateway_spool_dir.expanduser().absolute()
    named = _value_of("--data-dir", arguments)
    if named is not None:
        yield Path(named).expanduser().absolute()
    elif command == "up" or (settings.database_url is None and _is_meant(settings)):
        yield settings.data_dir.expanduser().absolute()


def _is_meant(settings: Settings) -> bool:
    return "data_dir" in settings.model_fields_set or settings.data_dir.is_dir()


def _value_of(option: str, arguments: Sequence[str]) -> str | None:
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == option:
            return value if equals else next(iter(arguments[index + 1 :]), None)
    return None


def _has_low_port(arguments: Sequence[str]) -> bool:
    """Return whether the command is to listen on a port that only root may take."""
    names = {argument.partition("=")[0] for argument in arguments}
    values = [_value_of(name, arguments) for name in names if _PORT_OPTION.fullmatch(name)]
    values.append(os.environ.get("HORTUS_GATEWAY_PORT"))
    return any(value and value.isdecimal() and 0 < int(value) < _LOWEST_ORDINARY_PORT for value in values)


def _usual_account() -> Account:
    user = asyncio.run(find_or_make_user())
    if user is None:
        raise NotAsRoot(
            f"Hortus does not run as root, and the account {USER_NAME!r} could not be made. Make it with "
            f"`useradd --system {USER_NAME}`, or name another with HORTUS_RUN_AS."
        )
    return Account.of(user)


def _starting_as(account: Account, *, keeps_low_ports: bool) -> list[str]:
    """Return the command prefix that runs a program as the account, without groups and privileges."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise NotAsRoot(
            "Hortus does not run as root, and needs the program setpriv to change to another account. Install "
            "the package util-linux, or start Hortus as an ordinary user."
        )
    kept = "-all,+net_bind_service" if keeps_low_ports else "-all"
    return [
        *(setpriv, f"--reuid={account.user_id}", f"--regid={account.group_id}", "--clear-groups"),
        *(f"--bounding-set={kept}", f"--inh-caps={kept}", f"--ambient-caps={kept}"),
        *("--no-new-privs", "--"),
    ]


def _require_reachable(account: Account, start: Sequence[str], places: Sequence[Path]) -> None:
    needed = [str(place if place.exists() else place.parent / ".") for place in places]
    done = subprocess.run(
        # By way of `env`: setpriv itself still has capabilities when it looks for the program.
        [*start, "env", sys.executable, "-P", "-c", _CHECK, *needed],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=_environment(account),
        timeout=_CHECK_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        where = " or ".join([sys.prefix, *map(str, places)])
        reason = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise NotAsRoot(
            f"Hortus does not run as root, and the account {account.name} cannot use {where} ({reason}). Keep "
            "them outside private directories such as /root, or start Hortus as an ordinary user. To run "
            "everything as root nevertheless, set HORTUS_ALLOW_ROOT=1."
        )


def _environment(account: Account) -> dict[str, str]:
    return {**os.environ, "HOME": account.home, "USER": account.name, "LOGNAME": account.name}


def _go_on(account: Account, command: Sequence[str]) -> NoReturn:
    os.execve(command[0], list(command), _environment(account))  # noqa: S606  (a shell is not wanted)
