"""D1: a loss, a gradient or a parameter is NaN or infinite.

Signal: every loss that is read, the gradients of sampled steps; the batch is run again through a copy to find the first
    layer. Where a long training has steps whose losses are not read, the weights tell at the next one that is.
Threshold: none: one is enough. Scaled gradients that a GradScaler skips do not count.
Why: after one update by such a gradient every parameter is lost.
Example: `torch.log(output)` where an output is 0, or a batch that holds NaN.
Wrong when: the program itself leaves such batches out.
Source: SageMaker Debugger (ExplodingTensor); ml-engineering, instabilities (Bekman).
"""

from hasten.base.records.dynamics import Nonfinite
from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire on the first number that is not finite."""
    if health.dynamics is None:
        return Abstained(symptom="nonfinite", reason="no loss was seen")
    found = health.dynamics.nonfinite
    if found is None:
        return None
    place = f"layer {found.layer or 'model'} ({found.operation})" if found.operation else found.layer
    batch = found.inputs_finite is False
    words = {
        "loss": f"in {place}" if place else "in the loss function: all outputs of the model are finite",
        "gradient": f"nearest to the loss at {place}" if place else "in the backward pass",
        "parameter": f"parameter {place} broke in this update",
    }[found.what]
    words = "the batch itself holds such numbers" if batch else words
    if found.earliest is not None:
        where = f"parameter {place} broke" if found.what == "parameter" else "it began"
        words = f"{where} in one of the steps {found.earliest} to {found.step}, between which no loss was read"
    name = "weights are" if found.what == "parameter" else f"{found.what} is"
    return Finding(
        symptom="nonfinite",
        severity=Severity.CRITICAL,
        sentence=f"The {name} NaN or infinite at step {found.step}; {words}.",
        value=found.step,
        threshold=0,
        bound=None,
        where=found.layer,
        advice=_advice(found, batch=batch),
        check=health.command,
        explains=(*CONSEQUENCES, *_OF_BROKEN_WEIGHTS),
        by_hand=batch,
        cause="not_finite_before_updates" if found.step == 1 and found.what != "parameter" else "",
    )


CONSEQUENCES = (
    "exploding_gradient",
    "diverging",
    "loss_spikes",
    "not_learning",
    "plateau",
    "weight_growth",
    "gradient_scale",
    "gradient_zero",
    "parameter_unchanged",
    "update_missing",
)


_OF_BROKEN_WEIGHTS = (
    "norm_gain_off",
    "residual_collapsed",
    "attention_uniform",
    "attention_collapsed",
    "positions_unused",
    "heads_alike",
)
"""What attention layers look like that compute with such numbers."""


def _advice(found: Nonfinite, *, batch: bool) -> str:
    if found.earliest is not None:
        return "lower the learning rate or clip gradients; look for bad samples: assert torch.isfinite(inputs).all()"
    if batch:
        return "leave out or repair such samples: assert torch.isfinite(inputs).all() in the dataset"
    if found.what == "gradient":
        return "keep roots, logarithms and divisions away from 0: torch.sqrt(x + 1e-8), torch.log(x.clamp(min=1e-8))"
    if found.what == "loss" and not found.layer:
        return "use the loss on logits: cross_entropy, binary_cross_entropy_with_logits; clamp before log and division"
    return "lower the learning rate, clip gradients, or compute this layer in float32"
