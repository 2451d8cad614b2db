"""The remedies, and which of them to try against a symptom, the likeliest first."""

from hasten.base.records.finding import Finding
from hasten.diagnosis.remedies.functions import CrossEntropy, Guarded, HiddenActivations, Scores
from hasten.diagnosis.remedies.inputs import Clamped, Standardized
from hasten.diagnosis.remedies.layers import Initialized, Normalized, UnitVariance
from hasten.diagnosis.remedies.models import EvalMode, Held, SmallerOutputs, TrainMode
from hasten.diagnosis.remedies.remedy import Remedy
from hasten.diagnosis.remedies.updates import (
    CappedRate,
    Cleared,
    ClippedNorm,
    Divided,
    EqualRates,
    FirstMoment,
    LeftAlone,
    Option,
    ScaledRate,
    WiderLimit,
)


def _rate(factor: float) -> Remedy:
    name = f"rate_x_{factor:g}"
    return Remedy(name, f"learning rate x {factor:g}", f"lr={factor:g} * lr", lambda: ScaledRate(factor), factor=factor)


def _ladder(sign: int) -> tuple[Remedy, ...]:
    """Return learning rates that are each 3.16 times as far from that of the training as the one before."""
    return tuple(_rate(float(f"{10 ** (sign * place / 2):.3g}")) for place in range(1, 13))


LADDERS = {"lower_rate": _ladder(-1), "higher_rate": _ladder(1)}
"""Name of a remedy -> those of which a search finds the best one."""

_ALL = (
    *(one for ladder in LADDERS.values() for one in ladder),
    Remedy(
        "capped_rate",
        "no learning rate above that of the first update",
        'group["lr"] = min(group["lr"], first)  # or no scheduler that raises it',
        CappedRate,
    ),
    Remedy(
        "equal_rates",
        "the lowest learning rate of all parameter groups for each of them",
        "torch.optim.Adam(model.parameters(), lr=lowest)  # one group",
        EqualRates,
    ),
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
    Remedy(
        "unit_variance",
        "layers initialized so that their outputs have variance 1",
        "torch.nn.init.kaiming_normal_(layer.weight); layer.weight.data /= layer(inputs).std()  # layer by layer",
        UnitVariance,
    ),
    Remedy(
        "normalized",
        "batch normalization after each layer but the last",
        "h = F.relu(norm(layer(h)))  # with norm = torch.nn.BatchNorm1d(width) of each layer",
        Normalized,
    ),
    Remedy(
        "smaller_outputs",
        "outputs divided by their size in the first batch",
        "return outputs / 10  # what they are multiplied with; or leave that out",
        SmallerOutputs,
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
    Remedy(
        "clamped",
        "inputs clamped to four times the range of nine in ten",
        "inputs = inputs.clamp(low, high)  # median +- 4 * quantile of abs(inputs - median) at 0.9",
        Clamped,
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
    "update_too_large": ("lower_rate", "clipping", "warm_up"),
    "nonfinite": ("guarded", "lower_rate", "clipping", "initialized"),
    "diverging": ("lower_rate", "clipping"),
    "exploding_gradient": ("clipping", "lower_rate", "initialized"),
    "loss_spikes": ("clipping", "lower_rate"),
    "loss_oscillates": ("lower_rate", "usual_momentum"),
    "direction_zigzag": ("lower_rate", "usual_momentum"),
    "edge_of_stability": ("lower_rate", "warm_up"),
    "update_too_small": ("higher_rate", "small_epsilon"),
    "direction_consistent": ("usual_momentum", "higher_rate"),
    "slow_convergence": ("higher_rate",),
    "not_learning": ("higher_rate", "lower_rate", "initialized", "standardized"),
    "plateau": ("higher_rate", "lower_rate"),
    "vanishing_gradient": ("unbounded", "unit_variance", "higher_rate"),
    "saturated": ("initialized", "standardized", "unbounded"),
    "dead_units": ("unit_variance", "leaky", "lower_rate"),
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
    "inputs_unscaled": ("standardized", "clamped"),
}
"""Symptom -> remedies, the likeliest first. A symptom that is not here is cured by a change of the code only."""

BY_CAUSE = {
    "deep": ("unbounded", "normalized", "unit_variance", "leaky"),
    "rate_grows": ("capped_rate", "lower_rate", "clipping"),
    "rates_apart": ("equal_rates", "lower_rate", "clipping"),
    "not_finite_before_updates": ("guarded",),
    "outputs_multiplied": ("smaller_outputs", "lower_rate"),
    "outliers": ("clamped", "standardized"),
}
"""Cause that a rule saw -> remedies, in the place of those of the symptom."""


def remedies_of(finding: Finding) -> tuple[str, ...]:
    """Return the remedies to try against a finding, the likeliest first; none where only the code can change it.

    Each is a name of `REMEDIES`, or of `LADDERS`, whose best one is to be found.
    """
    if finding.by_hand:
        return ()
    return BY_CAUSE[finding.cause] if finding.cause else BY_SYMPTOM.get(finding.symptom, ())
