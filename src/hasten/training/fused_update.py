"""The update of a fused Adam on the CPU, without what torch looks at before each.

torch's step asks several questions of each parameter, sorts all by device and type, and looks for graphs that are being
recorded. For a small model that takes as long as the update. Where nothing of it matters, the same kernel is called
with the same lists, so the numbers are the same bit for bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn, optim

ADAMS = frozenset({optim.Adam, optim.AdamW})
"""Classes of which `fused_update` knows the kernel; their subclasses may do something else."""
_ONE = torch.ones(())


@dataclass(frozen=True)
class _Lists:
    """What the kernel updates of one group, as lists in the same order."""

    parameters: list[Tensor] = field(default_factory=list[Tensor])
    gradients: list[Tensor] = field(default_factory=list[Tensor])
    means: list[Tensor] = field(default_factory=list[Tensor])
    squares: list[Tensor] = field(default_factory=list[Tensor])
    steps: list[Tensor] = field(default_factory=list[Tensor])


def fused_update(optimizer: optim.Optimizer) -> bool:
    """Update by torch's fused CPU kernel; return False, with nothing changed, where it is not the usual case.

    The usual case: torch's own Adam or AdamW with `fused=True`, numbers for rate and betas, neither `amsgrad` nor a
    gradient scaler's scale, and parameters of one floating-point type whose state is there, as after the first step.
    """
    if optimizer.__class__ not in ADAMS:
        return False
    if getattr(optimizer, "grad_scale", None) is not None or getattr(optimizer, "found_inf", None) is not None:
        return False
    usual = list[tuple[Mapping[str, Any], _Lists]]()
    for group in optimizer.param_groups:
        lists = _lists_of(group, optimizer.state)
        if lists is None:
            return False
        usual.append((group, lists))
    with torch.no_grad():
        for group, lists in usual:
            if lists.parameters:
                _call(group, lists)
    return True


def _lists_of(group: Mapping[str, Any], states: Mapping[Tensor, Mapping[str, Tensor]]) -> _Lists | None:
    """Return the lists of a group's parameters that have a gradient; None where the case is not the usual one."""
    if not group["fused"] or group["amsgrad"] or group["capturable"] or group["differentiable"]:
        return None
    if isinstance(group["lr"], Tensor) or any(isinstance(beta, Tensor) for beta in group["betas"]):
        return None
    lists, dtype = _Lists(), None
    for parameter in group["params"]:
        gradient = parameter.grad
        if gradient is None:
            continue
        state, dtype = states.get(parameter), dtype or parameter.dtype
        if parameter.__class__ is not nn.Parameter:  # divided over processes, for example
            return None
        if not state or not parameter.is_cpu or gradient.layout is not torch.strided:
            return None
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        if not parameter.dtype is gradient.dtype is mean.dtype is square.dtype is dtype:
            return None
        lists.parameters.append(parameter)
        lists.gradients.append(gradient)
        lists.means.append(mean)
        lists.squares.append(square)
        lists.steps.append(state["step"])
    return lists


def _call(group: Mapping[str, Any], lists: _Lists) -> None:
    """Count the step and call the kernel, as `torch.optim.adam` does."""
    torch._foreach_add_(lists.steps, _ONE, alpha=1.0)
    kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
    beta1, beta2 = group["betas"]
    kernel(
        lists.parameters,
        lists.gradients,
        lists.means,
        lists.squares,
        [],
        lists.steps,
        lr=group["lr"],
        beta1=beta1,
        beta2=beta2,
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        amsgrad=False,
        maximize=group["maximize"],
        grad_scale=None,
        found_inf=None,
    )
