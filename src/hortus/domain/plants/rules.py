"""Validation of species and plants. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hortus.base.errors import UsageError
from hortus.domain.plants.state import Range

MOST_NAME_CHARACTERS = 80
MOST_TEXT_CHARACTERS = 4000
MOST_SCIENTIFIC_NAME_CHARACTERS = 120
MOST_IMAGE_CHARACTERS = 2000
MOST_RANGES = 100

MOST_LINKS_PER_PLANT = 500
"""Including past links, which are the plant's history."""

MOST_PLANTS_PER_KIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenPlantRule:
    """A fault of one field; `lengths` (least and most, in characters) is set for a text of the wrong length."""

    field: str
    message: str
    lengths: tuple[int, int] | None = None


class InvalidPlant(UsageError):
    """A species, plant or link cannot be created or changed like this; `broken_rules` has all reasons."""

    def __init__(self, *broken_rules: BrokenPlantRule) -> None:
        super().__init__(" ".join(broken.message for broken in broken_rules))
        self.broken_rules = broken_rules


class TooManyLinks(UsageError):
    """A plant or a kit has the maximum number of links."""

    def __init__(self, most: int, of_what: str) -> None:
        super().__init__(f"There are already {most} {of_what}, which is the limit. Delete some first.")


def require_valid(
    *,
    name: str | None = None,
    description: str | None = None,
    remark: str | None = None,
    image: str | None = None,
    scientific_name: str | None = None,
    sources: str | None = None,
    ranges: Mapping[int, Range] | None = None,
) -> None:
    """Validate the given fields. Raises InvalidPlant with all faults at once."""
    broken = [
        *_broken_by_length("name", name, 1, MOST_NAME_CHARACTERS),
        *_broken_by_length("description", description, 0, MOST_TEXT_CHARACTERS),
        *_broken_by_length("remark", remark, 0, MOST_TEXT_CHARACTERS),
        *_broken_by_length("image", image, 1, MOST_IMAGE_CHARACTERS),
        *_broken_by_length("scientificName", scientific_name, 1, MOST_SCIENTIFIC_NAME_CHARACTERS),
        *_broken_by_length("sources", sources, 0, MOST_TEXT_CHARACTERS),
        *_broken_by_ranges(ranges or {}),
    ]
    if broken:
        raise InvalidPlant(*broken)


def require_valid_range(own: Range) -> None:
    """Validate a plant's own range, which may have no bounds. Raises InvalidPlant."""
    broken = broken_by_range("range", own)
    if broken:
        raise InvalidPlant(broken)


def broken_by_range(field: str, each: Range) -> BrokenPlantRule | None:
    """Return the fault in the bounds of a range, or None."""
    bounds = [bound for bound in (each.minimum, each.maximum) if bound is not None]
    if not all(map(math.isfinite, bounds)):
        return BrokenPlantRule(field=field, message="A bound must be a finite number.")
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        message = f"The minimum, {bounds[0]:g}, is above the maximum, {bounds[1]:g}."
        return BrokenPlantRule(field=field, message=message)
    return None


def _broken_by_length(field: str, text: str | None, least: int, most: int) -> list[BrokenPlantRule]:
    if text is None or least <= len(text) <= most:
        return []
    message = f"The {field} must have {least} to {most} characters; this one has {len(text)}."
    return [BrokenPlantRule(field=field, message=message, lengths=(least, most))]


def _broken_by_ranges(ranges: Mapping[int, Range]) -> list[BrokenPlantRule]:
    if len(ranges) > MOST_RANGES:
        return [BrokenPlantRule(field="ranges", message=f"A species has at most {MOST_RANGES} ranges.")]
    broken = [found for each in ranges.values() if (found := broken_by_range("ranges", each))]
    if any(each.is_open for each in ranges.values()):
        message = "A range needs a minimum, a maximum, or both."
        broken.append(BrokenPlantRule(field="ranges", message=message))
    return broken
