"""Kinds of faults: edits that turn a healthy program into one with a known fault."""
