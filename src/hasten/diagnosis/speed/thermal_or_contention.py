"""S19: the machine is busy or throttles.

Signal: CPU time of other processes and the CPU clock while steps were measured.
Threshold: other processes use more than 10 % of all cores, or the clock fell by 15 %, or it is above 82 degrees.
Source: gpuprof (clock and temperature); pyperf.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import Outcome, recheck, severity

UNTREATED = "the machine, not the training, has to change"
"""Why no technique treats it."""

_FOREIGN = 0.10
_CLOCK = 0.85
_HOT_C = 82.0
_SLOWED = ("step_outliers", "thread_oversubscription", "low_compute_efficiency")
_MISJUDGED = ("host_bound", "small_kernels", "precision_unused", "optimizer_heavy", "backward_anomaly")
"""Where threads wait long for a core, shares and ratios of times are unreliable."""


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where something outside the training slows it down."""
    load = profile.load
    if load is None:
        return Abstained(symptom="thermal_or_contention", reason="the load of the machine was not measured")
    if load.foreign_share > _FOREIGN:
        waited = min(load.waited_share / max(machine.threads, 1), 0.99)
        return Finding(
            symptom="thermal_or_contention",
            severity=severity(waited),
            sentence=f"Other processes use {percent(load.foreign_share)} of the cores: these numbers are unreliable.",
            value=load.foreign_share,
            threshold=_FOREIGN,
            bound=1 / (1 - waited),
            bound_from="time that threads waited for a core",
            where="machine",
            advice="stop other processes and re-measure",
            check=recheck(profile),
            explains=_SLOWED + _MISJUDGED if severity(waited) is Severity.CRITICAL else _SLOWED,
        )
    slow = load.clock_share is not None and load.clock_share < _CLOCK
    hot = load.temperature_c is not None and load.temperature_c > _HOT_C
    if not slow and not hot:
        return None
    said = f"clock fell to {percent(load.clock_share)}" if slow and load.clock_share else "machine is hot"
    return Finding(
        symptom="thermal_or_contention",
        severity=Severity.WARNING,
        sentence=f"The {said} while measuring: it may be throttling.",
        value=load.clock_share if slow and load.clock_share else load.temperature_c or 0.0,
        threshold=_CLOCK if slow else _HOT_C,
        bound=1 / load.clock_share if slow and load.clock_share else None,
        bound_from="clock" if slow else "",
        where="machine",
        advice="improve cooling, or raise the power limit",
        check=recheck(profile),
    )
