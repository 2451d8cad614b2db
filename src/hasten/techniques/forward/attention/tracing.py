"""Finding attention that is written by hand in a running forward pass, and letting it take the fused kernel."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hasten.techniques.blocks import Forward, wrap_forward
from hasten.techniques.forward.attention.attention_expr import Chain
from hasten.techniques.forward.attention.lazy_scores import Scores, as_now, autocast_state, versions
from hasten.techniques.forward.attention.products import PRODUCTS, product_of

Outcome = Callable[[str | None], None]
"""Told None when attention was fused, or what kept it from that."""


def unheard(outcome: str | None) -> None:
    """Take no note of how a chain ended."""


class Recognizing(TorchFunctionMode):
    """While it is on, batched products are put off until it is clear whether they are the scores of attention.

    Args:
        begun: called at each such product; returns what is told how it ended.
    """

    def __init__(self, begun: Callable[[], Outcome] = lambda: unheard) -> None:
        super().__init__()
        self.begun = begun

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Put a batched product off; make any other call."""
        options = kwargs or {}
        if func in PRODUCTS and not any(isinstance(one, Scores) for one in args):
            product = product_of(func, args, options)
            if product is not None and product.order is None and product.left.is_floating_point():
                tensors = [one for one in args if isinstance(one, Tensor)]
                return put_off(product.left, product.right, lambda: func(*args), tensors, self.begun())
        return func(*args, **options)


def put_off(
    left: Tensor, right: Tensor, written: Callable[[], Tensor], read: Sequence[Tensor], outcome: Outcome
) -> Scores:
    """Return the scores that a product would make, not computed yet.

    Args:
        left: (..., queries, width).
        right: (..., width, keys).
        written: makes the product as the model's code asks for it.
        read: the tensors that it reads.
        outcome: told how it ended.
    """
    device = left.device.type
    chain = Chain(
        query=left,
        key=right.transpose(-2, -1),
        # Of empty tensors: the format of the product, also under autocast.
        dtype=torch.matmul(left.new_empty(0, 0), right.new_empty(0, 0)).dtype,
        plain=as_now(written, device),
        versions=versions(read),
        autocast=autocast_state(device),
        gradients=torch.is_grad_enabled(),
        outcome=outcome,
    )
    return Scores(chain)


def recognized(layer: nn.Module, forward: Forward) -> Forward:
    """Return the layer's forward pass with the attention that is written in it led to the fused kernel.

    While torch compiles, the layer runs as it is written: its compiler looks for attention itself.
    """
    return forward if torch.compiler.is_compiling() else _recognizing(forward)


def _recognizing(forward: Forward) -> Forward:
    def attend(*args: Any, **options: Any) -> Any:
        with Recognizing():
            return forward(*args, **options)

    return attend


def outcomes(model: nn.Module, run: Callable[[], Any]) -> dict[str, list[str | None]]:
    """Return name of a module -> how each attention that is written in it ended: None for fused, or why not.

    Args:
        model: what `run` calls.
        run: makes one forward pass.
    """
    inside: list[str] = []
    found: dict[str, list[str | None]] = {}

    def begun() -> Outcome:
        name, told = (inside[-1] if inside else None), list[str | None]()

        def outcome(why: str | None) -> None:
            if name is not None and not told:
                told.append(why)
                found.setdefault(name, []).append(why)

        return outcome

    def left(*args: Any) -> None:  # what a hook returns would take the place of the output
        inside.pop()

    hooks: list[Any] = []
    for name, module in model.named_modules():
        hooks.append(module.register_forward_pre_hook(lambda *_, name=name: inside.append(name)))
        hooks.append(module.register_forward_hook(left))
    try:
        with Recognizing(begun):
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return found


def lead_to_kernel(model: nn.Module, names: Sequence[str]) -> nn.Module:
    """Let the attention written in these modules take the fused kernel, in place."""
    for name in names:
        wrap_forward(model.get_submodule(name), recognized)
    return model
