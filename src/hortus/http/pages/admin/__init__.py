"""Pages for administrators. For others they look like what does not exist."""
