"""Techniques of the stage `parallel`."""
