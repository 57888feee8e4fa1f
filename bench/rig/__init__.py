"""The test rig of the measurements: PostgreSQL, Mosquitto, Hortus's own processes, and the load."""
