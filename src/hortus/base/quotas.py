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
