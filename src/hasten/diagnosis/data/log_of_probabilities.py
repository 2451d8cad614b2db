"""E2: a loss that takes log-probabilities gets something else.

Signal: the sum of exp(output) over the classes, of what `nll_loss`, `ctc_loss` or `kl_div` gets; soft targets.
Threshold: log-probabilities sum to 1 after exp; it fires where half of the rows are below 0.9 or above 1.1.
    Soft targets none of which is above 0 are logarithms.
Why: the loss is then minus the output itself: it has no lowest value, or hardly depends on how wrong the model is.
Example: `F.nll_loss(F.softmax(logits, dim=1), y)`, `F.kl_div(student.softmax(1), teacher.softmax(1))`, or a
    `log_softmax` over the batch (dim=0).
Wrong when: an energy-based loss reads unnormalized outputs by `nll_loss` on purpose.
Source: the documentation of torch.nn.NLLLoss. `cross_entropy` of log-probabilities is no fault: the numbers are the
same.
"""

from hasten.base.records.data_facts import Criterion
from hasten.base.records.finding import Finding
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import CONSEQUENCES, call, each_criterion, wrong
from hasten.diagnosis.rule import Outcome

OFF = 0.5
"""Share of the rows whose sum is not 1."""


def find(health: Health) -> Outcome:
    """Fire where the numbers that a criterion takes for log-probabilities are none."""
    return each_criterion(health, "log_of_probabilities", _judged)


def _judged(one: Criterion, command: str) -> Finding | None:
    target = one.target
    if one.kind == "soft_cross_entropy" and target is not None and target.numbers and target.low < target.high <= 0:
        return wrong(
            "log_of_probabilities",
            f"The soft targets go from {target.low:.3g} to {target.high:.3g}: they are logarithms, not probabilities.",
            value=target.high,
            threshold=0,
            advice="targets = softmax(logits, dim=1), or kl_div(..., log_target=True)",
            check=command,
            where=call(one),
            explains=("wrong_loss_family", "loss_sign", *CONSEQUENCES),
        )
    if one.mass is None or one.off < OFF or one.classes == 1:
        return None
    if one.fed_by == "log_softmax":
        dim = 2 if one.kind == "ctc" else 1
        got, advice = "a log_softmax over the wrong dimension", f"log_softmax(output, dim={dim}): over the classes"
    elif one.fed_by == "softmax":
        got, advice = "probabilities", "use log_softmax at the end of the model, or cross_entropy on the logits"
    else:
        got, advice = "unnormalized outputs", f"use cross_entropy instead of {call(one)}, or end with log_softmax"
    return wrong(
        "log_of_probabilities",
        f"{call(one)} takes log-probabilities and gets {got}: exp sums to {one.mass:.3g}, not 1.",
        value=one.off,
        threshold=OFF,
        advice=advice,
        check=command,
        where=call(one),
        explains=(
            "bounded_output",
            "wrong_loss_family",
            *(("samples_mixed",) if one.fed_by == "log_softmax" else ()),
            "loss_sign",
            "residual_collapsed",
            *CONSEQUENCES,
        ),
    )
