"""Which configuration a kit runs, as far as can be told from here."""

from __future__ import annotations

# `seen.id` is the configuration of a kit's newest reading since it was given one, by its clock and by ours.
#
# Being given a configuration is no proof that the kit runs it. One that starts while nobody answers takes
# what it remembers after 15 s. Its question still waits to be sent, is answered as soon as there is a
# connection, and the kit ignores the answer (seen with the real program, docs/compatibility.md). Its readings
# tell.
KITS_WITH_CONFIGURATIONS = """
    kits k
    LEFT JOIN kit_fetched_configurations f ON f.kit_id = k.id
    LEFT JOIN kit_configurations a ON a.kit_id = k.id AND a.active
    LEFT JOIN LATERAL (
        SELECT m.kit_configuration_id AS id
        FROM raw_measurements m
        WHERE m.kit_id = k.id
          AND m.datetime > coalesce(f.fetched_at, '-infinity')
          AND m.received_at > coalesce(f.fetched_at, '-infinity')
        ORDER BY m.datetime DESC
        LIMIT 1
    ) seen ON true
"""
