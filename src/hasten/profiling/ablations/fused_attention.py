"""With fused attention: softmax between two batched matmuls against the fused kernel on the same shapes."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from hasten.base.device import Device
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.records.signals import Operator
from hasten.profiling.ablations.running import Measured, timed
from hasten.profiling.ablations.saving import step_without
from hasten.training.session import Session

_PARTS = frozenset({"aten.bmm", "aten._softmax", "aten._softmax_backward_data"})


def measure(run: Session, profile: Profile, machine: Machine, *, budget_s: float) -> Measured | None:
    """Return how many times faster the step would be with fused attention; None where no unfused attention is found."""
    operators = profile.operators or ()
    product = _score_product(operators)
    if product is None:
        return None
    heads, length, width = product.shapes[0]
    keys = product.shapes[1][2]
    dtype = getattr(torch, product.number_format)
    device = run.recipe.parallel.device
    query, key, value = (
        torch.randn(heads, rows, width, dtype=dtype, device=device, requires_grad=True) for rows in (length, keys, keys)
    )
    spent_s = sum(one.seconds for one in operators if one.name in _PARTS)
    total_s = sum(part.seconds for part in profile.parts)
    found = timed(
        _repeated(_spelled_out, query, key, value),
        _repeated(_fused, query, key, value),
        step_s=spent_s / max(product.calls, 1),
        budget_s=budget_s,
    )
    return Measured(
        ratio=step_without([min(spent_s / total_s, 0.95)], [found.ratio]),
        step_s=profile.step_s.value,
        detail=f"{heads} heads of {length} x {keys}",
    )


def _score_product(operators: Iterable[Operator]) -> Operator | None:
    """Return the slowest batched product whose output has the shape of a softmax: queries times keys."""
    softmax = {one.shapes[0][-2:] for one in operators if one.name == "aten._softmax" and one.shapes}
    scores = [
        one
        for one in operators
        if one.name == "aten.bmm" and one.phase == "forward" and len(one.shapes) == 2 and _output(one) in softmax
    ]
    return max(scores, key=lambda one: one.seconds, default=None)


def _output(product: Operator) -> tuple[int, int]:
    return product.shapes[0][1], product.shapes[1][2]


def _spelled_out(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    scores = query @ key.transpose(1, 2) * query.shape[-1] ** -0.5
    return scores.softmax(-1) @ value


def _fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    # as (batch, heads, length, width)
    return scaled_dot_product_attention(query.unsqueeze(0), key.unsqueeze(0), value.unsqueeze(0)).squeeze(0)


def _repeated(
    attend: Callable[[Tensor, Tensor, Tensor], Tensor], query: Tensor, key: Tensor, value: Tensor
) -> Callable[[int], None]:
    """Return a block of forward and backward passes."""

    def block(count: int) -> None:
        for _ in range(count):
            output = attend(query, key, value)
            torch.autograd.grad(output, (query, key, value), torch.ones_like(output))
        Device(query.device.type).synchronize()

    return block
