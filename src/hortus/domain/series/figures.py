"""SQL for the figures of a rollup, computed from readings or from rollups of shorter spans."""

from __future__ import annotations

FIGURES = (
    "first_at, last_at, first_value, last_value, minimum, maximum, sum, count, "
    "implausible, last_implausible_at, last_implausible_value"
)
"""The columns, in the order in which the fragments below produce them."""

FIGURES_OF_THE_NEW = "excluded." + FIGURES.replace(", ", ", excluded.")
"""The same columns of the row proposed by an INSERT with ON CONFLICT."""

# A sum of doubles fails when it overflows, and one absurd value must not stop a job or a chart. With this
# limit, even more readings than a kit sends in a lifetime add up to less than the maximum of a double.
SUMMAND = "greatest(least(value, 1e290), -1e290)"

OF_READINGS = f"""
    min(datetime) FILTER (WHERE plausible) AS first_at, max(datetime) FILTER (WHERE plausible) AS last_at,
    (array_agg(value ORDER BY datetime, id) FILTER (WHERE plausible))[1] AS first_value,
    (array_agg(value ORDER BY datetime DESC, id DESC) FILTER (WHERE plausible))[1] AS last_value,
    min(value) FILTER (WHERE plausible) AS minimum, max(value) FILTER (WHERE plausible) AS maximum,
    coalesce(sum({SUMMAND}) FILTER (WHERE plausible), 0) AS sum,
    (count(*) FILTER (WHERE plausible))::int AS count,
    (count(*) FILTER (WHERE NOT plausible))::int AS implausible,
    max(datetime) FILTER (WHERE NOT plausible) AS last_implausible_at,
    (array_agg(value ORDER BY datetime DESC, id DESC) FILTER (WHERE NOT plausible))[1] AS last_implausible_value
"""
"""From rows of raw_measurements that also say whether they are `plausible`.

Among readings of the same time, the one with the lower id is the earlier.
"""

OF_ROLLUPS = """
    min(first_at) AS first_at, max(last_at) AS last_at,
    (array_agg(first_value ORDER BY first_at))[1] AS first_value,
    (array_agg(last_value ORDER BY last_at DESC NULLS LAST))[1] AS last_value,
    min(minimum) AS minimum, max(maximum) AS maximum, sum(sum) AS sum, sum(count)::int AS count,
    sum(implausible)::int AS implausible, max(last_implausible_at) AS last_implausible_at,
    (array_agg(last_implausible_value ORDER BY last_implausible_at DESC NULLS LAST))[1]
        AS last_implausible_value
"""
"""From rows that have these figures. Those of hours without a plausible reading are null."""
