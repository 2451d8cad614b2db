"""D10: most units of a ReLU layer are 0 for every input.

Signal: units that were 0 for all samples and positions of eight sampled steps, as a share of their layer.
Threshold: nine of ten, or more than half while the loss does not fall, in three of the last five samples, with at least
    256 rows looked at.
Why: a unit that is always 0 gets no gradient, and nothing can wake it.
Example: a bias of -10, or a learning rate that once threw the biases far down.
Wrong when: a layer is wide on purpose and a sparse code is wanted.
Source: SageMaker Debugger (DeadRelu: half of the units); AutoTrainer (70 %).
"""

from hasten.base.records.dynamics import ActivationTrack
from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.dynamics.activations import WINDOW
from hasten.diagnosis.dynamics.judging import DEAD, abstain, course, deep, known, median
from hasten.diagnosis.rule import Outcome

_SHARE, _ROWS = 0.5, 256


def find(health: Health) -> Outcome:
    """Fire on the layer with the largest share of dead units."""
    dynamics = health.dynamics
    missing = abstain("dead_units", health, samples=WINDOW + 4)
    if missing is not None or dynamics is None:
        return missing
    losses = course(dynamics.losses)
    limit = _SHARE if losses is not None and not losses.falls else DEAD
    shares = [
        (median(known(one.dead[WINDOW:])[-5:]), one)
        for one in dynamics.activations
        if one.kind == "relu" and one.hidden and _rows(one, limit) >= _ROWS and len(known(one.dead[WINDOW:])) >= 3
    ]
    dead = [(share, one) for share, one in shares if share > limit]
    if not dead:
        return None
    share, worst = dead[0] if dead[0][0] > DEAD else max(dead, key=lambda pair: pair[0])
    return Finding(
        symptom="dead_units",
        severity=Severity.CRITICAL if share > DEAD else Severity.WARNING,
        sentence=f"{percent(share)} of the {worst.units} units after {worst.name or 'a layer'} are 0 for every input.",
        value=share,
        threshold=limit,
        bound=None,
        where=worst.name,
        advice="start biases at 0, lower the learning rate, or use nn.LeakyReLU() or nn.GELU()",
        check=health.command,
        explains=(
            *(("initial_loss_off",) if known(worst.dead)[0] > DEAD else ()),
            "vanishing_gradient",
            "gradient_zero",
            "not_learning",
            "plateau",
            "update_too_small",
            "output_ignores_input",
            "layer_imbalance",
            "slow_convergence",
            "direction_consistent",
            "adam_eps_bound",
        ),
        cause="deep" if deep(dynamics) else "",
    )


def _rows(one: ActivationTrack, limit: float) -> int:
    """Return the rows over which so many units were silent: those of a window, and of all samples before it."""
    shares = known(one.dead)
    lasting = next((place for place, share in enumerate(reversed(shares)) if share <= limit), len(shares))
    return one.rows * (WINDOW + lasting)
