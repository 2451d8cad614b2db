"""S16: some steps are much slower than usual.

Signal: steps far above the median, and the time that they take beyond it.
Threshold: the 99th percentile is above twice the median, at least three such steps, 5 % of the time.
Source: SageMaker Debugger's StepOutlier; gpuprof (p99 over p50 above 2); ml-engineering (garbage collection).
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import MATTERS, Outcome, recheck, severity, speedup

UNTREATED = "many causes; the finding's advice depends on the one that was measured"
"""Why no technique treats it."""

_TIMES = 2.0
_FEWEST = 3


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where a few slow steps cost much."""
    spread = profile.spread
    if spread is None:
        return Abstained(symptom="step_outliers", reason="single steps were not timed")
    ratio = spread.p99_s / spread.median_s
    if ratio <= _TIMES or spread.outliers < _FEWEST or spread.excess_share < MATTERS:
        return None
    every = f"every {spread.period} steps" if spread.period else "irregularly"
    collector = spread.collector_share > spread.excess_share / 2
    return Finding(
        symptom="step_outliers",
        severity=severity(spread.excess_share),
        sentence=f"Slow steps {every}, up to {ratio:.1f}x the median: {percent(spread.excess_share)} of time is beyond "
        f"the median step{', mostly garbage collection' if collector else ''}.",
        value=ratio,
        threshold=_TIMES,
        bound=speedup(spread.excess_share),
        bound_from="share of the time",
        where="step",
        advice="freeze the garbage collector (gc.freeze)"
        if collector
        else "look for periodic work: logging, checkpoints, a loader that refills its queue",
        check=recheck(profile),
    )
