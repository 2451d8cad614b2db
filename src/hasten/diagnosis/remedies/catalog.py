"""The remedies, and which of them to try against a symptom, the likeliest first."""

from torch import nn

from hasten.diagnosis.remedies.models import (
    Activations,
    EvalMode,
    Held,
    Initialized,
    Standardized,
    TrainMode,
    WithoutOutput,
)
from hasten.diagnosis.remedies.remedy import Remedy
from hasten.diagnosis.remedies.updates import Cleared, ClippedNorm, Divided, FirstMoment, Option, ScaledRate


def _rate(name: str, factor: float) -> Remedy:
    return Remedy(name, f"learning rate x {factor:g}", f"lr={factor:g} * lr", lambda: ScaledRate(factor), factor=factor)


_ALL = (
    _rate("lower_rate", 0.1),
    _rate("much_lower_rate", 0.01),
    _rate("higher_rate", 10.0),
    _rate("much_higher_rate", 100.0),
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
    Remedy("leaky", "nn.LeakyReLU in place of nn.ReLU", "nn.LeakyReLU(0.01)", lambda: Activations(nn.ReLU)),
    Remedy("unbounded", "nn.LeakyReLU in place of sigmoid and tanh", "nn.LeakyReLU(0.01)", Activations),
    Remedy(
        "without_output",
        "no activation after the last layer",
        "return self.last(x)  # scores, not activated",
        WithoutOutput,
    ),
    Remedy("standardized", "inputs standardized", "inputs = (inputs - mean) / std", Standardized),
    Remedy("train_mode", "training mode in training", "model.train()  # before the training steps", TrainMode),
    Remedy("eval_mode", "evaluation mode in evaluation", "model.eval()  # before the evaluation", EvalMode),
    Remedy(
        "held",
        "all trainable parameters in the optimizer",
        "torch.optim.Adam(model.parameters())  # of the final model",
        Held,
    ),
)

REMEDIES = {one.name: one for one in _ALL}

BY_SYMPTOM = {
    "update_too_large": ("lower_rate", "much_lower_rate", "clipping", "warm_up"),
    "nonfinite": ("lower_rate", "much_lower_rate", "clipping", "initialized"),
    "diverging": ("lower_rate", "much_lower_rate", "clipping"),
    "exploding_gradient": ("clipping", "lower_rate", "initialized"),
    "loss_spikes": ("clipping", "lower_rate"),
    "loss_oscillates": ("lower_rate", "usual_momentum"),
    "direction_zigzag": ("lower_rate", "usual_momentum"),
    "edge_of_stability": ("lower_rate", "warm_up"),
    "update_too_small": ("higher_rate", "much_higher_rate", "small_epsilon"),
    "direction_consistent": ("higher_rate", "much_higher_rate"),
    "slow_convergence": ("higher_rate", "much_higher_rate"),
    "not_learning": ("higher_rate", "lower_rate", "much_higher_rate", "initialized", "standardized"),
    "plateau": ("higher_rate", "lower_rate"),
    "vanishing_gradient": ("unbounded", "initialized", "higher_rate"),
    "saturated": ("initialized", "standardized", "unbounded"),
    "dead_units": ("initialized", "leaky", "lower_rate"),
    "poor_init": ("initialized",),
    "layer_imbalance": ("initialized",),
    "adam_eps_bound": ("small_epsilon", "higher_rate"),
    "clip_dominated": ("higher_rate", "lower_rate"),
    "weight_growth": ("lower_rate", "no_decay"),
    "initial_loss_off": ("initialized", "standardized"),
    "not_in_optimizer": ("held",),
    "gradients_not_cleared": ("cleared",),
    "accumulation_not_divided": ("divided",),
    "eval_mode_in_training": ("train_mode",),
    "train_mode_in_evaluation": ("eval_mode",),
    "double_softmax": ("without_output",),
    "log_of_probabilities": ("without_output",),
    "bounded_output": ("without_output",),
    "inputs_unscaled": ("standardized",),
}
"""Symptom -> remedies. A symptom that is not here is cured by a change of the code only."""
