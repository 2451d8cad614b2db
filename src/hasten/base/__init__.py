"""Floor 0: errors, units, seeds, stages and the records that the rooms exchange."""
