"""The HTTP server: listeners, limits of connections, headers of every response, access to the database."""
