"""D4: gradients are far larger than they should be: over the depth, over time, or in spikes.

Signal: norm of all gradients before clipping; gradient times weight of each layer, first third against last third.
Threshold: over the depth 1,000 in half of the samples; over time 100 times the median of the first samples while the
    loss does not fall; spikes above 10 times the median and above 6 robust standard deviations of the logarithm, 2 in
    100 steps and 3 in all, while the loss does not fall; above 100 times the median in 5 % of the first half.
Why: one huge update undoes many steps; early layers with huge gradients decide everything.
Example: an RNN over 500 steps without clipping; weights that start 10 times too large.
    What LBFGS tries along a line is not looked at over time.
Wrong when: samples differ in size by orders of magnitude on purpose.
Source: deep learning tuning playbook (clipping at the 90th percentile); AutoTrainer (ratio 70).
"""

import math

import numpy as np

from hasten.base.records.dynamics import Dynamics
from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import abstain, course, known, median, relative_gradients, weights
from hasten.diagnosis.rule import Outcome

_DEPTH, _GROWTH, _SPIKE, _HUGE, _DEVIATIONS = 1e3, 1e2, 10.0, 1e2, 6.0


def find(health: Health) -> Outcome:
    """Fire on gradients that grow with the depth, with time, or in spikes."""
    dynamics = health.dynamics
    missing = abstain("exploding_gradient", health)
    if missing is not None or dynamics is None:
        return missing
    searches = "LBFGS" in dynamics.optimizers  # along a line: its gradients are those of trials, too
    over_time = () if searches else (_over_time(dynamics), _spikes(dynamics))
    for value, threshold, sentence, where in (_over_depth(dynamics), *over_time):
        if value is not None:
            return Finding(
                symptom="exploding_gradient",
                severity=Severity.CRITICAL,
                sentence=sentence,
                value=value,
                threshold=threshold,
                bound=None,
                where=where,
                advice="torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0) before optimizer.step()",
                check=health.command,
                explains=("diverging", "loss_spikes", "not_learning", "weight_growth", "clip_dominated"),
            )
    return None


def _over_depth(dynamics: Dynamics) -> tuple[float | None, float, str, str]:
    layers = [(one, relative_gradients(one)) for one in weights(dynamics) if one.depth is not None]
    third = len(layers) // 3
    if third:
        rows = zip(*(row for _, row in layers), strict=True)
        values = [median(known(row[:third])) / end for row in rows if (end := median(known(row[-third:]))) > 0]
        value = median([one for one in values if math.isfinite(one)])
        if value > _DEPTH:
            sentence = f"Gradients grow {digits3(value)}x on their way from the last to the first layers."
            return value, _DEPTH, sentence, layers[0][0].name
    return None, _DEPTH, "", ""


def _over_time(dynamics: Dynamics) -> tuple[float | None, float, str, str]:
    norms, losses = known(dynamics.norms), course(dynamics.losses)
    if len(norms) >= 16 and losses is not None and not losses.falls:
        early = median(norms[:8])
        value = median(norms[-5:]) / early if early > 0 else 0.0
        if value > _GROWTH and losses.last > losses.first + 4 * losses.error:
            return value, _GROWTH, f"The norm of the gradient grew {digits3(value)}x while the loss did not fall.", ""
    return None, _GROWTH, "", ""


def _spikes(dynamics: Dynamics) -> tuple[float | None, float, str, str]:
    norms = [one for one in known(dynamics.clip_norms or dynamics.norms) if one > 0]
    losses = course(dynamics.losses)
    early = norms[: len(norms) // 2]
    huge = [norm for norm in early if norm > _HUGE * median(early)]
    if len(early) >= 24 and len(huge) >= max(3, 0.05 * len(early)):
        value = max(huge) / median(early)
        return (
            value,
            _HUGE,
            f"{len(huge)} of the first {len(early)} gradients are up to {digits3(value)}x the median.",
            "",
        )
    if len(norms) < 50 or losses is None or losses.falls:
        return None, _SPIKE, "", ""
    logs = np.log(norms)
    middle = float(np.median(logs))
    spread = 1.4826 * float(np.median(np.abs(logs - middle)))
    spikes = logs > middle + max(math.log(_SPIKE), _DEVIATIONS * spread)
    count = int(spikes.sum())
    if count >= max(3, 0.02 * len(norms)):
        value = math.exp(float(logs.max()) - middle)
        sentence = f"{count} of {len(norms)} gradients are huge, up to {digits3(value)}x the median."
        return value, _SPIKE, sentence, ""
    return None, _SPIKE, "", ""
