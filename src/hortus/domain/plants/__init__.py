"""Plants, their species, the kits and series that measure them, and their state."""
