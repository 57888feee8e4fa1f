"""Limits per person, so that one account cannot fill the box. Administrators may exceed them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """The maximum of each thing; see the settings of the same names (hortus.base.settings)."""

    kits_per_person: int = 500
    boards_per_person: int = 500
    plants_per_person: int = 2000
    species_per_person: int = 500
    api_keys_per_person: int = 50
    services_per_person: int = 10
    members_per_kit: int = 500


DEFAULT_QUOTAS = Quotas()

LATE_MONTHS_PER_HOUR = 12
"""How many months late readings of one kit may open within an hour, unless the operator sets another number.

Months in which the installation ran exist, so this concerns only readings from before: of a kit with a year of
them. A clock that jumps would open all months since 2010.
"""
