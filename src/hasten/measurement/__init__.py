"""Callables and models in, numbers with intervals out: time, memory, FLOPs, bytes moved. Knows no recipe."""
