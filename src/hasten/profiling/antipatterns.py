"""Known anti-patterns in the modules and operators of a step, each with the most that it costs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from time import perf_counter

import torch
from torch import Tensor, nn

from hasten.base.records.signals import Habit, Operator

_LOOP = 10
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_REPEATS = 3


def loop_indexing(operators: Sequence[Operator], *, batch_size: int) -> Iterator[Habit]:
    """Yield a loop over samples: Python picks each one, and everything that it does is called once per sample.

    The rows that it picks are those of a batch, or of an equal part of it: a loop over time is none.
    """
    often = max(_LOOP, batch_size)
    if any(
        one.phase == "forward" and one.picks >= often and (not one.shapes or batch_size % max(one.shapes[0][0], 1) == 0)
        for one in operators
    ):
        looped = [one for one in operators if one.calls >= often and one.phase in ("forward", "backward")]
        yield Habit(name="loop_indexing", where="forward", seconds=sum(one.seconds for one in looped))


def double_precision(operators: Sequence[Operator]) -> Iterator[Habit]:
    """Yield computing in float64: float32 has half the bytes and twice the lanes, so half of the time is saved."""
    doubled_s = sum(one.seconds for one in operators if one.number_format == "float64")
    if doubled_s:
        yield Habit(name="double_precision", where="model", seconds=doubled_s / 2)


def bias_before_norm(model: nn.Module, forward: Callable[[], object]) -> Iterator[Habit]:
    """Yield each layer with a bias that a batch normalization takes away again, with the time of the bias's gradient.

    Args:
        model: whose layers follow each other in the order in which they are registered.
        forward: runs it once; no gradients are needed.
    """
    leaves = [(name, module) for name, module in model.named_modules() if not any(module.children())]
    biased = {
        name: layer
        for (name, layer), (_, norm) in pairwise(leaves)
        if isinstance(layer, _LAYERS) and isinstance(norm, _NORMS) and layer.bias is not None
        if len(layer.bias) == norm.num_features
    }
    if not biased:
        return
    outputs = _outputs(biased, forward)
    for name, layer in biased.items():
        if name in outputs:
            channel = outputs[name].ndim - 1 if isinstance(layer, nn.Linear) else 1
            yield Habit(name="bias_before_norm", where=name, seconds=_sum_s(outputs[name], channel))


def _outputs(layers: Mapping[str, nn.Module], forward: Callable[[], object]) -> dict[str, Tensor]:
    outputs: dict[str, Tensor] = {}

    def keeper(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda module, inputs, output: outputs.__setitem__(name, output.detach())

    hooks = [layer.register_forward_hook(keeper(name)) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            forward()
    finally:
        for hook in hooks:
            hook.remove()
    return outputs


def _sum_s(gradient: Tensor, channel: int) -> float:
    """Return the seconds of summing over everything but the channels: the gradient of a bias."""
    others = [axis for axis in range(gradient.ndim) if axis != channel]
    times: list[float] = []
    for _ in range(_REPEATS):
        begin = perf_counter()
        float(gradient.sum(others)[0])  # reading a number waits for the device
        times.append(perf_counter() - begin)
    return min(times)
