"""Answers the questions that kits ask when they start."""
