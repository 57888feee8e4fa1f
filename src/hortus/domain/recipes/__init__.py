"""Grow recipes: targets for a plant, phase by phase (docs/recipes.md). All modules are pure."""
