"""D8: the updates are so large that they destroy what was learned.

Signal: rms of the update over that of the weight, median over the layers, in at least three samples; and the losses.
Threshold: above 0.03 while the loss is no longer finite, rises by half of what it had fallen, or most units of a layer
    die; above 0.1 while the loss stays at chance, or above the first one by four standard deviations; above 3 of any
    layer in the first three samples, where the loss of the ten steps after the first is 5 times the first one. Large
    updates under which the loss falls are healthy (Muon: 0.3). Not where nearly all units of a layer were dead before
    the first update (D10).
Why: healthy training moves weights by about 1e-3 of their size in each step.
Example: `SGD(model.parameters(), lr=10)`.
Wrong when: the loss rises for another reason, as harder data do, and the optimizer makes large updates by design.
Source: Karpathy's recipe (1e-3); torchmortem (1e-1).
"""

from hasten.base.records.dynamics import Dynamics, Nonfinite
from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import (
    STEPS,
    abstain,
    across,
    chases,
    course,
    dead_at_start,
    harmed,
    known,
    median,
    ratios,
    single,
    slower,
    weights,
)
from hasten.diagnosis.dynamics.nonfinite import CONSEQUENCES
from hasten.diagnosis.rule import Outcome

_LARGE, _DESTROYS = 0.1, 0.03
_PERSISTENT = 3  # samples with such updates
_FIRST, _SAMPLES = 10, 3  # steps and samples of the start
_JUMP, _ALL = 5.0, 3.0  # times the first loss; times the weight
_HIGHER = 0.1  # of the first loss
_APART = 300.0  # times the lowest rate
_GROWS = 3.0  # times the rate in the middle of the training; a linear or cosine warm-up that goes on to the end: 2


def find(health: Health) -> Outcome:
    """Fire where updates are as large as the weights and the loss shows that this harms."""
    dynamics = health.dynamics
    missing = abstain("update_too_large", health, samples=2)
    if missing is not None or dynamics is None:
        return missing
    sizes = sorted(across([ratios(one) for one in weights(dynamics)]))
    harm, destroyed = harmed(health)
    if not destroyed and (thrown := _thrown_away(dynamics)):
        sizes, harm, destroyed = [thrown], "the loss jumped in the first steps", True
    if not harm and (start := _ends_above(health)) is not None:
        harm = f"the loss stays above the first one, {digits3(start)}"
    broken = dynamics.nonfinite
    if not sizes or not harm or (broken and (broken.inputs_finite is False or _before_updates(broken))):
        return None
    if dead_at_start(dynamics):
        return None
    value = sizes[-min(_PERSISTENT, len(sizes))]
    if not value > (_DESTROYS if destroyed else _LARGE):
        return None
    apart = _apart(dynamics)
    cause = "rate_grows" if _grows(dynamics) else "rates_apart" if apart else ""
    return Finding(
        symptom="update_too_large",
        severity=Severity.CRITICAL,
        sentence=f"Updates change the weights by {digits3(value)} of their size; {digits3(1e-3)} is usual; {harm}.",
        value=value,
        threshold=_DESTROYS if destroyed else _LARGE,
        bound=None,
        advice=_advice(dynamics, cause, apart),
        check=health.command,
        explains=EXPLAINS,
        cause=cause,
    )


def _advice(dynamics: Dynamics, cause: str, apart: tuple[str, float] | None) -> str:
    if cause == "rate_grows":
        return f"leave out the scheduler that raises the learning rate to {digits3(max(known(dynamics.rates)))}"
    if apart is not None:
        name, highest = apart
        place = f"{name}: " if len(dynamics.optimizers) > 1 else ""
        return f"{place}give all parameter groups the learning rate of the lowest; the highest is {digits3(highest)}"
    return slower(dynamics, _PERSISTENT)


def _apart(dynamics: Dynamics) -> tuple[str, float] | None:
    """Return an optimizer whose learning rates are further apart than any layer-wise ones in use, and its highest."""
    for number, name in enumerate(dynamics.optimizers):
        rates = [one.rate for one in dynamics.parameters if one.optimizer == number and one.rate]
        if rates and max(rates) >= _APART * min(rates):
            return name, max(rates)
    return None


def _grows(dynamics: Dynamics) -> bool:
    """Return whether the learning rate grows on in the second half of the training, as no warm-up does."""
    pairs = zip(dynamics.samples, dynamics.rates, strict=True)
    rates = [(step, rate) for step, rate in pairs if rate is not None]
    middle = len(dynamics.losses) / 2
    early = [rate for step, rate in rates if step <= middle]
    late = [rate for step, rate in rates if step > middle]
    return bool(early and late) and max(late) > _GROWS * early[-1] > 0


def _thrown_away(dynamics: Dynamics) -> float:
    """Return the update over the weight where the first ones left nothing of a weight, and the loss jumped; else 0."""
    losses = known(dynamics.losses[: _FIRST + 1])
    largest = max((size for one in weights(dynamics) for size in known(ratios(one)[:_SAMPLES])), default=0.0)
    jumped = len(losses) > _FIRST and median(losses[1:]) > _JUMP * losses[0] > 0
    return largest if jumped and largest > _ALL else 0.0


def _ends_above(health: Health) -> float | None:
    """Return the first loss, where no block of the later ones comes down to it; a single loss is as noisy as others."""
    dynamics = health.dynamics
    if dynamics is None or len(known(dynamics.losses)) < STEPS or not single(dynamics) or chases(health):
        return None
    start, found = dynamics.losses[0], course(dynamics.losses)
    if start is None or found is None:
        return None
    return start if min(found.blocks) - start > max(4 * found.noise, _HIGHER * abs(start)) else None


def _before_updates(broken: Nonfinite) -> bool:
    """Return whether a number was not finite before an update could break it."""
    return broken.step == 1 and broken.what != "parameter"


EXPLAINS = (
    *CONSEQUENCES,
    "nonfinite",
    "loss_oscillates",
    "dead_units",
    "saturated",
    "vanishing_gradient",
    "layer_imbalance",
    "direction_zigzag",
    "edge_of_stability",
    "output_ignores_input",
    "logits_too_large",
    "overflow_risk",
    "noise_dominated",
)
"""What updates that are too large lead to."""
