"""D2: mixed precision leaves out too many updates.

Signal: steps in which a GradScaler found infinities, after the first 50 steps, in which it looks for its scale.
Threshold: more than 2 % of the steps, and at least three.
Why: each such batch is lost; one in 2,000 is usual, when the scaler tries a larger scale.
Example: activations close to 65,504, the largest float16.
Wrong when: the scale grows in short intervals on purpose.
Source: torch.amp.GradScaler (growth_interval 2000).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.rule import Outcome

_SHARE, _COUNT, _SETTLED = 0.02, 3, 50


def find(health: Health) -> Outcome:
    """Fire where updates are left out again and again."""
    dynamics = health.dynamics
    if dynamics is None or not dynamics.scaled:
        return Abstained(symptom="scaler_skips", reason="no GradScaler was seen")
    skips = [step for step in dynamics.skips if step > _SETTLED]
    made = max(1, len(dynamics.losses) - _SETTLED)
    share = len(skips) / (made + len(skips))
    if len(skips) < _COUNT or share <= _SHARE:
        return None
    return Finding(
        symptom="scaler_skips",
        severity=Severity.WARNING,
        sentence=f"GradScaler left out {percent(share)} of the updates after step {_SETTLED}.",
        value=share,
        threshold=_SHARE,
        bound=None,
        advice="autocast with torch.bfloat16 and no scaler, or clip gradients after scaler.unscale_(optimizer)",
        check=health.command,
    )
