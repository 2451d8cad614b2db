"""D17: clipping cuts nearly every gradient to a small part, so that it decides the size of the step.

Signal: norm of the gradient before clipping over the limit, in every step that is noted; over the norm after it, where
    values are clipped; update-to-weight ratio.
Threshold: nine of ten steps are clipped, at the median to a thirtieth or less, and weights change by less than 1e-4 in
    an update, 1e-3 with SGD.
Why: the learning rate and the size of the gradient no longer count.
Example: `clip_grad_norm_(model.parameters(), 1e-3)` with SGD.
Wrong when: normalized steps are wanted.
Source: deep learning tuning playbook (more than half clipped: lower the rate or raise the limit).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import abstain, across, known, median, ratios, upper, weights
from hasten.diagnosis.rule import Outcome

_SHARE, _TIMES, _SLOW = 0.9, 30.0, 1e-4
_SLOW_SGD = 1e-3
"""Adam's updates do not depend on the size of the gradient, those of plain gradient descent do."""


def find(health: Health) -> Outcome:
    """Fire where clipping leaves next to nothing of most gradients."""
    dynamics = health.dynamics
    missing = abstain("clip_dominated", health, samples=16)
    if missing is not None or dynamics is None:
        return missing
    norms, limit = known(dynamics.clip_norms), dynamics.clip_limit
    if len(norms) < 16 or not limit:
        return Abstained(symptom="clip_dominated", reason="no clipping was seen")
    share = sum(norm > limit for norm in norms) / len(norms)
    times = median(norms) / limit
    limit_of_updates = _SLOW_SGD if set(dynamics.optimizers) == {"SGD"} else _SLOW
    slow = upper(across([ratios(one) for one in weights(dynamics)])) < limit_of_updates
    if not (share > _SHARE and times > _TIMES and slow):
        return None
    return Finding(
        symptom="clip_dominated",
        severity=Severity.CRITICAL,
        sentence=f"Clipping at {digits3(limit)} divides the gradient by {digits3(times)} at the median.",
        value=times,
        threshold=_TIMES,
        bound=None,
        advice="clip by norm, which keeps the direction: clip_grad_norm_(parameters, 1.0)"
        if dynamics.clips_values
        else f"clip at the 90th percentile of the norm: clip_grad_norm_(parameters, {digits3(upper(norms))})",
        check=health.command,
        explains=(
            "update_too_small",
            "not_learning",
            "slow_convergence",
            "plateau",
            "adam_eps_bound",
            "direction_consistent",
        ),
    )
