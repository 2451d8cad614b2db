"""Tier E: data, targets and evaluation, looked at once."""
