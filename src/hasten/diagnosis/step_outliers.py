"""S16: some steps hiccup.

Signal: steps far above the median, and the time that they take beyond it.
Threshold: the slowest hundredth is more than twice the median, at least three such steps, 5 % of the time.
Source: SageMaker Debugger's StepOutlier; gpuprof (p99 over p50 above 2); ml-engineering (garbage collection).
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import MATTERS, Outcome, recheck, severity, speedup

_TIMES = 2.0
_FEWEST = 3


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where a few steps cost much."""
    spread = profile.spread
    if spread is None:
        return Abstained(symptom="step_outliers", reason="single steps were not timed")
    ratio = spread.p99_s / spread.median_s
    if ratio <= _TIMES or spread.outliers < _FEWEST or spread.excess_share < MATTERS:
        return None
    every = f"every {spread.period} steps" if spread.period else "now and then"
    collector = spread.collector_share > spread.excess_share / 2
    return Finding(
        symptom="step_outliers",
        severity=severity(spread.excess_share),
        sentence=f"Steps hiccup {every}, up to {ratio:.1f} times the usual; {percent(spread.excess_share)} is lost"
        f"{' to garbage collection' if collector else ''}.",
        value=ratio,
        threshold=_TIMES,
        bound=speedup(spread.excess_share),
        bound_from="share of the time",
        where="step",
        advice="freeze Python's garbage collector"
        if collector
        else "look for what happens every so many steps: logging, saving, a loader that refills",
        check=recheck(profile),
    )
