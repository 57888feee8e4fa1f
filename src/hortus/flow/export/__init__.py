"""Taking a kit's readings along: the archive, exports in several formats, and how they are streamed."""
