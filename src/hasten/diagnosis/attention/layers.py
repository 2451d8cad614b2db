"""What the modules of a copy give in one forward pass: blocks, norms, and which one computes at the moment."""

from collections import defaultdict
from contextlib import ExitStack
from typing import Any, Self

import torch
from torch import Tensor, nn

from hasten.base.records.attention import Block, NormLayer
from hasten.measurement.tensors import tensors_in

_NORMS = (nn.LayerNorm, nn.RMSNorm)
_LEAST_POSITIONS = 4
_PACKAGES = frozenset(
    ("transformers", "timm", "diffusers", "torch", "torchvision", "x_transformers", "fairseq", "peft")
)
"""Whose attention has the scale that its initialization was made for."""


class ModulesSeen:
    """Hooks on every module of a copy, for one forward pass in a `with` statement."""

    def __init__(self, model: nn.Module) -> None:
        self._model, self._names = model, {module: name for name, module in model.named_modules()}
        self._running: list[nn.Module] = []
        self._blocks: dict[tuple[str, type], list[Block]] = defaultdict(list)
        self.norms: list[NormLayer] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for module in self._names:
            self._stack.callback(module.register_forward_pre_hook(self._begins).remove)
            self._stack.callback(module.register_forward_hook(self._ended, always_call=True).remove)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The longest series of modules of one class that keep the shape of (batch, positions, features)."""
        return tuple(max(self._blocks.values(), key=len, default=[]))

    def where(self) -> tuple[str, bool]:
        """Return the innermost module that computes, and whether it is of a package with conventions of its own."""
        if not self._running:
            return type(self._model).__name__, False
        module = self._running[-1]
        return self._names[module] or type(module).__name__, type(module).__module__.partition(".")[0] in _PACKAGES

    def _begins(self, module: nn.Module, args: Any) -> None:
        self._running.append(module)

    def _ended(self, module: nn.Module, args: Any, output: Any) -> None:
        if self._running and self._running[-1] is module:
            self._running.pop()
        name = self._names[module]
        given, made = next(tensors_in(list(args)), None), next(tensors_in(output), None)
        if made is None:
            return
        if isinstance(module, _NORMS) or type(module).__name__.endswith(("LayerNorm", "RMSNorm")):
            self.norms.append(NormLayer(name=name, output=float(made.float().square().mean().sqrt())))
        elif _is_block(module) and given is not None and given.shape == made.shape and made.ndim == 3:
            cosine = torch.cosine_similarity(given.float(), made.float(), dim=-1)
            kind = (name.rpartition(".")[0], type(module))
            self._blocks[kind].append(Block(name=name, cosine=float(cosine.mean()), similar=_similar(made)))


def _is_block(module: nn.Module) -> bool:
    """Return whether a module has at least two children with parameters: more than one layer."""
    return sum(any(True for _ in child.parameters()) for child in module.children()) >= 2


def _similar(values: Tensor) -> float:
    """Return the mean cosine between two positions, over the dimension that holds more of them."""
    flat = torch.nn.functional.normalize(values.float(), dim=-1)
    axis = 1 if flat.shape[1] >= min(_LEAST_POSITIONS, flat.shape[0]) else 0
    count = flat.shape[axis]
    if count < 2:
        return 0.0
    total = flat.sum(axis).square().sum(-1)
    return float(((total - count) / (count * (count - 1))).mean())
