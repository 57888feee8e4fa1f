"""The figures of a rollup as SQL, wherever they come from: readings, or rollups of shorter spans."""

from __future__ import annotations

FIGURES = "first_at, last_at, first_value, last_value, minimum, maximum, sum, count"
"""The columns, in the order in which the fragments below make them."""

FIGURES_OF_THE_NEW = "excluded." + FIGURES.replace(", ", ", excluded.")
"""The same of the row that an insert with ON CONFLICT meant to add."""

# The sum of doubles fails when it overflows, and one absurd value must not stop a job or a chart. Even so many
# readings as no kit sends in a lifetime do not add up to more than a double holds.
SUMMAND = "greatest(least(value, 1e290), -1e290)"

OF_READINGS = f"""
    min(datetime) AS first_at, max(datetime) AS last_at,
    (array_agg(value ORDER BY datetime, id))[1] AS first_value,
    (array_agg(value ORDER BY datetime DESC, id DESC))[1] AS last_value,
    min(value) AS minimum, max(value) AS maximum, sum({SUMMAND}) AS sum, count(*)::int AS count
"""
"""Of rows of raw_measurements. Of readings of the same moment, the lower id is the earlier one."""

OF_ROLLUPS = """
    min(first_at) AS first_at, max(last_at) AS last_at,
    (array_agg(first_value ORDER BY first_at))[1] AS first_value,
    (array_agg(last_value ORDER BY last_at DESC))[1] AS last_value,
    min(minimum) AS minimum, max(maximum) AS maximum, sum(sum) AS sum, sum(count)::int AS count
"""
"""Of rows with these figures."""
