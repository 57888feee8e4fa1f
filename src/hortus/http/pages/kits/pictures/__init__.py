"""The pictures of a kit."""
