"""D13: the batch is so small that its gradient is mostly noise.

Signal: cosine between the gradients of consecutive steps, which is 1 / (1 + B / batch size) for a gradient noise scale
    of B; losses; batch size.
Threshold: below 0.05 (a noise scale of 20 batches) with at most 8 samples in a batch, while the loss, which is not at
    chance, does not fall in the second half, is above half of its start, and its noise is above 15 % of it. With at
    most 4 samples a cosine below 0.1, and a noise above 30 % of a loss that is above a tenth of its start. Silent where
    the evaluations of the second half, of four and more in all, differ by at most 5 %: the weights do not wander.
Why: the steps wander; progress is that of the mean, which a larger batch shows.
Example: `DataLoader(dataset, batch_size=2)` with the learning rate of batches of 128.
Wrong when: the model has converged, where gradients are noise and nothing else.
Source: McCandlish et al. 2018, arXiv 1812.06162; Cockpit (norm test).
"""

from hasten.base.records.dynamics import Dynamics
from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3, plural
from hasten.diagnosis.dynamics.judging import abstain, course, known, mean, median, single
from hasten.diagnosis.rule import Outcome

_STEPS = 100
_LEVELS = ((8, 0.05, 0.15, 0.5), (4, 0.1, 0.3, 0.1))
"""Samples in a batch at most, cosine, noise over the loss, loss over its start."""
_EVALUATIONS, _STEADY = 4, 0.05


def find(health: Health) -> Outcome:
    """Fire where small batches disagree and the loss stands still."""
    dynamics = health.dynamics
    missing = abstain("noise_dominated", health, samples=24, steps=_STEPS)
    if missing is not None or dynamics is None:
        return missing
    cosines, losses = known(dynamics.gradient_cosines), course(dynamics.losses)
    half = course(dynamics.losses[len(dynamics.losses) // 2 :], blocks=10)
    if len(cosines) < 16 or dynamics.batch_rows is None or not single(dynamics) or losses is None or half is None:
        return Abstained(symptom="noise_dominated", reason="gradients of consecutive steps were not seen")
    rows, value = dynamics.batch_rows * dynamics.passes, mean(cosines[len(cosines) // 2 :])
    start = max(losses.first, dynamics.losses[0] or losses.first)
    noisy = [
        alike
        for most, alike, noise, left in _LEVELS
        if rows <= most and value < alike and losses.noise > noise * abs(losses.last) and losses.last > left * start
    ]
    if not noisy or half.falls or _is_steady(dynamics):
        return None
    return Finding(
        symptom="noise_dominated",
        severity=Severity.WARNING,
        sentence=f"Gradients of consecutive batches have nothing in common, cosine {digits3(value)}; "
        f"a batch has {plural(rows, 'sample')}.",
        value=value,
        threshold=noisy[0],
        bound=None,
        advice="use batches of 32 samples or more, accumulate gradients, or lower the learning rate",
        check=health.command,
        explains=("loss_oscillates", "plateau", "slow_convergence"),
    )


def _is_steady(dynamics: Dynamics) -> bool:
    """Return whether the evaluations of the second half give the same loss: weights that wander change it."""
    losses = known([one.loss for one in dynamics.evaluations])
    later = losses[len(losses) // 2 :]
    return len(losses) >= _EVALUATIONS and max(later) - min(later) <= _STEADY * abs(median(later))
