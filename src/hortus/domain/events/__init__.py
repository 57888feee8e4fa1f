"""What happened at a kit: one reader over many sources, each in a file of its own."""
