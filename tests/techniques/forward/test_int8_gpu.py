"""The way to a GPU: what is refused and why, and what is asked of torchao."""

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from hasten.base.errors import Refused
from hasten.techniques.forward.int8 import gpu


@pytest.mark.parametrize(
    ("capability", "able"), [((7, 5), False), ((8, 0), True), ((8, 9), True), ((9, 0), True), ((10, 3), False)]
)
def test_only_generations_with_fast_int8_products_are_used(capability: tuple[int, int], able: bool) -> None:
    reason = gpu.unsupported_gpu(capability)
    assert (reason is None) == able
    assert able or "compute capability {}.{}".format(*capability) in (reason or "")


def test_no_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Refused, match="needs a CUDA device; found none"):
        gpu.convert_on_gpu(nn.Linear(512, 512))


def test_an_unfit_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 0))
    with pytest.raises(Refused, match=r"compute capability 7\.0"):
        gpu.convert_on_gpu(nn.Linear(512, 512))


def test_layers_on_the_cpu_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    with pytest.raises(Refused, match="it is on cpu, not on cuda"):
        gpu.convert_on_gpu(nn.Linear(512, 512))


def test_a_missing_torchao_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(Refused, match="pip install torchao"):
        gpu.swap(nn.Linear(512, 512), {""})


def test_torchao_is_asked_to_swap_modules_for_the_chosen_layers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    quantization, training = ModuleType("quantization"), ModuleType("quantized_training")
    quantization.quantize_ = lambda model, config, filter_fn: asked.update(config=config, chosen=filter_fn)
    training.Int8MixedPrecisionTrainingConfig = lambda **options: options
    monkeypatch.setitem(sys.modules, "torchao", ModuleType("torchao"))
    monkeypatch.setitem(sys.modules, "torchao.prototype", ModuleType("prototype"))
    monkeypatch.setitem(sys.modules, "torchao.quantization", quantization)
    monkeypatch.setitem(sys.modules, "torchao.prototype.quantized_training", training)
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64))
    gpu.swap(model, {"1"})
    assert asked["config"] == {"module_swap": True}  # without it torchao 0.18 runs no int8 product and says nothing
    assert [name for name, layer in model.named_modules() if asked["chosen"](layer, name)] == ["1"]


def test_torchao_itself_swaps_and_is_taken_back() -> None:
    pytest.importorskip("torchao")
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64))
    weight = model[1].weight
    gpu.swap(model, {"1"})
    assert type(model[0]) is nn.Linear
    assert type(model[1]) is not nn.Linear
    inputs = torch.randn(64, 64)
    exact = nn.functional.linear(inputs, weight, model[1].bias)
    assert 0 < ((model[1](inputs) - exact).norm() / exact.norm()).item() < 0.05  # int8 ran
    assert gpu.revert_on_gpu(model) == ("1",)
    assert type(model[1]) is nn.Linear
    assert model[1].weight is weight
