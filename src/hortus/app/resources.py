"""What a process that lives for months needs of the system: settled memory, and many open files."""

from __future__ import annotations

import gc
import resource

_ENOUGH_FILES = 65_536

# A request makes hundreds of objects that outlive each other by chance; with Python's 700, two requests cause
# a collection.
_YOUNG_OBJECTS = 10_000
_COLLECTIONS_PER_GENERATION = 20


def settle_memory() -> None:
    """Let garbage collection look at new objects only, and not with each request. Call it once all is made.

    Requests spent a sixth of their processor time on looking through modules and models again and again, and an
    ingester a fifth: readings that wait are young objects, so with Python's 700 each batch brought collections.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, _COLLECTIONS_PER_GENERATION, _COLLECTIONS_PER_GENERATION)


def allow_many_connections() -> None:
    """Raise the limit on open files to what the system grants at most.

    The usual default of 1,024 is for programs that keep descriptors in sets of that size, which we do not. Each
    kit, page and live connection takes one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
