"""Kits: identity, members, configurations, and the registry that ingest uses."""
