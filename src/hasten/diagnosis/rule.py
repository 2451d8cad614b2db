"""What all rules share: outcomes, severity, and bounds on the gain."""

from collections.abc import Callable
from typing import TypeAlias

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile

Outcome: TypeAlias = Finding | Abstained | None
"""A finding, a check that was skipped, or None: nothing found."""

Rule: TypeAlias = Callable[[Profile, Machine], Outcome]
HealthRule: TypeAlias = Callable[[Health], Outcome]

MATTERS = 0.05
"""Share of wall time below which nothing is reported. Source: XProf and the TensorBoard plugin (5 %)."""

_WARNING, _CRITICAL = 0.10, 0.20  # TraceML's levels
_CLEAR_ABLATION = 1.25
COMPUTE = ("forward", "loss", "backward")
"""The parts of the step that compute."""


def severity(share: float) -> Severity:
    """Return the severity of a share of wall time that could be saved."""
    if share >= _CRITICAL:
        return Severity.CRITICAL
    return Severity.WARNING if share >= _WARNING else Severity.NOTE


def speedup(share: float) -> float:
    """Return how many times faster a step is without this share of its time (Amdahl)."""
    return 1 / (1 - min(share, 0.999))


def gain(profile: Profile, ablation: str, share: float) -> tuple[float, str]:
    """Return how many times faster the step could be at most, and the source of that bound.

    An ablation with a narrow interval has priority over the share of step time: removing what runs in parallel gains
    nothing.
    """
    found = profile.ablation(ablation)
    if found is not None and found.ratio is not None and found.ratio.high < _CLEAR_ABLATION * found.ratio.low:
        return max(found.ratio.high, 1.0), ablation
    return speedup(share), "share of the time"


def recheck(profile: Profile) -> str:
    """Return the command that repeats the check; empty where no command names what was profiled."""
    return f"hasten profile {profile.command}" if profile.command else ""
