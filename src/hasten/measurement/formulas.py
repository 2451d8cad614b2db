"""How many floating-point operations an operator does: torch's own formulas, and those that it lacks."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten

Formula = Callable[[Sequence[Any], dict[str, Any], Any], int]
"""Takes the operator's arguments, keyword arguments and output."""


def flops_of(func: Any, args: Sequence[Any], kwargs: dict[str, Any], output: Any) -> int | None:
    """Return the operations of one call of an operator, or None if no formula is known.

    A multiplication and an addition count as two, elementwise work as none, and masked attention as full, as is the
    field's habit. Formulas registered with `torch.utils.flop_counter.register_flop_formula` are used too.

    Args:
        func: the operator (`torch._ops.OpOverload`).
        args: what it was called with.
        kwargs: what it was called with.
        output: what it returned.
    """
    packet = func._overloadpacket
    if (ours := _OURS.get(packet)) is not None:
        return ours(args, kwargs, output)
    if (theirs := flop_registry.get(packet)) is not None:
        return int(theirs(*args, **kwargs, out_val=output))
    return None


def is_expensive_without_formula(func: Any) -> bool:
    """Whether an operator without a formula may still do much work: a custom one, or one of torch's few."""
    return func.namespace not in ("aten", "prim", "prims") or func._overloadpacket in _DEAR


def _convolution_backward(args: Sequence[Any], kwargs: dict[str, Any], output: Any) -> int:
    """Each gradient asked for costs as much as the forward pass; torch's own formula forgets the groups."""
    grad_output, x, weight, transposed, wanted = args[0], args[1], args[2], args[7], args[10]
    positions = math.prod((x if transposed else grad_output).shape[2:])
    return 2 * x.shape[0] * positions * weight.numel() * (int(wanted[0]) + int(wanted[1]))


def _attention(args: Sequence[Any], kwargs: dict[str, Any], output: Any) -> int:
    query, key, value = args[:3]
    return 2 * _scores(query, key) * (query.shape[-1] + value.shape[-1])


def _attention_backward(args: Sequence[Any], kwargs: dict[str, Any], output: Any) -> int:
    """Scores again, and the gradients of probabilities, values, queries and keys."""
    query, key, value = args[1:4]
    return 2 * _scores(query, key) * (3 * query.shape[-1] + 2 * value.shape[-1])


def _scores(query: torch.Tensor, key: torch.Tensor) -> int:
    return math.prod(query.shape[:-1]) * key.shape[-2]


def _matrix_product(first: int) -> Formula:
    def formula(args: Sequence[Any], kwargs: dict[str, Any], output: Any) -> int:
        left, right = args[first], args[first + 1]
        return 2 * left.numel() * (right.shape[-1] if right.dim() > 1 else 1)

    return formula


def _grouped_product(args: Sequence[Any], kwargs: dict[str, Any], output: Any) -> int:
    left, right = args[:2]
    if left.dim() == right.dim() == 2:  # the groups share out the inner dimension
        return 2 * left.numel() * right.shape[-1]
    return 2 * output.numel() * left.shape[-1]


def _recurrence(passes: int, weights: Callable[[Sequence[Any]], Sequence[torch.Tensor]]) -> Formula:
    """Every position of the sequence meets every weight matrix once; backward costs two passes."""

    def formula(args: Sequence[Any], kwargs: dict[str, Any], output: Any) -> int:
        positions = args[0].numel() // args[0].shape[-1]
        return 2 * passes * positions * sum(weight.numel() for weight in weights(args) if weight.dim() == 2)

    return formula


_OURS: dict[Any, Formula] = {
    aten.convolution_backward: _convolution_backward,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    aten.mv: _matrix_product(0),
    aten.dot: _matrix_product(0),
    aten.vdot: _matrix_product(0),
    aten._int_mm: _matrix_product(0),
    aten.addmv: _matrix_product(1),
    aten._addmm_activation: _matrix_product(1),
    aten._grouped_mm: _grouped_product,
    aten.mkldnn_rnn_layer: _recurrence(1, lambda args: args[1:3]),
    aten.mkldnn_rnn_layer_backward: _recurrence(2, lambda args: args[1:3]),
    aten._cudnn_rnn: _recurrence(1, lambda args: args[1]),
    aten._cudnn_rnn_backward: _recurrence(2, lambda args: args[1]),
}

_DEAR = frozenset(
    {
        aten._transformer_encoder_layer_fwd,
        aten._native_multi_head_attention,
        aten._trilinear,
        aten._sparse_mm,
        aten._cdist_forward,
        aten._cdist_backward,
        aten._fft_r2c,
        aten._fft_c2r,
        aten._fft_c2c,
        aten.addbmm,
        aten.addr,
    }
)
