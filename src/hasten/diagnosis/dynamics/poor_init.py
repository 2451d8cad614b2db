"""D12: the weights start far too large, far too small, or all equal.

Signal: rms of each weight at the start times the root of its inputs (1.4 by He, 1 by Glorot, 0.58 by torch); and the
    activations in the first sample.
Threshold: the median over the layers above 4, with activations that grow 10 times or more through the layers or units
    that saturate; a recurrent weight above 1.8, with such growth; or below 0.1, with activations that shrink to a
    tenth. Weights that are all equal, in 90 % of several layers, or all 0, in all of them.
Why: signals grow or shrink by this factor in each layer, forwards and backwards.
Example: `nn.init.normal_(layer.weight, std=1.0)` in a layer of 512 inputs.
Wrong when: a normalization follows each layer and takes the scale out again.
Source: Glorot and Bengio 2010; He et al. 2015; SageMaker Debugger (PoorWeightInitialization: ratio 10).
"""

import math

from hasten.base.records.dynamics import Dynamics, ParameterTrack
from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import abstain, median, weights
from hasten.diagnosis.dynamics.nonfinite import CONSEQUENCES
from hasten.diagnosis.rule import Outcome

LARGE_GAIN = 4.0
"""Root mean square of a weight times the root of its inputs, from which on a layer starts too large."""
REPEATED_GAIN = 1.8
"""The same of a recurrent weight, which multiplies at each place of a row; 1.4 passes on what a ReLU halves."""
_SMALL, _GROWS = 0.1, 10.0
_EQUAL = 1e-5  # standard deviation over rms


def find(health: Health) -> Outcome:
    """Fire where the typical weight is far from the scale that passes signals on, and activations show it."""
    dynamics = health.dynamics
    missing = abstain("poor_init", health, samples=1)
    if missing is not None or dynamics is None:
        return missing
    layers = weights(dynamics)
    typical = median([gain(one) for one in layers])
    again = max((gain(one) for one in layers if "weight_hh" in one.name), default=0.0)
    growth, saturated = _growth(dynamics), _saturated(dynamics)
    alike = _alike(dynamics)
    if alike:
        return _finding(
            health, f"The weights of all {alike} layers start equal, so that all units of a layer stay alike.", 0.0, 0.0
        )
    repeated = again > REPEATED_GAIN and growth >= _GROWS
    large = repeated or (typical > LARGE_GAIN and (growth >= _GROWS or saturated > 0.5))
    small = typical < _SMALL and growth <= 1 / _GROWS
    if len(layers) < 2 or not (large or small):
        return None
    sentence = (
        f"The weights start {'too large' if large else 'too small'}: rms times root of inputs is "
        f"{digits3(again if repeated else typical)}; 1 passes signals on."
    )
    threshold = REPEATED_GAIN if repeated else LARGE_GAIN if large else _SMALL
    return _finding(health, sentence, again if repeated else typical, threshold, layers[0].name)


def _finding(health: Health, sentence: str, value: float, threshold: float, where: str = "") -> Finding:
    return Finding(
        symptom="poor_init",
        severity=Severity.CRITICAL,
        sentence=sentence,
        value=value,
        threshold=threshold,
        bound=None,
        where=where,
        advice="torch.nn.init.kaiming_normal_(layer.weight) for ReLU, xavier_normal_ for tanh and attention",
        check=health.command,
        explains=(
            *CONSEQUENCES,
            "initial_loss_off",
            "nonfinite",
            "overflow_risk",
            "update_too_large",
            "update_too_small",
            "dead_units",
            "saturated",
            "vanishing_gradient",
            "gradient_zero",
            "layer_imbalance",
            "adam_eps_bound",
            "slow_convergence",
            "output_ignores_input",
            "direction_zigzag",
            "loss_oscillates",
            "noise_dominated",
            "clip_dominated",
            "logits_too_large",
            "attention_collapsed",
        ),
    )


def _alike(dynamics: Dynamics) -> int:
    """Return the number of layers if there are several and nearly all of them start with equal weights, else 0."""
    layers = [one for one in dynamics.parameters if len(one.shape) >= 2 and max(one.shape) > 1]
    equal = sum(one.start_spread < _EQUAL for one in layers)
    if len(layers) > 1 and equal >= 0.9 * len(layers):
        return len(layers)
    matrices = [one for one in dynamics.parameters if len(one.shape) >= 2]
    return len(matrices) if len(matrices) > 1 and not any(one.start for one in matrices) else 0


def gain(one: ParameterTrack) -> float:
    """Return how much larger a layer makes what it gets, at the start."""
    return one.start * math.sqrt(math.prod(one.shape[1:]))


def _growth(dynamics: Dynamics) -> float:
    """Return the size of what the last layer gets over what the first one gets, in the first sample."""
    sizes = [one.rms[0] for one in dynamics.activations if one.kind == "input" and one.rms and one.rms[0] is not None]
    return sizes[-1] / sizes[0] if len(sizes) > 1 and sizes[0] > 0 else 1.0


def _saturated(dynamics: Dynamics) -> float:
    """Return the largest share of saturated units in the first sample."""
    return max((one.saturated[0] or 0.0 for one in dynamics.activations if one.saturated and one.hidden), default=0.0)
