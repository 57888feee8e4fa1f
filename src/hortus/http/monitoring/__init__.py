"""Health and metrics, for people and for monitoring systems."""
