"""Floor 3: from a recipe to its profile."""
