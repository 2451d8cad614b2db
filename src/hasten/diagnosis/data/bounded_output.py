"""E4: the last activation cannot give the numbers that the loss asks for.

Signal: what made the output that the criterion gets, and the share of the targets outside of its range.
Threshold: 5 % of the targets outside, with a margin of 0.05. For losses that take logits, a ReLU, sigmoid or tanh is
enough: logits must reach both sides.
Why: a ReLU gives nothing below 0, a sigmoid nothing outside 0 to 1: those targets are out of reach, and units at the
bound have no gradient.
Example: `return torch.relu(self.fc3(x))` with standardized targets, half of which are negative.
Wrong when: targets outside are outliers that the model shall not follow. A scaled activation, 5 * sigmoid(x), does
not count.
Source: NeuraLint (wrong last activation); UMLAUT (nonlinear last layer).
"""

from hasten.base.records.data_facts import Criterion
from hasten.base.records.finding import Finding
from hasten.base.records.health import Health
from hasten.diagnosis.data.criteria import RANGES
from hasten.diagnosis.data.said import CONSEQUENCES, REGRESSION, call, each_criterion, wrong
from hasten.diagnosis.rule import Outcome

OUTSIDE = 0.05
"""Share of the targets."""

_LOGITS = {
    "cross_entropy": ("relu", "sigmoid", "tanh", "softplus", "exp"),
    "soft_cross_entropy": ("relu", "sigmoid", "tanh", "softplus", "exp"),
    "bce_logits": ("relu", "tanh", "softplus", "exp"),
}
"""Criterion that takes logits -> activations that keep them to one side or near 0."""


def find(health: Health) -> Outcome:
    """Fire where targets lie outside of what the last activation gives."""
    return each_criterion(health, "bounded_output", _judged)


def _judged(one: Criterion, command: str) -> Finding | None:
    if one.fed_by in _LOGITS.get(one.kind, ()) and one.classes != 1:
        return wrong(
            "bounded_output",
            f"{call(one)} takes logits of any size and sign, but a {one.fed_by} bounds them.",
            value=1,
            threshold=0,
            advice=f"remove the {one.fed_by} after the last layer",
            check=command,
            where=call(one),
        )
    outside = one.below + one.above
    if one.kind not in REGRESSION or one.fed_by not in RANGES or outside < OUTSIDE:
        return None
    low, high = RANGES[one.fed_by]
    bounds = f"below {high:g}" if low == -float("inf") else f"above {low:g}" if high == float("inf") else ""
    bounds = bounds or f"between {low:g} and {high:g}"
    return wrong(
        "bounded_output",
        f"The model ends with a {one.fed_by}, which stays {bounds}; {outside:.0%} of the targets lie outside.",
        value=outside,
        threshold=OUTSIDE,
        advice=f"remove the {one.fed_by} after the last layer, or scale the targets into its range",
        check=command,
        where=call(one),
        explains=("targets_unscaled", *CONSEQUENCES),
    )
