"""What all rules share: what they return, when a share of the time matters, and what could be gained."""

from collections.abc import Callable
from typing import TypeAlias

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile

Outcome: TypeAlias = Finding | Abstained | None
"""A symptom that is there, one that cannot be judged, or one that is not there."""

Rule: TypeAlias = Callable[[Profile, Machine], Outcome]

MATTERS = 0.05
"""Share of the wall time below which nobody is told. Source: XProf and the TensorBoard plugin (5 %)."""

_WARNING, _CRITICAL = 0.10, 0.20  # TraceML's levels
_CLEAR_PROBE = 1.25
COMPUTE = ("forward", "loss", "backward")
"""The parts that compute; the rest feeds them or follows from them."""


def severity(share: float) -> Severity:
    """Return how much a share of the wall time matters that could be saved."""
    if share >= _CRITICAL:
        return Severity.CRITICAL
    return Severity.WARNING if share >= _WARNING else Severity.NOTE


def speedup(share: float) -> float:
    """Return how many times faster a step is that lacks this share of its time (Amdahl)."""
    return 1 / (1 - min(share, 0.999))


def gain(profile: Profile, probe: str, share: float) -> tuple[float, str]:
    """Return at most how many times faster the step could be, and where that is known from.

    A probe that has measured it clearly wins over the share of the time that the anatomy tells: what waits in parallel
    with other work is not gained by removing it.
    """
    found = profile.probe(probe)
    if found is not None and found.ratio is not None and found.ratio.high < _CLEAR_PROBE * found.ratio.low:
        return max(found.ratio.high, 1.0), probe
    return speedup(share), "share of the time"


def recheck(profile: Profile) -> str:
    """Return the command that looks again; nothing where no command names what was profiled."""
    return f"hasten profile {profile.command}" if profile.command else ""
