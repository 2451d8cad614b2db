"""Tier T: what attention layers do, from one batch."""
