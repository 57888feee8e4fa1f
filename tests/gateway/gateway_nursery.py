"""A process that starts gateways in an instant, so that they can be killed often: it loads everything once.

For each line on its standard input it forks a process that runs `hortus gateway`, and prints its process id.
The settings come from the environment; the only argument is the port.
"""

from __future__ import annotations

import os
import sys

import uvloop

from hortus.app.command_line.terminal import configure_logging
from hortus.app.gateway import run_gateway
from hortus.flow.gateway.settings import read_gateway_settings


def main() -> None:
    settings = read_gateway_settings()
    port = int(sys.argv[1])
    for _line in sys.stdin:
        child = os.fork()
        if child == 0:
            configure_logging("ERROR")
            uvloop.run(run_gateway(settings, host="127.0.0.1", port=port, data_dir=None))
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
