"""Bytes to values and back: MQTT, and the Cap'n Proto messages of kits. Knows nothing about tables."""
