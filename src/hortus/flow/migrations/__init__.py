"""The complete database schema, and the migrations that create it."""
