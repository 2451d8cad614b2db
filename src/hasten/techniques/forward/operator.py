"""Functions as operators of torch, so that a compiled model calls them as they are."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch.utils.flop_counter import register_flop_formula

Function = TypeVar("Function", bound=Callable[..., Any])

TAGS = (torch.Tag.pt2_compliant_tag, torch.Tag.needs_exact_strides)


def operator(name: str, *, fake: Callable[..., Any], work: Callable[..., int]) -> Callable[[Function], Function]:
    """Return a decorator that makes a function on CPU tensors the operator `hasten::name`.

    `torch.library.custom_op` would do it in one line, but costs some 30 µs in each call, for checks and
    for autograd, which they do not need: each has one caller, an autograd function.

    Args:
        name: of the operator.
        fake: has the same arguments and returns empty tensors as the function would return them.
        work: takes the shapes of the arguments and returns the multiplications and additions, for FLOP counters.
    """

    def registered(function: Function) -> Function:
        qualified = f"hasten::{name}"
        torch.library.define(qualified, torch.library.infer_schema(function, mutates_args=()), tags=TAGS)
        torch.library.impl(qualified, "cpu", function)
        torch.library.register_fake(qualified, fake)
        registered_as = getattr(torch.ops.hasten, name)
        register_flop_formula(registered_as)(work)
        return registered_as.default  # type: ignore[no-any-return]

    return registered
