"""Plants, the species they are of, what measures them, and how they do."""
