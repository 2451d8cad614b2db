"""D27: the loss falls steadily and slowly, and small updates are why.

Signal: update-to-weight ratio in its largest tenth; the losses of the first against those of the second half.
Threshold: below 3e-4, while the loss fell by less than 30 % and in the second half by at least half as much as in the
    first one, at a learning rate that is neither warmed up nor lowered; below 2e-3 if it fell more in the second half
    of a complete training of 200 steps.
Why: a loss that still falls as fast as at the start has all of its way before it.
Example: `Adam(model.parameters(), lr=1e-5)` for a network that starts from nothing.
Wrong when: a finished model is adapted with care.
Source: Karpathy's recipe (1e-3); Cockpit (alpha below 0).
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3, percent
from hasten.diagnosis.dynamics.judging import abstain, across, creeps, faster, ratios, upper, weights
from hasten.diagnosis.rule import Outcome

_STEPS, _LONG, _SMALL, _MODERATE = 100, 200, 3e-4, 2e-3


def find(health: Health) -> Outcome:
    """Fire where a loss creeps down under small updates."""
    dynamics = health.dynamics
    missing = abstain("slow_convergence", health, samples=16, steps=_STEPS)
    if missing is not None or dynamics is None:
        return missing
    value = upper(across([ratios(one) for one in weights(dynamics)]))
    fell, ratio = creeps(dynamics)
    limit = _SMALL if ratio < 1 or not health.complete or len(dynamics.losses) < _LONG else _MODERATE
    if not value < limit or not fell:
        return None
    return Finding(
        symptom="slow_convergence",
        severity=Severity.WARNING,
        sentence=f"The loss fell by {percent(fell)} in {len(dynamics.losses)} steps, without slowing down; "
        f"weights change by {digits3(value)} per step.",
        value=value,
        threshold=limit,
        bound=None,
        advice=faster(dynamics),
        check=health.command,
        explains=("direction_consistent", "not_learning", "plateau"),
    )
