"""Attention in bfloat16 by a kernel of our own, as operators of torch, and autograd over them.

`kernels.cpp` computes one head at a time, forward and backward, from the tensors where they lie. The backward pass
computes the scores again from what the forward pass kept of them, one number for each query (Dao et al., 2022,
arXiv:2205.14135).
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hasten.base.errors import Refused
from hasten.machine import facts
from hasten.techniques.forward.attention.in_products import KERNEL, Call
from hasten.techniques.forward.operator import operator
from hasten.techniques.native import Source, function, library

KERNELS = Source(Path(__file__).with_name("kernels.cpp"))
INSTRUCTIONS = "avx512_bf16"
WIDTH = 32
"""The width of a head is a multiple of it."""


@cache
def unsupported() -> str | None:
    """Return why the kernel cannot run on this machine, or None; the first call compiles it."""
    if INSTRUCTIONS not in facts().isa:
        return "the processor has no AVX512-BF16 instructions, of which the kernel is made"
    try:
        built = library(KERNELS, torch.bfloat16)
    except Refused as error:
        return str(error)
    return None if built else "there is no C++ compiler here to build the kernel (Linux only)"


def why_not(call: Call) -> str | None:
    """Return why a call is left to torch's kernel, or None where ours can do it."""
    tensors = call.query, call.key, call.value
    if {tensor.dtype for tensor in tensors} not in ({torch.bfloat16}, {torch.float32}):
        return f"its queries are {str(call.query.dtype).removeprefix('torch.')}, not bfloat16 or float32"
    if any(tensor.ndim != 4 or tensor.stride(-1) != 1 for tensor in tensors):
        return "its tensors are not (batch, heads, positions, width), with the width in one piece"
    if call.query.shape[-1] % WIDTH or call.value.shape != call.key.shape:
        return f"its heads are {call.query.shape[-1]} wide, which is no multiple of {WIDTH}, or values differ from keys"
    if call.scale is not None and not call.scale > 0:
        return f"its scores are scaled by {call.scale:g}, which is not above 0"
    return call.why_not(longest=call.key.shape[-2])


def by_kernel(*args: Any, **options: Any) -> Tensor:
    """Stand for `F.scaled_dot_product_attention`, and compute by the kernel what it can do and is trained on."""
    call = Call(*args, **options)
    if not torch.is_grad_enabled() or why_not(call) is not None:
        return KERNEL(*args, **options)
    scale = call.query.shape[-1] ** -0.5 if call.scale is None else call.scale
    query, key, value = (one.bfloat16() for one in (call.query, call.key, call.value))
    return cast(Tensor, FusedAttention.apply(query, key, value, call.is_causal, scale)).to(call.query.dtype)


def _run(name: str, tensors: Sequence[Tensor], strided: Sequence[Tensor], *, keys: int, causal: bool) -> None:
    """Call the compiled function.

    Args:
        name: of the function.
        tensors: its arguments.
        strided: those of (B, H, T, D), the first one of the shape of the queries.
        keys: how many.
        causal: whether a query sees only the keys up to its own.
    """
    compiled = function(KERNELS, name, torch.bfloat16, tensors=len(tensors) + 1, sizes=0)
    assert compiled is not None, "unsupported() was not asked"
    B, H, Q, D = strided[0].shape
    steps = [step for one in strided for step in one.stride()[:3]]
    sizes = torch.tensor([B, H, Q, keys, D, causal, *steps], dtype=torch.int64, device="cpu")
    compiled(*[tensor.data_ptr() for tensor in tensors], sizes.data_ptr(), torch.get_num_threads())


@cache
def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float32, device="cpu")


def _like(heads: Tensor) -> Tensor:
    """Return an empty tensor of the same shape that lies in memory by position, as a model's other layers want it."""
    B, H, T, D = heads.shape
    return heads.new_empty((B, T, H, D)).transpose(1, 2)


def _empty(query: Tensor, key: Tensor, value: Tensor, causal: bool, scale: float) -> tuple[Tensor, Tensor]:
    return _like(query), query.new_empty(query.shape[:-1], dtype=torch.float32)


def _empty_gradients(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, log_sums: Tensor, causal: bool, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    return _like(query), _like(key), _like(value)


def _work(query: torch.Size, key: torch.Size, *_: object, **__: object) -> int:
    return 4 * query[0] * query[1] * query[2] * key[2] * query[3]


def _backward_work(grad: torch.Size, query: torch.Size, key: torch.Size, *_: object, **__: object) -> int:
    return 10 * query[0] * query[1] * query[2] * key[2] * query[3]


@operator("attention", fake=_empty, work=_work)
def attention(query: Tensor, key: Tensor, value: Tensor, causal: bool, scale: float) -> tuple[Tensor, Tensor]:
    """Return softmax(query @ keyᵀ x scale) @ value (B, H, queries, D), and the logarithms of the softmax's sums."""
    out, log_sums = _empty(query, key, value, causal, scale)
    strided = query, key, value, out
    given = query, key, value, _number(scale), out, log_sums
    _run("attention", given, strided, keys=key.shape[2], causal=causal)
    return out, log_sums


@operator("attention_backward", fake=_empty_gradients, work=_backward_work)
def attention_backward(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, log_sums: Tensor, causal: bool, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of query, key and value from that of the output, all bfloat16."""
    grad = grad if grad.stride(-1) == 1 else grad.contiguous()
    made = _empty_gradients(grad, query, key, value, log_sums, causal, scale)
    given = grad, query, key, value, log_sums, _number(scale), *made
    _run("attention_backward", given, (grad, query, key, value, *made), keys=key.shape[2], causal=causal)
    return made


class FusedAttention(torch.autograd.Function):
    """Attention; keeps its inputs and one number for each query for the backward pass."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, causal: bool, scale: float) -> Tensor:
        """Return the output (B, H, queries, D) for bfloat16 queries (B, H, queries, D), and keys and values alike."""
        out, log_sums = attention(query, key, value, causal, scale)
        ctx.save_for_backward(query, key, value, log_sums)
        ctx.causal, ctx.scale = causal, scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the gradients of query, key and value."""
        query, key, value, log_sums = ctx.saved_tensors
        return *attention_backward(grads[0], query, key, value, log_sums, ctx.causal, ctx.scale), None, None
