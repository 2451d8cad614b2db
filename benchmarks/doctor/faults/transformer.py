"""Faults of transformers."""

from benchmarks.doctor.faults.fault import Fault

TRANSFORMER: tuple[Fault, ...] = ()
"""Faults of transformers."""
