"""Floor 1: a person's script, run as it is in a process of its own, with a watch on its training."""
