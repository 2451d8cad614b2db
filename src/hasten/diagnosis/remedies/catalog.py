"""The remedies, and which of them to try against a symptom, the likeliest first."""

import math

from hasten.base.records.finding import Finding
from hasten.diagnosis.remedies.functions import CrossEntropy, Guarded, HiddenActivations, Scores
from hasten.diagnosis.remedies.models import EvalMode, Held, Initialized, Standardized, TrainMode
from hasten.diagnosis.remedies.remedy import Remedy
from hasten.diagnosis.remedies.updates import (
    Cleared,
    ClippedNorm,
    ConstantRate,
    Divided,
    FirstMoment,
    LeftAlone,
    Option,
    ScaledRate,
    WiderLimit,
)


def _rate(name: str, factor: float) -> Remedy:
    return Remedy(name, f"learning rate x {factor:g}", f"lr={factor:g} * lr", lambda: ScaledRate(factor), factor=factor)


_ALL = (
    _rate("lower_rate", 0.1),
    _rate("much_lower_rate", 0.01),
    _rate("lowest_rate", 0.001),
    _rate("higher_rate", 10.0),
    _rate("much_higher_rate", 100.0),
    _rate("highest_rate", 1000.0),
    Remedy("constant_rate", "learning rate of the first update", "no scheduler.step()", ConstantRate),
    Remedy(
        "warm_up",
        "linear warm-up over 50 updates",
        "torch.optim.lr_scheduler.LinearLR(optimizer, 0.02, total_iters=50)",
        lambda: ScaledRate(1.0, warmup=50),
    ),
    Remedy(
        "clipping",
        "gradients clipped to a norm of 1",
        "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # before optimizer.step()",
        lambda: ClippedNorm(1.0),
    ),
    Remedy(
        "wider_limit",
        "gradients clipped to a norm of 1, not less",
        "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
        lambda: WiderLimit(1.0),
    ),
    Remedy("usual_rate", "learning rate of 1e-3, not 0", "lr=1e-3", lambda: Option("lr", 1e-3, instead_of=0.0)),
    Remedy("small_epsilon", "epsilon of 1e-8", "eps=1e-8", lambda: Option("eps", 1e-8)),
    Remedy("usual_momentum", "momentum of 0.9", "momentum=0.9", lambda: FirstMoment(0.9)),
    Remedy("no_decay", "no weight decay", "weight_decay=0.0", lambda: Option("weight_decay", 0.0)),
    Remedy("divided", "gradients divided by the backward passes", "(loss / passes).backward()", Divided),
    Remedy(
        "cleared", "gradients cleared after each update", "optimizer.zero_grad()  # after optimizer.step()", Cleared
    ),
    Remedy(
        "initialized",
        "layers initialized as torch does by default",
        "for module in model.modules(): getattr(module, 'reset_parameters', lambda: None)()",
        Initialized,
    ),
    Remedy("leaky", "leaky ReLU in place of ReLU", "F.leaky_relu(h, 0.01)", lambda: HiddenActivations("relu", "relu6")),
    Remedy(
        "unbounded",
        "leaky ReLU in place of sigmoid and tanh between layers",
        "F.leaky_relu(h, 0.01)",
        lambda: HiddenActivations("sigmoid", "tanh", "hardtanh", "hardsigmoid", "softsign"),
    ),
    Remedy(
        "without_output",
        "no activation between the last layer and the loss",
        "return self.last(x)  # scores, not activated",
        Scores,
    ),
    Remedy(
        "cross_entropy",
        "cross-entropy of the scores",
        "F.cross_entropy(scores, labels)  # in place of nll_loss, without an activation before it",
        CrossEntropy,
        measured_by="cross_entropy_measured",
    ),
    Remedy("cross_entropy_measured", "cross-entropy as the loss shown", "", lambda: CrossEntropy(measured=True)),
    Remedy(
        "guarded",
        "arguments of roots and logarithms of at least 1e-8",
        "torch.sqrt(x.clamp_min(1e-8)), torch.log(x.clamp_min(1e-8))",
        Guarded,
    ),
    Remedy("standardized", "inputs standardized", "inputs = (inputs - mean) / std", Standardized),
    Remedy("train_mode", "training mode in training", "model.train()  # before the training steps", TrainMode),
    Remedy("eval_mode", "evaluation mode in evaluation", "model.eval()  # before the evaluation", EvalMode),
    Remedy(
        "left_alone",
        "frozen parameters without gradients",
        "parameter.requires_grad_(False); parameter.grad = None",
        LeftAlone,
    ),
    Remedy(
        "held",
        "all trainable parameters in the optimizer",
        "torch.optim.Adam(model.parameters())  # of the final model",
        Held,
    ),
)

