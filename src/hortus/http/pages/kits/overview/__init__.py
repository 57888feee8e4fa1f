"""The overview of a kit: everything about it now."""
