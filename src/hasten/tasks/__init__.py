"""Floor 4: built-in tasks on real data, and tasks from a person's file."""
