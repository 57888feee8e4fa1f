"""The commands: options, output, and access to the database."""
