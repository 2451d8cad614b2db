"""Floor 3: profile a recipe."""
