"""All kinds of faults by name."""

from benchmarks.doctor.faults.data import DATA_FAULTS
from benchmarks.doctor.faults.dynamics import DYNAMICS
from benchmarks.doctor.faults.transformer import TRANSFORMER
from benchmarks.doctor.faults.wiring import WIRING

FAULTS = {one.kind: one for one in (*WIRING, *DATA_FAULTS, *DYNAMICS, *TRANSFORMER)}
"""Kind -> fault."""
