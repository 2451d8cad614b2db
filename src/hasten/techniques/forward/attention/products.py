"""The two products of attention, in all the ways in which people write a batched matrix product."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

PRODUCTS = frozenset({torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm, torch.einsum})
DIMENSIONS = (3, 4)
"""Of operands that attention may have: (batch, length, width), with or without heads."""


@dataclass(frozen=True)
class Product:
    """`left @ right`, batched. `order` is the order of dimensions that was asked for, where it is not the product's."""

    left: Tensor
    right: Tensor
    order: Sequence[int] | None = None

    def arranged(self, made: Tensor) -> Tensor:
        """Return a tensor that stands for the product, with its dimensions as they were asked for."""
        return made if self.order is None else made.permute(*self.order)


def product_of(function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> Product | None:
    """Return the batched product (.., i, d) x (.., d, j) that a call of one of `PRODUCTS` makes, or None."""
    if options:
        return None
    if function is torch.einsum:
        return _einsum(args)
    if len(args) != 2 or not all(isinstance(one, Tensor) for one in args):
        return None
    left, right = args
    same = left.ndim in DIMENSIONS and left.ndim == right.ndim and left.shape[:-2] == right.shape[:-2]
    return Product(left, right) if same else None


def _einsum(args: Sequence[Any]) -> Product | None:
    if len(args) != 3 or not isinstance(args[0], str) or "->" not in args[0] or "." in args[0]:
        return None
    inputs, result = args[0].replace(" ", "").split("->")
    first, _, second = inputs.partition(",")
    left, right = args[1:]
    if left.ndim not in DIMENSIONS or left.ndim != right.ndim:
        return None
    order = product_order(first, second, result)
    if order is None:
        return None
    # A product whose left operand is put off must find that very operand here.
    left = left if order[0] == sorted(order[0]) else left.permute(*order[0])
    return Product(left, right.permute(*order[1]), order=order[2] if order[2] != sorted(order[2]) else None)


def product_order(first: str, second: str, result: str) -> tuple[list[int], list[int], list[int]] | None:
    """Return how to permute both operands and the product so that `first,second->result` is a batched product.

    None where it is none: where a letter occurs twice in one operand, or not exactly one is summed over, or kept of
    either operand.
    """
    sets = set(first), set(second), set(result)
    if any(len(word) != len(letters) for word, letters in zip((first, second, result), sets, strict=True)):
        return None
    one, two, made = sets
    summed, rows, columns = (one & two) - made, (one & made) - two, (two & made) - one
    if [len(summed), len(rows), len(columns)] != [1, 1, 1] or made != (one & two & made) | rows | columns:
        return None
    batch = "".join(letter for letter in result if letter in one & two)
    row, column, inner = rows.pop(), columns.pop(), summed.pop()
    if one != {*batch, row, inner} or two != {*batch, inner, column}:
        return None
    made_as = batch + row + column
    return (
        [first.index(letter) for letter in batch + row + inner],
        [second.index(letter) for letter in batch + inner + column],
        [made_as.index(letter) for letter in result],
    )
