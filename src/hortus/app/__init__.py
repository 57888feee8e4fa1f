"""The processes that Hortus runs as. Only wiring."""
