"""The commands: options, printing, and how they find the database."""
