"""From any source or data set to a store."""
