"""User names that look like another: a Cyrillic o, full-width letters, a one for an l (Unicode UTS 39)."""

from __future__ import annotations

import disarm


def skeleton(name: str) -> str:
    """Return what all names that look like this one have in common.

    Not to be stored: it changes with the version of Unicode's tables.
    """
    return disarm.skeleton_key(name, digit_policy="tr39", on_empty=name)


def skeletons(name: str) -> frozenset[str]:
    """Return the skeletons of a name as typed and as stored: I looks like l, and i does not."""
    return frozenset((skeleton(name), skeleton(name.lower())))