REMEDIES = {one.name: one for one in _ALL}

BY_SYMPTOM = {
    "update_too_large": ("constant_rate", "lower_rate", "much_lower_rate", "lowest_rate", "clipping", "warm_up"),
    "nonfinite": ("guarded", "lower_rate", "much_lower_rate", "clipping", "initialized"),
    "diverging": ("lower_rate", "much_lower_rate", "clipping"),
    "exploding_gradient": ("clipping", "lower_rate", "initialized"),
    "loss_spikes": ("clipping", "lower_rate"),
    "loss_oscillates": ("lower_rate", "usual_momentum"),
    "direction_zigzag": ("lower_rate", "usual_momentum"),
    "edge_of_stability": ("lower_rate", "warm_up"),
    "update_too_small": ("higher_rate", "much_higher_rate", "highest_rate", "small_epsilon"),
    "direction_consistent": ("usual_momentum", "higher_rate", "much_higher_rate"),
    "slow_convergence": ("higher_rate", "much_higher_rate", "highest_rate"),
    "not_learning": ("higher_rate", "lower_rate", "much_higher_rate", "initialized", "standardized"),
    "plateau": ("higher_rate", "lower_rate"),
    "vanishing_gradient": ("unbounded", "initialized", "higher_rate"),
    "saturated": ("initialized", "standardized", "unbounded"),
    "dead_units": ("initialized", "leaky", "lower_rate"),
    "poor_init": ("initialized",),
    "layer_imbalance": ("initialized",),
    "adam_eps_bound": ("small_epsilon", "higher_rate"),
    "clip_dominated": ("wider_limit", "higher_rate", "lower_rate"),
    "weight_growth": ("no_decay", "lower_rate"),
    "norm_gain_off": ("initialized",),
    "initial_loss_off": ("initialized", "standardized"),
    "not_in_optimizer": ("held",),
    "foreign_in_optimizer": ("held",),
    "parameter_unchanged": ("usual_rate",),
    "frozen_changed": ("left_alone",),
    "gradients_not_cleared": ("cleared",),
    "accumulation_not_divided": ("divided",),
    "eval_mode_in_training": ("train_mode",),
    "train_mode_in_evaluation": ("eval_mode",),
    "double_softmax": ("without_output",),
    "log_of_probabilities": ("cross_entropy",),
    "bounded_output": ("without_output",),
    "inputs_unscaled": ("standardized",),
}
"""Symptom -> remedies. A symptom that is not here is cured by a change of the code only."""


_USUAL = {"update_too_large": 3e-3, "update_too_small": 1e-3, "slow_convergence": 1e-3}
"""Symptom -> the size of updates over weights that its remedies aim at; the finding has the size that was seen."""


def remedies_of(finding: Finding) -> tuple[str, ...]:
    """Return the remedies to try against a finding, the likeliest first; none where only the code can change it.

    Of the learning rates the one comes first that makes the updates nearest to the usual size.
    """
    names = () if finding.by_hand else BY_SYMPTOM.get(finding.symptom, ())
    usual = _USUAL.get(finding.symptom)
    if usual is None or not finding.value > 0:
        return names

    def far(name: str) -> float:
        return abs(math.log((REMEDIES[name].factor or 1.0) * finding.value / usual))

    rates = iter(sorted((name for name in names if REMEDIES[name].factor), key=far))
    return tuple(next(rates) if REMEDIES[name].factor else name for name in names)
