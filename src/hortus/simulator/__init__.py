"""Virtual kits: the physics of a growing chamber behind the kit protocol."""
