"""Floor 1: from sources to batches."""
