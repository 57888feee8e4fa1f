"""Kits: identity, configuration, registry."""
