"""W48: a fused optimizer has state in another memory layout than its parameters.

Signal: strides of each tensor of the state beside those of its parameter, for optimizers with `fused=True`.
Threshold: none: one that differs. Dimensions of size 1 do not count.
Why: torch's fused kernels walk parameter, gradient and state by their place in memory and compare no strides (2.13, on
the CPU): each element is updated with the moments of another, and nothing says so.
Example: the model is moved to channels-last layout before or after a checkpoint of the other layout is loaded into the
optimizer, or in the middle of a training.
Wrong when: a later torch compares the strides.
Source: seen with SGD, Adagrad and AdamW: from the same state a fused step differs from a plain one.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import plural
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where a fused optimizer has state of another layout than its parameters."""
    if health.wiring is None or health.wiring.optimizers is None:
        return Abstained(symptom="state_misplaced", reason="no optimizer was seen")
    seen = next((one for one in health.wiring.optimizers if one.misplaced), None)
    if seen is None:
        return None
    return Finding(
        symptom="state_misplaced",
        severity=Severity.CRITICAL,
        sentence=f"{seen.name} is fused, and {plural(seen.misplaced, 'tensor')} of its state lie in memory in another "
        "order than their parameters: elements get the moments of others.",
        value=seen.misplaced,
        threshold=0,
        bound=None,
        where=seen.name,
        advice="for p, state in optimizer.state.items(): state.update({k: torch.empty_like(p).copy_(v) for k, v in "
        "state.items() if v.shape == p.shape})  # after load_state_dict and .to(memory_format=...)",
        check=health.command,
        explains=("loss_spikes", "diverging", "plateau", "update_too_large", "not_learning"),
    )
