"""Readings and aggregates: their tables, and listing them."""
