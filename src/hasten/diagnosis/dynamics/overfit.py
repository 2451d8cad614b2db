"""D25: the training loss falls while the validation loss rises.

Signal: mean loss of each evaluation, against the training losses around it and the loss of a constant guess.
Threshold: the last two evaluations are 10 % above the best one, and above the training loss, which fell by 10 % since
    then; of what the best one had gained over a constant guess, or over the first evaluation where that is not known,
    they lost half, or all where the loss is a cross-entropy; at least four evaluations.
Why: from the best evaluation on the model learns the training samples by heart.
Example: a large model, 500 samples, 100 epochs.
    Silent where weights are loaded after the last update, as those of the best evaluation.
Wrong when: the evaluation loss is dominated by a few confident errors while the metric still improves. A cross-entropy
    rises by confidence alone while no answer changes: so long as it is below that of a guess, it is not meant.
Source: SageMaker Debugger (Overfit: 10 %); Guo et al. 2017 (1706.04599): cross-entropy overfits, accuracy does not.
"""

from hasten.base.records.dynamics import Dynamics
from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3, percent
from hasten.diagnosis.dynamics.judging import known, median
from hasten.diagnosis.rule import Outcome

_RISE, _EVALUATIONS = 0.1, 4
_OVER_CLASSES = ("NllLoss", "BinaryCrossEntropy")  # nodes of the graph
_LOST, _LOST_BY_CONFIDENCE = 0.5, 1.0


def find(health: Health) -> Outcome:
    """Fire where the evaluations got worse since the best one and the training did not."""
    dynamics = health.dynamics
    seen = [] if dynamics is None else [(one.step, one.loss) for one in dynamics.evaluations if one.loss is not None]
    if dynamics is None or len(seen) < _EVALUATIONS:
        return Abstained(symptom="overfit", reason=f"fewer than {_EVALUATIONS} evaluations were seen")
    if health.wiring is not None and health.wiring.loaded_last:
        return Abstained(symptom="overfit", reason="the model got weights that were kept: those of the best step")
    best_step, best = min(seen, key=lambda pair: pair[1])
    after = [loss for step, loss in seen if step > best_step]
    if len(after) < 2 or best <= 0:
        return None
    last = min(after[-2:])
    width = max(1, min(seen[0][0], len(dynamics.losses)))

    def training(step: int) -> float:
        return median(known(dynamics.losses[:step])[-width:])

    then, now = training(best_step), training(seen[-1][0])
    gained = _start(dynamics, seen[0][1], best) - best
    rose = last - best > max(_RISE * best, _may_lose(dynamics) * gained)
    if not (rose and now < (1 - _RISE) * then and last > now):
        return None
    return Finding(
        symptom="overfit",
        severity=Severity.WARNING,
        sentence=f"Since step {best_step} the validation loss rose by {percent(last / best - 1)}, "
        f"to {digits3(last)}; the training loss fell.",
        value=last / best - 1,
        threshold=_RISE,
        bound=None,
        advice=f"stop at step {best_step}, or raise weight_decay and dropout, or augment the data",
        check=health.command,
    )


def _start(dynamics: Dynamics, first: float, best: float) -> float:
    """Return the loss of a constant guess; where that is not known, or of another unit, of the first evaluation."""
    chance = None if dynamics.criterion is None else dynamics.criterion.chance
    return first if chance is None or chance <= best else chance


def _may_lose(dynamics: Dynamics) -> float:
    """Return the share of its gain that a loss may lose again without a cost."""
    name = "" if dynamics.criterion is None else dynamics.criterion.name
    return _LOST_BY_CONFIDENCE if name.startswith(_OVER_CLASSES) else _LOST
