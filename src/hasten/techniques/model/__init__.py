"""Techniques of the stage `model`."""
