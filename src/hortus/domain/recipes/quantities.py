"""The quantities of recipes: their keys, units, physical limits, and where a phase may set them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """The environments of a phase: while the light is on, while it is off, and the whole local day."""

    LIGHT = "light"
    DARK = "dark"
    DAY = "day"


class Quantity(StrEnum):
    """A quantity of a recipe by its key, in the order in which recipes are written."""

    AIR_TEMPERATURE = "airTemperature"
    ROOT_TEMPERATURE = "rootTemperature"
    HUMIDITY = "humidity"
    VPD = "vpd"
    LEAF_VPD = "leafVpd"
    CO2 = "co2"
    DEW_POINT_MARGIN = "dewPointMargin"
    PPFD = "ppfd"
    DLI = "dli"
    ADT = "adt"
    DIF = "dif"
    EC = "ec"
    PH = "ph"
    MOISTURE = "moisture"
    DRYBACK = "dryback"
    OVERNIGHT_DRYBACK = "overnightDryback"


@dataclass(frozen=True, slots=True)
class Meaning:
    """The unit of a quantity, the limits of what is possible (both included), and where a phase may set it.

    `is_daily`: a figure of a closed local day, which no single moment has.
    """

    unit: str
    minimum: float
    maximum: float
    places: frozenset[Place]
    is_daily: bool = False


MOST_PPFD = 2500.0
"""About full sun, in µmol/m²/s: more light is not given to plants, so that a daily sum has a limit, too."""

MOST_PPFD_IN_THE_DARK = 5.0
"""Brighter than this is not dark for a plant, in µmol/m²/s."""

_ANY = frozenset(Place)
_BY_LIGHT = frozenset({Place.LIGHT, Place.DARK})
_DAY = frozenset({Place.DAY})

MEANINGS: Mapping[Quantity, Meaning] = {
    Quantity.AIR_TEMPERATURE: Meaning("°C", -60, 80, _ANY),
    Quantity.ROOT_TEMPERATURE: Meaning("°C", -60, 80, _ANY),
    Quantity.HUMIDITY: Meaning("%", 0, 100, _ANY),
    Quantity.VPD: Meaning("kPa", 0, 10, _BY_LIGHT),
    Quantity.LEAF_VPD: Meaning("kPa", -5, 10, _BY_LIGHT),  # negative over a leaf colder than the dew point
    Quantity.CO2: Meaning("ppm", 0, 5000, _BY_LIGHT),  # above, people must not work for a day
    Quantity.DEW_POINT_MARGIN: Meaning("K", -20, 60, _BY_LIGHT),
    Quantity.PPFD: Meaning("µmol/m²/s", 0, MOST_PPFD, _BY_LIGHT),
    Quantity.DLI: Meaning("mol/m²/d", 0, 65, _DAY, is_daily=True),
    Quantity.ADT: Meaning("°C", -60, 80, _DAY, is_daily=True),
    Quantity.DIF: Meaning("K", -60, 60, _DAY, is_daily=True),
    Quantity.EC: Meaning("dS/m", 0, 20, _DAY),
    Quantity.PH: Meaning("", 0, 14, _DAY),
    Quantity.MOISTURE: Meaning("%", 0, 100, _DAY),
    Quantity.DRYBACK: Meaning("points", 0, 100, _DAY, is_daily=True),
    Quantity.OVERNIGHT_DRYBACK: Meaning("points", 0, 100, _DAY, is_daily=True),
}


def quantities_of(place: Place) -> list[Quantity]:
    """Return the quantities that a phase may set in this environment."""
    return [quantity for quantity, meaning in MEANINGS.items() if place in meaning.places]
