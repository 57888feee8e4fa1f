"""Process resources for long uptimes: garbage collection, and the limit on open files."""

from __future__ import annotations

import gc
import resource

_ENOUGH_FILES = 65_536

# A request creates hundreds of objects whose lifetimes overlap at random; with Python's default of 700, two
# requests trigger a collection.
_YOUNG_OBJECTS = 10_000
_COLLECTIONS_PER_GENERATION = 20


def settle_memory() -> None:
    """Make garbage collection examine new objects only, and less often. Call it once everything is set up.

    Requests spent a sixth of their processor time on scanning modules and models again and again, and an
    ingester a fifth: waiting readings are young objects, so with Python's default of 700 each batch triggered
    collections.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, _COLLECTIONS_PER_GENERATION, _COLLECTIONS_PER_GENERATION)


def allow_many_connections() -> None:
    """Raise the limit on open files to the maximum that the system allows.

    The usual default of 1,024 is for programs that keep descriptors in sets of that size, which we do not. Each
    kit, page and live connection takes one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
