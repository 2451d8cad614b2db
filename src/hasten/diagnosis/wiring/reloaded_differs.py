"""W24: a reloaded model gives other outputs.

Signal: at the end of the training, its state dict is loaded into a copy from before the training; both get the first
    batch in evaluation mode. A model that gives other outputs in a second call is left out.
Threshold: a difference of 1e-5 of the largest output; the same operators on the same numbers give the same bits.
Why: what is not in `state_dict()` is lost in every checkpoint.
Example: `self.average = 0.9 * self.average + 0.1 * h.mean()` without `register_buffer`, or layers in a Python list.
Wrong when: the state is meant to begin anew.
Source: torch's documentation of `register_buffer`; TrainCheck (Jiang et al. 2025, arXiv 2506.14813).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import name_of_model, probed

LARGE = 1e-5


def find(health: Health) -> Outcome:
    """Fire where a copy with the trained state dict differs."""
    probes = probed(health, "reloaded_differs")
    if isinstance(probes, Abstained):
        return probes
    measured = [one for one in probes if one.reloads is not None]
    if not measured or health.wiring is None:
        return Abstained(symptom="reloaded_differs", reason="the state dict could not be loaded into a copy")
    worst = max(measured, key=lambda one: one.reloads or 0.0)
    if worst.reloads is None or worst.reloads < LARGE:
        return None
    return Finding(
        symptom="reloaded_differs",
        severity=Severity.WARNING,
        sentence=f"A model reloaded from the state dict gives outputs that differ by {digits3(worst.reloads)} "
        "of the largest.",
        value=worst.reloads,
        threshold=LARGE,
        bound=None,
        where=name_of_model(health.wiring, worst.model),
        advice='self.register_buffer("average", torch.zeros(1))  # for tensors that forward changes',
        check=health.command,
    )
