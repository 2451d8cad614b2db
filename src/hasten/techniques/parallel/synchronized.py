"""Batch normalization by the samples of all processes (`sync_batch_norm`).

A module of its own, since `torch.compiler.disable` takes a second to import, and the cards of all techniques are read
in every tuning.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm


class _Normalize(Function):
    """Normalize samples of a batch, (batch, channels, ...), whose other samples other processes have."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        var: Tensor,
        samples: float,
        eps: float,
        counts: bool,
    ) -> Tensor:
        """Return the normalized samples.

        Args:
            ctx: for the backward pass.
            x: samples of this process.
            weight: of each channel, or None.
            bias: of each channel, or None.
            mean: of each channel over the whole batch.
            var: of each channel over the whole batch, without correction.
            samples: values of each channel in the whole batch.
            eps: added to the variance.
            counts: whether `x` are samples of the batch, or examples.
        """
        ctx.save_for_backward(x, weight, mean, var)
        ctx.samples, ctx.eps, ctx.counts = samples, eps, counts
        return F.batch_norm(x, mean, var, weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]  (torch types it as one of any arguments)
        """Return the gradients; those of weight and bias are of this process's samples. A collective."""
        x, weight, mean, var = ctx.saved_tensors
        others = [1, -1, *[1] * (x.ndim - 2)]
        over = [dimension for dimension in range(x.ndim) if dimension != 1]
        deviation, dy = x.to(mean.dtype) - mean.view(others), grad.to(mean.dtype)
        inverse = (var + ctx.eps).rsqrt()
        of_weight, of_bias = (dy * deviation).sum(over) * inverse, dy.sum(over)
        needs = ctx.needs_input_grad
        of_x = None
        if needs[0]:
            sums = torch.stack([of_weight, of_bias])
            dist.all_reduce(sums)
            through_var, through_mean = sums / ctx.samples
            if ctx.counts:
                dy = dy - through_mean.view(others) - deviation * (through_var * inverse).view(others)
                of_x = (dy * (inverse if weight is None else inverse * weight).view(others)).to(x.dtype)
            else:
                of_x = torch.zeros_like(x)
        parameters = (of_weight if needs[1] else None, of_bias if needs[2] else None)
        return of_x, *parameters, None, None, None, None, None


class Synchronized(_BatchNorm):
    """Batch normalization over the samples of all processes. In evaluation mode it is the plain one."""

    counts: bool = True
    """False for a process without samples, which takes part with examples."""

    @torch.compiler.disable
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # type: ignore[override]  (torch's name; a wrapped one)
        """Return the normalized samples, (batch, channels, ...). A collective in training mode."""
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        samples, mean, squares = self._of_all(input.detach())
        if samples <= 1:
            raise ValueError(f"expected more than 1 value per channel when training, got {samples:g} in all processes")
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            self._track(mean, squares / (samples - 1))
        dtype = torch.promote_types(input.dtype, torch.float32)
        given = (mean.to(dtype), (squares / samples).to(dtype), samples, self.eps, self.counts)
        return _Normalize.apply(input, self.weight, self.bias, *given)  # type: ignore[no-any-return]

    def _of_all(self, x: Tensor) -> tuple[float, Tensor, Tensor]:
        """Return the values of each channel in the whole batch: number, mean, and sum of squared deviations."""
        channels = x.shape[1]
        own = x.new_zeros(1 + 2 * channels, dtype=torch.float64)
        if self.counts:
            samples = x.numel() // channels
            var, mean = torch.var_mean(
                x.to(torch.promote_types(x.dtype, torch.float32)), [0, *range(2, x.ndim)], correction=0
            )
            own = torch.cat([own.new_tensor([samples]), mean.double(), var.double() * samples])
        all_own = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(all_own, own)
        numbers, means, squares = torch.stack(all_own).split([1, channels, channels], dim=1)
        mean = (numbers * means).sum(0) / numbers.sum()
        return float(numbers.sum()), mean, (squares + numbers * (means - mean) ** 2).sum(0)

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor) -> None:
        """Move the running statistics toward those of a batch."""
        assert self.running_mean is not None
        assert self.running_var is not None
        factor = self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if factor is None:
                factor = 1 / float(self.num_batches_tracked)
        for running, found in ((self.running_mean, mean), (self.running_var, var)):
            running.lerp_(found.to(running.dtype), factor or 0.0)


class Synchronized1d(Synchronized, nn.BatchNorm1d):
    """Of (batch, channels) or (batch, channels, length)."""


class Synchronized2d(Synchronized, nn.BatchNorm2d):
    """Of (batch, channels, height, width)."""


class Synchronized3d(Synchronized, nn.BatchNorm3d):
    """Of (batch, channels, depth, height, width)."""


_OF_PLAIN: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: Synchronized1d,
    nn.BatchNorm2d: Synchronized2d,
    nn.BatchNorm3d: Synchronized3d,
}
_OF_SYNCHRONIZED = {synchronized: plain for plain, synchronized in _OF_PLAIN.items()}


def synchronize(model: nn.Module) -> nn.Module:
    """Synchronize the batch normalizations of a model, in place: their class changes, and nothing that they hold."""
    return _with_classes(model, _OF_PLAIN)


def plain(model: nn.Module) -> nn.Module:
    """Take back what `synchronize` did."""
    return _with_classes(model, _OF_SYNCHRONIZED)


def _with_classes(model: nn.Module, other: dict[type[nn.Module], type[nn.Module]]) -> nn.Module:
    for module in model.modules():
        if type(module) in other:
            module.__class__ = other[type(module)]
    return model


@contextmanager
def idle(model: nn.Module) -> Generator[None]:
    """Let the synchronized layers of a model take part in the passes of other processes and count nothing."""
    layers = [module for module in model.modules() if isinstance(module, Synchronized)]
    for one in layers:
        one.counts = False
    try:
        yield
    finally:
        for one in layers:
            del one.counts
