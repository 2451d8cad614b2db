"""Techniques of the stage `forward`."""
