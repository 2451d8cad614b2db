"""Remedies, made on the live objects of a training before its first step, so that any training can try them."""
