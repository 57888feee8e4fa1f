"""Memory of a process that lives for months: what was made at its start will not become garbage."""

from __future__ import annotations

import gc

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
