"""SQL for the rule of hortus.domain.plausibility.rules.

In these fragments `m` is a row of raw_measurements and `l` its row of `limits`, joined by ON_LIMITS. A row
without limits has none of their columns, and so is plausible.
"""

from __future__ import annotations

from hortus.domain.plausibility.rules import IN_THE_UNIT, Verdict

HOUR = "date_bin('1 hour', {}, 'epoch')"

ON_LIMITS = "ON l.peripheral_id = m.peripheral_id AND l.quantity_type_id = m.quantity_type_id"

VERDICT = f"""
CASE WHEN m.value < l.minimum OR m.value > l.maximum OR m.value = ANY(l.error_values)
     THEN {Verdict.IMPLAUSIBLE:d}
     WHEN m.value = l.lone_error_value THEN {Verdict.DOUBTFUL:d}
     ELSE {Verdict.PLAUSIBLE:d} END
"""

_NEAR_LONE_ERROR = """
n.value <> {0}.lone_error_value AND abs(n.value - {0}.lone_error_value) <= {0}.lone_error_within
"""

COLUMNS_OF_DOUBT = "m.kit_id, m.peripheral_id, m.quantity_type_id, l.lone_error_value, l.lone_error_within"


def limits_where(condition: str) -> str:
    """Return the CTE `limits`, by peripheral and quantity type, of the peripherals `p` that meet a condition.

    The limits of a device replace those of the quantity.
    """
    return f"""
    limits AS MATERIALIZED (
        SELECT DISTINCT ON (p.id, l.quantity_type_id)
               p.kit_id, p.id AS peripheral_id, l.quantity_type_id, l.minimum, l.maximum, l.error_values,
               l.lone_error_value, l.lone_error_within
        FROM peripherals p
        JOIN plausible_limits l
          ON l.peripheral_definition_id = p.peripheral_definition_id OR l.peripheral_definition_id IS NULL
        WHERE {condition}
        ORDER BY p.id, l.quantity_type_id, l.peripheral_definition_id NULLS LAST
    )
    """  # noqa: S608  (our own conditions)


def is_supported(doubt: str, hour: str) -> str:
    """Return the condition that a row with COLUMNS_OF_DOUBT was measured in this hour."""
    return f"""
    EXISTS (
        SELECT FROM raw_measurements n
        WHERE n.kit_id = {doubt}.kit_id
          AND n.datetime >= {hour} AND n.datetime < {hour} + interval '1 hour'
          AND n.peripheral_id = {doubt}.peripheral_id AND n.quantity_type_id = {doubt}.quantity_type_id
          AND {_NEAR_LONE_ERROR.format(doubt)}
        OFFSET 0  -- or the planner might compare all readings that there are with all hours
    )
    """


def supported_of_hours(hours: str) -> str:
    """Return the CTE `supported` for all hours of a relation with the column `hour`."""
    return f"""
    supported AS MATERIALIZED (
        SELECT l.peripheral_id, l.quantity_type_id, t.hour
        FROM limits l CROSS JOIN {hours} t
        WHERE l.lone_error_value IS NOT NULL AND {is_supported("l", "t.hour")}
    )
    """  # noqa: S608  (our own names)


def supported_hours(found: str) -> str:
    """Return the CTE `supported`: the hours of a series in which its lone error value was measured.

    `found` is a CTE with COLUMNS_OF_DOUBT, `datetime` and `verdict`; each hour is looked at once.
    """
    return f"""
    supported AS MATERIALIZED (
        SELECT d.peripheral_id, d.quantity_type_id, d.hour
        FROM (
            SELECT DISTINCT kit_id, peripheral_id, quantity_type_id, lone_error_value, lone_error_within,
                   {HOUR.format("datetime")} AS hour
            FROM {found} WHERE verdict = {Verdict.DOUBTFUL:d}
        ) d
        WHERE {is_supported("d", "d.hour")}
    )
    """  # noqa: S608  (our own names)


def is_plausible(row: str) -> str:
    """Return the condition that this row of `found` is plausible; it needs the CTE `supported`."""
    return _by_verdict(f"{row}.verdict", row, HOUR.format(f"{row}.datetime"))


def is_plausible_in(hour: str) -> str:
    """Return the condition that a reading `m` of this hour is plausible; it needs the CTE `supported`."""
    return _by_verdict(VERDICT, "m", hour)


def _by_verdict(verdict: str, row: str, hour: str) -> str:
    return f"""
    CASE {verdict} WHEN {Verdict.PLAUSIBLE:d} THEN true WHEN {Verdict.IMPLAUSIBLE:d} THEN false
    ELSE EXISTS (
        SELECT FROM supported
        WHERE supported.peripheral_id = {row}.peripheral_id
          AND supported.quantity_type_id = {row}.quantity_type_id AND supported.hour = {hour}
    ) END
    """


_FIGURES = f"""
unnest(ARRAY[{", ".join(f"(m.values ->> '{name}')::float8" for name in IN_THE_UNIT)}])
"""

IS_IMPLAUSIBLE_AGGREGATE = f"""
EXISTS (
    SELECT FROM {_FIGURES} AS v
    WHERE v < l.minimum OR v > l.maximum OR v = ANY(l.error_values)
       OR (v = l.lone_error_value AND NOT EXISTS (
           SELECT FROM {_FIGURES} AS n
           WHERE n <> l.lone_error_value AND abs(n - l.lone_error_value) <= l.lone_error_within
       ))
)
"""  # noqa: S608  (our own constants)
"""Whether a row `m` of aggregate_measurements is implausible."""
