"""Photon flux density from illuminance: a factor for each kind of light, or a calibrated one. Pure.

A lux meter sees light as the eye does, a plant does not. The factor therefore belongs to the lamp above a
sensor. Under mixed light (sun and lamp) no single factor is right.

Sources: Thimijan & Heins 1983, HortScience 18(6):818; Apogee Instruments, conversion of PPFD to lux.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hortus.base.errors import UsageError
from hortus.domain.figures.limits import ILLUMINANCE_LUX, PPFD_UMOL, Limits, OutOfRange

FACTOR_UMOL_PER_LUX = Limits("The light factor (µmol/m²/s per lx)", 0.006, 0.15)
"""What is physically possible, roughly: 555 nm gives 0.0068, 450 nm gives 0.145."""


class NeedsCalibration(UsageError):
    """The kind of light differs too much from lamp to lamp; measure once with a quantum sensor."""


class Evidence(StrEnum):
    """How well a factor is known."""

    PUBLISHED = "published"
    WEAK = "weak"
    MEASURED = "measured"


class Light(StrEnum):
    """A kind of light above a sensor."""

    SUN = "sun"
    COOL_WHITE_FLUORESCENT = "coolWhiteFluorescent"
    METAL_HALIDE = "metalHalide"
    CERAMIC_METAL_HALIDE_4200_K = "ceramicMetalHalide4200K"
    CERAMIC_METAL_HALIDE_3100_K = "ceramicMetalHalide3100K"
    HIGH_PRESSURE_SODIUM_MOGUL = "highPressureSodiumMogul"
    HIGH_PRESSURE_SODIUM_DOUBLE_ENDED = "highPressureSodiumDoubleEnded"
    WHITE_LED = "whiteLed"
    WHITE_LED_WITH_RED = "whiteLedWithRed"
    RED_BLUE_LED = "redBlueLed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LightFactor:
    """µmol/m²/s per lx, with its relative error in % where one is known.

    Raises OutOfRange for an impossible factor.
    """

    umol_per_lux: float
    evidence: Evidence
    error_percent: float | None = None
    needs_calibration: bool = False

    def __post_init__(self) -> None:
        FACTOR_UMOL_PER_LUX.require(self.umol_per_lux)


def _published(umol_per_lux: float, error_percent: float | None = None) -> LightFactor:
    return LightFactor(umol_per_lux=umol_per_lux, evidence=Evidence.PUBLISHED, error_percent=error_percent)


def _weak(umol_per_lux: float, error_percent: float, *, needs_calibration: bool = False) -> LightFactor:
    return LightFactor(
        umol_per_lux=umol_per_lux,
        evidence=Evidence.WEAK,
        error_percent=error_percent,
        needs_calibration=needs_calibration,
    )


FACTORS = {
    Light.SUN: _published(0.0185, 5),
    Light.COOL_WHITE_FLUORESCENT: _published(0.0135),
    Light.METAL_HALIDE: _published(0.0141),
    Light.CERAMIC_METAL_HALIDE_4200_K: _published(0.0154),
    Light.CERAMIC_METAL_HALIDE_3100_K: _published(0.0170),
    Light.HIGH_PRESSURE_SODIUM_MOGUL: _published(0.0122),
    Light.HIGH_PRESSURE_SODIUM_DOUBLE_ENDED: _published(0.0130),
    Light.WHITE_LED: _weak(0.0145, 15),
    # The middle of what such lamps have: 0.016 to 0.025, and 0.05 to 0.12.
    Light.WHITE_LED_WITH_RED: _weak(0.0205, 25, needs_calibration=True),
    Light.RED_BLUE_LED: _weak(0.085, 50, needs_calibration=True),
}


def ppfd_umol_from_lux(illuminance_lux: float, factor: LightFactor) -> float:
    """Return the photon flux density (400 to 700 nm), in µmol/m²/s. Raises OutOfRange below 0 lx."""
    return ILLUMINANCE_LUX.require(illuminance_lux) * factor.umol_per_lux


def calibrate(ppfd_umol: float, illuminance_lux: float) -> LightFactor:
    """Return the factor of a lamp from one reading of a quantum sensor beside the lux sensor.

    Raises OutOfRange if no light has such a factor.
    """
    if ILLUMINANCE_LUX.require(illuminance_lux) == 0:
        raise OutOfRange("A light factor cannot be measured in the dark.")
    umol_per_lux = PPFD_UMOL.require(ppfd_umol) / illuminance_lux
    return LightFactor(umol_per_lux=umol_per_lux, evidence=Evidence.MEASURED)
