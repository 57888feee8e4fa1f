"""Shared foundations: errors, text, settings, database engine, installation. Knows nothing about kits."""
