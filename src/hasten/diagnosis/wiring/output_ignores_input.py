"""W13: the output of the model does not depend on its input, or on one place of a sequence only.

Signal: a copy of the model with random weights, called with the first batch and with the same numbers at other places;
    and where an output for each whole sequence is made, with all places but one of another sample.
Threshold: none: all outputs are equal, and not zero. Sequences have at least 4 places, of which the first or the last
    alone matters.
Why: such a model can only learn one answer for everything, or for all sequences that begin or end alike.
Example: the input is overwritten in `forward`; a softmax over a single unit, which is always 1; `outputs[:, 0]` of a
    recurrent layer, or of attention that sees no later token.
Wrong when: the input is a placeholder on purpose, or only the latest number is meant to count.
Source: Karpathy, "A Recipe for Training Neural Networks" (input-independent baseline); guardtower's catalogue.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.records.wiring import Probe
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import name_of_model, probed
from hasten.diagnosis.wiring.samples_mixed import LARGE


def find(health: Health) -> Outcome:
    """Fire where other inputs give the same outputs."""
    probes = probed(health, "output_ignores_input")
    if isinstance(probes, Abstained):
        return probes
    if all(one.ignores_input is None for one in probes):
        return Abstained(symptom="output_ignores_input", reason="the inputs could not be exchanged")
    found = next((one for one in probes if one.ignores_input or _uses_one_place(one)), None)
    if found is None or health.wiring is None:
        return None
    sentence = "The output is the same for other inputs: nothing in the model passes the input on."
    advice = "follow the input through forward: a variable that is overwritten, or a softmax over one unit"
    if not found.ignores_input and found.one_place is not None:
        name, places = found.one_place
        sentence = (
            f"Of {places} places of a sequence the model uses the {name} one only: nothing else changes its output."
        )
        advice = "take the state that has seen the whole sequence, outputs[:, -1], or a mean over the places"
    return Finding(
        symptom="output_ignores_input",
        severity=Severity.CRITICAL,
        sentence=sentence,
        value=0,
        threshold=0,
        bound=None,
        where=name_of_model(health.wiring, found.model),
        advice=advice,
        check=health.command,
        explains=(
            "parameter_unreached", "parameter_unchanged", "not_learning", "plateau", "targets_shuffled", "dead_units",
            "vanishing_gradient", "layer_imbalance", "update_too_small", "double_softmax", "inputs_constant",
            "saturated", "positions_unused", "gradient_zero",
        ),
    )  # fmt: skip


def _uses_one_place(probe: Probe) -> bool:
    """Return whether one place of each sequence matters; where samples are mixed, places and samples are exchanged."""
    return probe.one_place is not None and (probe.mixes is None or probe.mixes < LARGE)
