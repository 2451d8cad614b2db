"""D21: the loss stands still because the updates jump over the valley.

Signal: the second half of the losses; cosine between the gradients of consecutive steps; learning rate.
Threshold: the loss does not fall in the second half, is above half of its start, consecutive gradients point against
    each other (cosine below -0.15 on average), and the learning rate is not lowered.
Why: each step undoes a part of the last one; smaller steps would descend further.
Example: SGD at a constant learning rate that is just small enough not to diverge.
Wrong when: the noise of the labels ends progress here.
Source: SageMaker Debugger (LossNotDecreasing); Cockpit (alpha above 0).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import abstain, course, known, mean, single
from hasten.diagnosis.rule import Outcome

_STEPS, _AGAINST, _LEFT = 150, -0.15, 0.5


def find(health: Health) -> Outcome:
    """Fire where a loss that fell stands still and the gradients point against each other."""
    dynamics = health.dynamics
    missing = abstain("plateau", health, samples=24, steps=_STEPS)
    if missing is not None or dynamics is None:
        return missing
    if not single(dynamics):
        return Abstained(symptom="plateau", reason="several optimizers train: their losses need not fall")
    losses = course(dynamics.losses)
    half = course(dynamics.losses[len(dynamics.losses) // 2 :], blocks=10)
    cosines, rates = known(dynamics.gradient_cosines), known(dynamics.rates)
    if losses is None or half is None or len(cosines) < 16 or not rates:
        return Abstained(symptom="plateau", reason="gradients of consecutive steps were not seen")
    start = max(losses.first, dynamics.losses[0] or losses.first)
    value = mean(cosines[len(cosines) // 2 :])
    stands = not half.falls and losses.last > _LEFT * start
    if not (stands and value < _AGAINST and rates[-1] > 0.5 * max(rates)):
        return None
    return Finding(
        symptom="plateau",
        severity=Severity.WARNING,
        sentence=f"The loss stands at {digits3(losses.last)}; consecutive gradients point against each other, "
        f"cosine {digits3(value)}.",
        value=value,
        threshold=_AGAINST,
        bound=None,
        advice="lower the learning rate now: torch.optim.lr_scheduler.CosineAnnealingLR, or divide it by 10",
        check=health.command,
        explains=("direction_zigzag", "slow_convergence"),
    )
