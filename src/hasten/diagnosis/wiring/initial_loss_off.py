"""W16: the loss at the start is far above that of a constant guess.

Signal: log-probabilities and labels of the first cross-entropy, logits of the first binary cross-entropy, outputs and
    targets of the first squared error.
Threshold: 1.5 times the loss of a constant guess (ln C, ln 2) and 0.5 more; for a squared error, outputs of 2.5 times
    the size of the targets and above 1.5. A last layer tied to an embedding, or to a part of one, is left out,
    and cosines with a weight of length 1; for products of two outputs, 10 times the threshold.
Why: the first steps only make the outputs small again, with gradients that are too large.
Example: the last layer initialized 30 times too large, or inputs of 0 to 255.
Wrong when: the model is pretrained for other classes.
Source: Karpathy, "A Recipe for Training Neural Networks" (verify loss at init).
"""

import math

from hasten.base.records.dynamics import Dynamics
from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.records.wiring import Criterion
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import median, weights
from hasten.diagnosis.dynamics.poor_init import LARGE_GAIN, REPEATED_GAIN, gain
from hasten.diagnosis.rule import Outcome

TIMES, MORE = 1.5, 0.5
OUTPUTS, LARGE = 2.5, 1.5
_FAR = 10.0  # times the threshold
_MULTIPLIED = 3.0  # outputs over what the last layer gives; 0.5 to 1.2 where nothing follows it
_WHERE_FAR = (
    "update_too_large",
    "exploding_gradient",
    "layer_imbalance",
    "clip_dominated",
    "dead_units",
    "gradient_zero",
    "diverging",
    "slow_convergence",
)
"""What follows from outputs that have to become small first."""


def find(health: Health) -> Outcome:
    """Fire where the first loss is far above chance."""
    first = [one for one in (health.wiring.criteria if health.wiring is not None else ()) if not one.no_target][:1]
    judged = [one for one in first if one.chance is not None or (one.outputs is not None and one.targets)]
    if not judged:
        return Abstained(symptom="initial_loss_off", reason="the loss of a constant guess is not known")
    one = judged[0]
    said = _far(one)
    if said is None or one.tied or one.normalized:
        return None
    sentence, value, threshold = said
    if one.paired and value <= _FAR * threshold:
        return Abstained(symptom="initial_loss_off", reason="no last layer sets the scale of products of outputs")
    multiplied = _size(one) > _MULTIPLIED * _given(health.dynamics) > 0
    return Finding(
        symptom="initial_loss_off",
        severity=Severity.CRITICAL if value > _FAR * threshold else Severity.WARNING,
        sentence=sentence,
        value=value,
        threshold=threshold,
        bound=None,
        where=one.kind,
        advice="divide the outputs by what multiplies them behind the last layer"
        if multiplied
        else "torch.nn.init.zeros_(model.head.weight)  # or a smaller scale of the last layer; scale the inputs",
        check=health.command,
        explains=(
            *(() if _hidden_large(health.dynamics) else ("poor_init",)),
            "logits_too_large",
            *(_WHERE_FAR if value > _FAR * threshold else ()),
        ),
        cause="outputs_multiplied" if multiplied else "",
    )


def _hidden_large(dynamics: Dynamics | None) -> bool:
    """Return whether the layers before the last one start too large as well, so that it is not the last one alone."""
    before = sorted(weights(dynamics) if dynamics else (), key=lambda one: one.depth or 0)[:-1]
    again = max((gain(one) for one in before if "weight_hh" in one.name), default=0.0)
    return median([gain(one) for one in before]) > LARGE_GAIN or again > REPEATED_GAIN


def _size(one: Criterion) -> float:
    """Return the size of the outputs that a criterion saw; cross-entropy shows their log-probabilities only.

    Those are larger than the scores by about the largest of C normal numbers, the root of 2 ln C.
    """
    outputs = one.outputs or 0.0
    return outputs / (1 + math.sqrt(2 * one.chance)) if one.kind == "cross_entropy" and one.chance else outputs


def _given(dynamics: Dynamics | None) -> float:
    """Return the size of what the last layer gives at the start, by its weight, bias and input; 0 where unknown."""
    parameters = {one.name: one for one in (dynamics.parameters if dynamics else ())}
    inputs = [one for one in (dynamics.activations if dynamics else ()) if one.kind == "input" and one.rms]
    last = max(inputs, key=lambda one: one.depth, default=None)
    if last is None or last.name not in parameters or last.rms[0] is None:
        return 0.0
    weight, bias = parameters[last.name], parameters.get(last.name.removesuffix("weight") + "bias")
    product = last.rms[0] * weight.start * math.sqrt(math.prod(weight.shape[1:]))
    return math.hypot(product, bias.start if bias else 0.0)


def _far(one: Criterion) -> tuple[str, float, float] | None:
    """Return sentence, value and threshold where the loss is far above chance."""
    if one.chance is not None and one.loss is not None and one.loss > TIMES * one.chance + MORE:
        sentence = f"The first loss is {digits3(one.loss)}; a constant guess gives {digits3(one.chance)}."
        return sentence, one.loss, TIMES * one.chance + MORE
    if one.kind in ("mse", "smooth_l1", "huber") and one.outputs is not None and one.targets:
        ratio = one.outputs / one.targets
        if ratio > OUTPUTS and one.outputs > LARGE:
            return f"The first outputs are {digits3(ratio)} times as large as the targets.", ratio, OUTPUTS
    return None
