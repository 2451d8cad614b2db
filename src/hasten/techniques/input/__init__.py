"""Techniques of the stage `input`."""
