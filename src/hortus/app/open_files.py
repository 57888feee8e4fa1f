"""How many connections the system lets this process have."""

from __future__ import annotations

import resource

_ENOUGH = 65_536


def allow_many_connections() -> None:
    """Raise the limit on open files to what the system grants at most.

    The usual default of 1,024 is for programs that keep descriptors in sets of that size, which we do not. Each
    kit, page and live connection takes one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
