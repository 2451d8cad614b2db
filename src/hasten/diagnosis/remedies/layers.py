"""Remedies of the layers of a model: how they are initialized and normalized."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from hasten.diagnosis.remedies.remedy import OfModel
from hasten.diagnosis.watching.events import Call

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Initialized(OfModel):
    """Initializes every layer that has weights as torch does by default."""

    def _change(self, call: Call) -> None:
        for module in call.module.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()


class UnitVariance(Initialized):
    """Initializes every layer anew, its bias by 0, and scales its weight so that its first outputs have variance 1.

    Each linear or convolutional layer is scaled by the first batch as the layers before it, scaled already, pass it on
    (layer-sequential unit variance; Mishkin and Matas 2016, arXiv 1511.06422). A weight that several modules share
    keeps its scale. Cost: these layers compute the first batch twice.
    """

    def _change(self, call: Call) -> None:
        super()._change(call)
        modules = list(call.module.modules())
        owners = Counter(id(one) for module in modules for one in module.parameters(recurse=False))
        layers = [one for one in modules if isinstance(one, _LAYERS) and owners[id(one.weight)] == 1]
        if not layers:
            raise LookupError("no linear or convolutional layer is called as a module")
        for layer in layers:
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
            self._scale_once(layer)

    def _scale_once(self, layer: nn.Module) -> None:
        def scale(module: nn.Module, args: tuple[Any, ...]) -> None:
            handle.remove()
            with torch.no_grad():
                deviation = module.forward(*args).std()
                if deviation > 0 and deviation.isfinite():
                    module.get_parameter("weight").div_(deviation)

        handle = layer.register_forward_pre_hook(scale)


class Normalized(OfModel):
    """Normalizes what each linear or convolutional layer but the last one gives by the batch, from the second call on.

    The first call shows which layer is the last, and is left as it is. As in batch normalization (Ioffe and Szegedy
    2015, arXiv 1502.03167), without gains; evaluation uses running statistics. Left out are layers over sequences.
    """

    def __init__(self) -> None:
        super().__init__()
        self._noting: list[RemovableHandle] = []
        self._called: list[nn.Module] = []

    def _change(self, call: Call) -> None:
        layers = [one for one in call.module.modules() if isinstance(one, _LAYERS)]
        self._noting = [one.register_forward_hook(self._note) for one in layers]

    def _note(self, layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        if output.ndim == 2 or not isinstance(layer, nn.Linear):
            self._called.append(layer)

    def call_ended(self, call: Call, output: Any) -> None:
        """Normalize the layers that were called before the last one."""
        if not self._noting:
            return
        for handle in self._noting:
            handle.remove()
        if len(self._called) < 2:
            raise LookupError("no linear or convolutional layer is called before the last one as a module")
        for layer in dict.fromkeys(self._called[:-1]):
            layer.register_forward_hook(_by_batch())
        self._noting = []


def _by_batch() -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """Return a hook that normalizes what a layer gives, with running statistics of its own."""
    mean, variance = torch.empty(0), torch.empty(0)

    def normalize(layer: nn.Module, args: Any, output: Tensor) -> Tensor:
        nonlocal mean, variance
        if not len(mean):
            mean, variance = output.new_zeros(output.shape[1]), output.new_ones(output.shape[1])
        return nn.functional.batch_norm(output, mean, variance, training=layer.training)

    return normalize
