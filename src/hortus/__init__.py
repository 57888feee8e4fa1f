"""Hortus: the self-hosted backend for connected plants."""

__version__ = "0.1.0"
