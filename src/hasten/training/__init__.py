"""Floor 2: what a task and a recipe are, and the loop that trains them."""
