"""Floor 3: from a profile to findings."""
