"""Exports of a kit's readings: the archive, single files in several formats, and how they are streamed."""
