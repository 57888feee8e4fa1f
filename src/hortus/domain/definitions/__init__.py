"""Quantity types and peripheral definitions."""
