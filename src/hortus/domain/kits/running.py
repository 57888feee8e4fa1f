"""Which configuration a kit runs, as far as the server can tell."""

from __future__ import annotations

# `seen.id` is the configuration of a kit's newest reading since it fetched one, by the kit's clock and by ours.
#
# Fetching a configuration does not prove that the kit runs it. A kit that starts without getting an answer
# falls back after 15 s to the configuration it remembers. Its question remains queued and is answered once
# there is a connection, but the kit ignores that answer (observed with the real program, see
# docs/compatibility.md). Only its readings show what it runs.
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
