"""Figures derived from readings: humidity, light, temperature sums, water and salts. Pure.

    usable(samples, limits)  ->  in order, one per moment, without bad input
    integrate(usable, ...)   ->  total, mean and coverage over a local day, its light or its night
    everything else          ->  built from these two, or a formula for single values

Whole days are computed from their samples, so late and repeated readings need no special treatment.
"""
