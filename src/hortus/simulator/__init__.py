"""Virtual kits: a growing chamber's physics behind the kit protocol."""
