"""What a measurement runs on: PostgreSQL, Mosquitto, Hortus's own processes, and the load."""
