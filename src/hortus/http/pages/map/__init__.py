"""The map of kits."""
