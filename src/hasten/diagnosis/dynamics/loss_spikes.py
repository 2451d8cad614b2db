"""D23: the loss jumps up again and again, and needs many steps to come back.

Signal: losses above the median of the 30 before them.
Threshold: 8 robust standard deviations, twice the median, and 30 % of the loss at the start, for at least three losses
    in a row, of 24 samples and more, and for more than chance gives where single losses are that high so often; two
    such spikes, not where the learning rate is above its median by half (cyclic schedules), nor in the last 5 %, nor
    where a model loaded weights since the losses before it, as for the next task.
Why: each spike costs the steps until the loss is back, and one of them may not end.
Example: a language model without warm-up and clipping.
Wrong when: single batches are much harder than others and come in a row.
Source: ml-engineering, instabilities (Bekman); gradsnitch (8 deviations).
"""

import numpy as np

from hasten.base.records.dynamics import Dynamics
from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import abstain, chases, known, median, single
from hasten.diagnosis.rule import Outcome

_STEPS, _BEFORE, _DEVIATIONS, _TIMES, _SIZE, _LONG = 100, 30, 8.0, 2.0, 0.3, 3
_CHANCE = 0.05  # spikes of that length, were the losses of single steps independent: of batches with rare samples
_ROWS = 24  # samples of a spike: the losses of single ones differ, and hard ones come in a row


def find(health: Health) -> Outcome:
    """Fire on spikes that last."""
    dynamics = health.dynamics
    missing = abstain("loss_spikes", health, samples=1, steps=_STEPS)
    if missing is not None or dynamics is None:
        return missing
    if chases(health):
        return Abstained(symptom="loss_spikes", reason="a target network or the returns of a policy move the targets")
    if not single(dynamics):
        return Abstained(symptom="loss_spikes", reason="several optimizers train: their losses may jump")
    spikes = _spikes(dynamics)
    if len(spikes) < 2:
        return None
    value = max(spikes)
    return Finding(
        symptom="loss_spikes",
        severity=Severity.WARNING,
        sentence=f"The loss jumped {len(spikes)} times, up to {digits3(value)}x of what it was, and came back slowly.",
        value=value,
        threshold=_TIMES,
        bound=None,
        advice="warm up the learning rate, clip gradients with clip_grad_norm_(parameters, 1.0), try betas=(0.9, 0.95)",
        check=health.command,
        explains=("loss_oscillates",),
    )


def _spikes(dynamics: Dynamics) -> list[float]:
    """Return the height of each spike over the level before it."""
    losses = np.array(known(dynamics.losses))
    steps = np.array([step for step, loss in enumerate(dynamics.losses, 1) if loss is not None])
    found: list[tuple[int, float]] = []  # length and height
    above = 0  # losses that are
    start, place = float(np.median(losses[:5])), _BEFORE
    long = max(_LONG, -(-_ROWS // (dynamics.batch_rows or _ROWS)))
    while place < 0.95 * len(losses):
        before = losses[place - _BEFORE : place]
        level = float(np.median(before))
        spread = 1.4826 * float(np.median(np.abs(before - level)))
        limit = max(level + _DEVIATIONS * spread, _TIMES * level, _SIZE * start)
        length = 0
        while level > 0 and place + length < len(losses) and losses[place + length] > limit:
            length += 1
        loads = any(steps[place - _BEFORE] <= at <= steps[place] for at in dynamics.loaded)
        if length >= long and not loads and not _raised(dynamics, steps[place]):
            found.append((length, float(losses[place : place + length].max()) / level))
        above += length
        place += max(1, length)
    share = above / len(losses)
    return [height for length, height in found if len(losses) * share**length < _CHANCE]


def _raised(dynamics: Dynamics, step: int) -> bool:
    """Whether the learning rate near a step is half above its median."""
    rates = known(dynamics.rates)
    near = [rate for at, rate in zip(dynamics.samples, dynamics.rates, strict=True) if rate and abs(at - step) <= 20]
    return bool(near) and max(near) > 1.5 * median(rates)
