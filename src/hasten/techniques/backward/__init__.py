"""Techniques of the stage `backward`."""
