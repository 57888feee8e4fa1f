"""Accounts at the built-in MQTT endpoint: kits, this installation's own, and read-only ones."""
