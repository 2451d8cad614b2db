"""What we run on: instruction sets, memory, threads, and the measured peaks."""

from hasten.machine.facts import facts

__all__ = ["facts"]
