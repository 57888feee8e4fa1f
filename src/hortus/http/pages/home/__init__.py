"""Home: what needs a person, and the kits."""
