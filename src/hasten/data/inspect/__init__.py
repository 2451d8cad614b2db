"""What a data source holds: counts, balance, ranges, missing and repeated samples."""
