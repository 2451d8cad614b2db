"""Records on a terminal, each as soon as it is known."""

from hasten.report.terminal.screen import Screen

__all__ = ["Screen"]
