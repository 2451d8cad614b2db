"""Forward and backward passes on a few samples and what they leave behind: two ways to compute, compared."""

import hashlib
import random
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hasten.base.seeds import preserved, seed_all
from hasten.data.batch import split_batch
from hasten.techniques.forward.functional import in_functional
from hasten.training.recipe import Recipe

AGREES, LEAST = 1e-3, 1e-5
"""How far a tensor may be off: a fraction of its own norm, plus a fraction of the norm of all tensors."""
DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")


@dataclass(frozen=True)
class Pass:
    """What one forward and backward pass leaves behind: name -> tensor, name -> plain value or digest."""

    loss: Tensor
    gradients: dict[str, Tensor]
    buffers: dict[str, Tensor]
    others: dict[str, object]  # counters and generators of the modules, and the global generators


def passes(
    model: nn.Module, recipe: Recipe, *, samples: int = 4, count: int = 2, size: int | None = None, seed: int = 0
) -> list[Pass]:
    """Make passes over the same samples on the CPU, in training mode, with the recipe's own predict and loss.

    The parameters are moved a little before, so that layers initialized with zeros, and estimates that hold only at the
    start (spectral norm's), hide nothing. The model moves on, as in training; the global generators are put back.

    Args:
        model: of the recipe, on the CPU.
        recipe: the wrappers of its forward pass (autocast, compile) are left out.
        samples: in the batch.
        count: how many passes, one after the other.
        size: samples in each part of a batch, whose gradients accumulate; None for the whole batch at once.
        seed: of the global generators, before the first pass.
    """
    batch, found = recipe.subject.batch(samples), list[Pass]()
    terms = recipe.forward.loss.count(batch)
    model.train()
    with preserved():
        move_parameters(model)
        seed_all(seed)
        for _ in range(count):
            model.zero_grad()
            total, counted = torch.zeros(()), 0.0
            for part in split_batch(batch, size):
                loss = recipe.forward.loss(recipe.forward.predict(model, part), part)
                loss.sum.backward(torch.full_like(loss.sum, 1.0 if terms is None else 1 / float(terms)))
                total, counted = total + loss.sum.detach(), counted + float(loss.count)
            found.append(_left_behind(model, total, 1.0 if terms is not None else counted))
    return found


def first_difference(expected: list[Pass], found: list[Pass]) -> str | None:
    """Return the first thing that two rows of passes differ in by a bit, or None; what may be the cause comes first."""
    for one, other in zip(expected, found, strict=True):
        for name, value in one.others.items():
            if other.others.get(name) != value:
                return name
        for kind, mine, theirs in (
            ("the buffer ", one.buffers, other.buffers),
            ("the ", {"loss": one.loss}, {"loss": other.loss}),
            ("the gradient of ", one.gradients, other.gradients),
        ):
            for name, value in mine.items():
                if name not in theirs or not _equal(value, theirs[name]):
                    return f"{kind}{name!r}"
    return None


def far_off(expected: dict[str, Tensor], found: dict[str, Tensor]) -> tuple[str, float] | None:
    """Return the first tensor that is off by more than rounding, and by which fraction of its norm; or None."""
    size = torch.stack([value.norm() for value in expected.values()]).norm() if expected else torch.zeros(())
    for name, value in expected.items():
        error = (found[name] - value).norm() if name in found else value.norm()
        if not error <= AGREES * value.norm() + LEAST * size:
            return name, float(error / value.norm())
    return None


@contextmanager
def dropout_off() -> Generator[None]:
    """Let every dropout that is called through `torch.nn.functional` return its input, for the body."""
    attention = F.scaled_dot_product_attention

    def unchanged(value: Tensor, *args: Any, **options: Any) -> Tensor:
        return value

    def without(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        **options: Any,
    ) -> Tensor:
        return attention(query, key, value, attn_mask, 0.0, is_causal, **options)

    with in_functional(**dict.fromkeys(DROPOUTS, unchanged), scaled_dot_product_attention=without):
        yield


@torch.no_grad()
def move_parameters(model: nn.Module) -> None:
    """Add noise of a tenth of its size to every parameter, the same for every model of one kind."""
    seed_all(0)
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.add_((0.1 * parameter.square().mean().sqrt() + 1e-3) * torch.randn_like(parameter))


def _left_behind(model: nn.Module, loss: Tensor, count: float) -> Pass:
    gradients = {name: one.grad.to_dense() / count for name, one in model.named_parameters() if one.grad is not None}
    buffers = {name: buffer.detach().clone() for name, buffer in model.named_buffers()}
    return Pass(loss, gradients, buffers, {**dict(_own_values(model)), **_generators()})


def _own_values(model: nn.Module) -> Iterator[tuple[str, object]]:
    """Yield the numbers, the lengths of lists and the generators that modules hold as plain attributes."""
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            what = f"the attribute {f'{name}.{key}'.lstrip('.')!r}"
            if isinstance(value, (bool, int, float, str)):
                yield what, value
            elif isinstance(value, list) or (isinstance(value, dict) and not key.startswith("_")):
                yield what, len(value)  # type: ignore[arg-type]
            elif isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
                yield what, value.detach().double().sum().item() if not value.is_complex() else value.abs().sum().item()
            elif isinstance(value, torch.Generator):
                yield what, _digest(value.get_state())
            elif isinstance(value, random.Random):
                yield what, repr(value.getstate())
            elif isinstance(value, np.random.Generator):
                yield what, repr(value.bit_generator.state)
            elif isinstance(value, np.random.RandomState):
                yield what, repr(value.get_state())


def _generators() -> dict[str, object]:
    return {
        "the state of torch's generator": _digest(torch.get_rng_state()),
        "the state of numpy's generator": hashlib.sha256(repr(np.random.get_state()).encode()).hexdigest(),
        "the state of Python's generator": hash(random.getstate()),
    }


def _digest(state: Tensor) -> str:
    return hashlib.sha256(state.numpy().tobytes()).hexdigest()


def _equal(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors hold the same bits; NaN equals itself."""
    return one.shape == other.shape and bool(torch.equal(one, other) or (one.isnan() | (one == other)).all())
