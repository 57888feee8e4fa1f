"""Alerts: notifying people that a plant's quantity is out of range, or that a kit has fallen silent."""
