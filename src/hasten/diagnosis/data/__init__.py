"""Tier E: whether data, criterion and evaluation fit each other. Passive, from the batches that pass."""
