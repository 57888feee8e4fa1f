"""MQTT: packets and topic rules (pure), the client of ingest, and the built-in endpoint."""
