"""Answering the questions of kits."""
