"""Presence: whether kits are online, judged from recorded facts."""
