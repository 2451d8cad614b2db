"""Floor 6: one file per command; parse, call, print."""
