"""Readings: values, rules, storage and the path from bytes to rows."""
