"""MQTT: packets and topic rules (pure), the ingest client, and the built-in endpoint."""
