"""The HTTP server: listeners, connection limits, response headers, and access to the database."""
