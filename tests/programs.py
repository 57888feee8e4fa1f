"""What tests need to start programs: ports that nobody uses, and an environment without settings of Hortus."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket

# Below the ports that the kernel gives to outgoing connections: it could give away one of those
# between our look and the start of the program.
_PORTS = range(15_000, 32_000)
_OURS = re.compile(r"HORTUS_|MQTT_|KAFKA_|AWS_|DATABASE_URL|LOG_LEVEL|TOKEN_SIGNER_KEY")

_chance = random.SystemRandom()


def system_program(name: str) -> str:
    """Return the path of a program, also of one that only root has on the PATH."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin")
    assert found, f"{name} is missing. `make test-tools` installs it, or says which command does."
    return found


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses now."""
    while True:
        port = _chance.choice(_PORTS)
        if _can_be_bound(port):
            return port


def answers(port: int) -> bool:
    """Tell whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _can_be_bound(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with these settings of Hortus and no others, for wide and plain output.

    Tests may run as root, in a place that no other account can reach.
    """
    kept = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
    return {**kept, "COLUMNS": "200", "NO_COLOR": "1", "HORTUS_ALLOW_ROOT": "1", **settings}


def browser_environment() -> dict[str, str | float | bool]:
    """This process's environment for Chromium, which makes a socket in TMPDIR, where a long path fails."""
    return {**os.environ, "TMPDIR": "/tmp"}
