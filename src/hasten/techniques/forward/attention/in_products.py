"""Attention as batched products over blocks of queries, and its place where torch's fused kernel is called."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from hasten.base.seeds import preserved
from hasten.techniques.forward.functional import in_functional
from hasten.training.recipe import Recipe

Attention = Callable[..., Tensor]
"""Takes what `F.scaled_dot_product_attention` takes."""

KERNEL: Attention = F.scaled_dot_product_attention


def in_products(query: Tensor, key: Tensor, value: Tensor, *, causal: bool, scale: float | None, blocks: int) -> Tensor:
    """Return softmax(query @ keyᵀ x scale) @ value, computed for one block of queries after the other.

    Where the future is hidden, a block's scores end with its last query: with n blocks (n + 1) / 2n of all scores.

    Args:
        query: (..., queries, width).
        key: (..., keys, width).
        value: (..., keys, values).
        causal: whether query i sees keys 0 to i only.
        scale: of the scores; None for 1 / sqrt(width).
        blocks: how many; 1 where nothing is hidden, for then there is nothing to leave out.
    """
    queries, keys = query.shape[-2], key.shape[-2]
    query = query * (query.shape[-1] ** -0.5 if scale is None else scale)
    rows = -(-queries // blocks) if causal else queries
    mixed: list[Tensor] = []  # not list[Tensor](), at which torch's compiler leaves its graph
    for begin in range(0, queries, rows):
        end = min(begin + rows, queries)
        seen = min(end, keys) if causal else keys
        scores = query[..., begin:end, :] @ key[..., :seen, :].transpose(-2, -1)
        if causal:
            # Two rows of numbers to compare: a mask made by `tril` costs compiled code a sixth of all attention.
            ages = torch.arange(begin, end, device=query.device).unsqueeze(-1)
            scores = torch.where(torch.arange(seen, device=query.device) <= ages, scores, -torch.inf)
        mixed.append(scores.softmax(-1) @ value[..., :seen, :])
    return mixed[0] if len(mixed) == 1 else torch.cat(mixed, -2)


@dataclass(frozen=True)
class Call:
    """One call of the kernel: its arguments, under the kernel's own names."""

    query: Tensor
    key: Tensor
    value: Tensor
    attn_mask: Tensor | None = None
    dropout_p: float = 0.0
    is_causal: bool = False
    scale: float | None = None
    enable_gqa: bool = False

    def why_not(self, longest: int) -> str | None:
        """Return why the call is left to the kernel, or None where products can do it."""
        if self.attn_mask is not None:
            return "it has a mask of its own"
        if self.dropout_p:
            return "it drops weights at random, and other code would draw other numbers"
        if self.enable_gqa or self.query.shape[:-2] != self.key.shape[:-2]:
            return "several heads share their keys"
        if self.key.shape[-2] > longest:
            return (
                f"its {self.key.shape[-2]} keys are more than {longest}, and all scores are kept for the backward pass"
            )
        return None


def served(*, blocks: int, longest: int) -> Attention:
    """Return a function that stands for the kernel, and computes by products what is trained on."""

    def attend(*args: Any, **options: Any) -> Tensor:
        call = Call(*args, **options)
        if not torch.is_grad_enabled() or call.why_not(longest) is not None:
            return KERNEL(*args, **options)
        query, key, value = call.query, call.key, call.value
        return in_products(query, key, value, causal=call.is_causal, scale=call.scale, blocks=blocks)

    return attend


def in_place_of_kernel(attend: Attention) -> AbstractContextManager[None]:
    """Let `F.scaled_dot_product_attention` be another function, for a `with` statement."""
    return in_functional(scaled_dot_product_attention=attend)


def calls_of(run: Callable[[], Any], why_not: Callable[[Call], str | None]) -> list[str | None]:
    """Return, for each call of the kernel that `run` makes, why it stays with the kernel, or None."""
    found: list[str | None] = []

    def noted(*args: Any, **options: Any) -> Tensor:
        found.append(why_not(Call(*args, **options)))
        return KERNEL(*args, **options)

    with in_place_of_kernel(noted):
        run()
    return found


def why_all_stay(recipe: Recipe, why_not: Callable[[Call], str | None]) -> str | None:
    """Return why no call of the kernel that the recipe's model makes can be served, or None if one can."""
    model, batch = recipe.subject.fresh_model(), recipe.subject.batch()
    with preserved():
        whys = calls_of(lambda: recipe.forward.predict(model, batch), why_not)
    if not whys:
        return "the model does not call F.scaled_dot_product_attention"
    return None if None in whys else f"the attention stays with torch's kernel: {whys[0]}"
