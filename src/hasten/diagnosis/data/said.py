"""What the rules of this tier share: the criteria that were seen, and how a finding of one is made."""

from collections.abc import Callable, Sequence
from math import prod

from hasten.base.records.data_facts import Criterion, DataFacts, Part
from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome

REGRESSION = ("mse", "l1", "smooth_l1", "huber")

CALLS = {
    "cross_entropy": "cross_entropy",
    "soft_cross_entropy": "cross_entropy",
    "nll": "nll_loss",
    "mse": "mse_loss",
    "l1": "l1_loss",
    "smooth_l1": "smooth_l1_loss",
    "huber": "huber_loss",
    "bce": "binary_cross_entropy",
    "bce_logits": "binary_cross_entropy_with_logits",
    "ctc": "ctc_loss",
    "kl_div": "kl_div",
}
"""Criterion -> the function of torch.nn.functional that computes it."""

CONSEQUENCES = (
    "initial_loss_off",
    "not_learning",
    "plateau",
    "slow_convergence",
    "vanishing_gradient",
    "gradient_zero",
    "dead_units",
    "saturated",
    "update_too_small",
    "loss_oscillates",
    "diverging",
)
"""What follows where loss and output do not fit each other: symptoms of the dynamics."""


def call(one: Criterion) -> str:
    """Return the name of the function that computes a criterion."""
    return CALLS.get(one.kind, one.kind)


def each_criterion(health: Health, symptom: str, judge: Callable[[Criterion, str], Finding | None]) -> Outcome:
    """Return the first finding about a criterion; abstain where none was seen."""
    facts = health.data
    if facts is None or not facts.criteria:
        return Abstained(symptom=symptom, reason="no criterion of torch was seen behind the loss")
    return next((found for one in facts.criteria if (found := judge(one, health.command)) is not None), None)


def facts_of(health: Health) -> DataFacts:
    """Return the facts, empty where nothing was seen."""
    return health.data or DataFacts()


_POINT = 4
"""Most numbers of a sample that may be a point in space and time."""


def may_be_drawn(part: Part, evaluations: Sequence[Part]) -> bool:
    """Return whether an evaluation may be of points at which the learned function is drawn or looked at.

    They lie where a person wants to see it, beyond the data or in a part of them, some on a grid or each made for one
    call, as those that a sampler moves, and have no targets.
    """
    known = (
        part.agreement is not None or part.learned is not None or (part.targets is not None and part.targets.numbers)
    )
    made = not part.lives or any(one.regular for one in (part, *evaluations))
    return part.sliced and 0 < part.elements <= _POINT and made and not known


def elements(shape: tuple[int, ...]) -> int:
    """Return the numbers of a tensor of this shape."""
    return prod(shape)


def wrong(
    symptom: str,
    sentence: str,
    *,
    value: float,
    threshold: float,
    advice: str,
    check: str,
    where: str = "",
    severity: Severity = Severity.CRITICAL,
    explains: tuple[str, ...] = CONSEQUENCES,
    cause: str = "",
) -> Finding:
    """Return a finding about data or evaluation."""
    return Finding(
        symptom=symptom,
        severity=severity,
        sentence=sentence,
        value=value,
        threshold=threshold,
        bound=None,
        where=where,
        advice=advice,
        check=check,
        explains=explains,
        cause=cause,
    )
