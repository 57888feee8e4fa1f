"""SQL for the figures of a rollup, computed from readings or from rollups of shorter spans."""

from __future__ import annotations

FIGURES = "first_at, last_at, first_value, last_value, minimum, maximum, sum, count"
"""The columns, in the order in which the fragments below produce them."""

FIGURES_OF_THE_NEW = "excluded." + FIGURES.replace(", ", ", excluded.")
"""The same columns of the row proposed by an INSERT with ON CONFLICT."""

# A sum of doubles fails when it overflows, and one absurd value must not stop a job or a chart. With this
# limit, even more readings than a kit sends in a lifetime add up to less than the maximum of a double.
SUMMAND = "greatest(least(value, 1e290), -1e290)"

OF_READINGS = f"""
    min(datetime) AS first_at, max(datetime) AS last_at,
    (array_agg(value ORDER BY datetime, id))[1] AS first_value,
    (array_agg(value ORDER BY datetime DESC, id DESC))[1] AS last_value,
    min(value) AS minimum, max(value) AS maximum, sum({SUMMAND}) AS sum, count(*)::int AS count
"""
"""From rows of raw_measurements. Among readings of the same time, the one with the lower id is the earlier."""

OF_ROLLUPS = """
    min(first_at) AS first_at, max(last_at) AS last_at,
    (array_agg(first_value ORDER BY first_at))[1] AS first_value,
    (array_agg(last_value ORDER BY last_at DESC))[1] AS last_value,
    min(minimum) AS minimum, max(maximum) AS maximum, sum(sum) AS sum, sum(count)::int AS count
"""
"""From rows that have these figures."""
