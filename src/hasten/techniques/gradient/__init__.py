"""Techniques of the stage `gradient`."""
