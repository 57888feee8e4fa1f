"""Alerts: telling people that a plant needs something, or that a kit fell silent."""
