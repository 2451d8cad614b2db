"""Techniques of the stage `update`."""
