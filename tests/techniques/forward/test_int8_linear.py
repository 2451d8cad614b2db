"""The int8 layer: what it keeps, what it computes in, when it quantizes its weight."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hasten.base.errors import BadInput
from hasten.techniques.forward.int8.linear import (
    Int8Linear,
    Int8Settings,
    hold_weights,
    hold_weights_between_steps,
    release_weights,
)

SMALL = Int8Settings(least_work=0)


def pair(
    K: int = 40, N: int = 48, *, bias: bool = True, settings: Int8Settings = SMALL
) -> tuple[nn.Linear, Int8Linear]:
    plain, layer = nn.Linear(K, N, bias=bias), Int8Linear(K, N, bias=bias)
    layer.load_state_dict(plain.state_dict())
    layer.settings = settings
    return plain, layer


def relative(found: Tensor, exact: Tensor) -> float:
    found, exact = found.detach().double(), exact.detach().double()
    return float((found - exact).norm() / exact.norm())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(50, 40), (2, 25, 40), (2, 5, 5, 40)])
def test_any_number_of_dimensions_with_and_without_bias(shape: tuple[int, ...], bias: bool) -> None:
    plain, layer = pair(bias=bias)
    inputs = torch.randn(shape)
    one, other = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
    grad = torch.randn(*shape[:-1], 48)
    plain(one).backward(grad)
    out = layer(other)
    out.backward(grad)
    assert out.shape == grad.shape
    assert relative(out, plain(one)) < 0.02
    assert relative(other.grad, one.grad) < 0.03
    for found, exact in zip(layer.parameters(), plain.parameters(), strict=True):
        assert relative(found.grad, exact.grad) < 0.03


@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dtypes_are_those_of_nn_linear(dtype: torch.dtype, autocast: bool) -> None:
    plain, layer = pair()
    if not autocast:
        plain.to(dtype), layer.to(dtype)
    results = []
    for one in (plain, layer):
        inputs = torch.ones(50, 40, dtype=dtype, requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            out = one(inputs)
        out.backward(torch.ones_like(out))
        results.append((out.dtype, inputs.grad.dtype, one.weight.grad.dtype, one.bias.grad.dtype))
    assert results[0] == results[1]


@pytest.mark.parametrize(("judged", "rows", "least_work"), [(True, 100, 0), (False, 31, 0), (False, 100, 192_001)])
def test_judging_and_small_products_compute_what_nn_linear_computes(judged: bool, rows: int, least_work: int) -> None:
    plain, layer = pair(settings=Int8Settings(least_work=least_work))
    layer.train(not judged)
    inputs = torch.randn(rows, 40)
    assert torch.equal(layer(inputs), plain(inputs))


def test_a_product_of_just_the_least_work_is_done_in_int8() -> None:
    plain, layer = pair(settings=Int8Settings(least_work=192_000))
    inputs = torch.randn(100, 40)
    assert not torch.equal(layer(inputs), plain(inputs))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_number_formats_are_refused(dtype: torch.dtype) -> None:
    _, layer = pair()
    with pytest.raises(BadInput, match=f"float32 or bfloat16; found {dtype}"):
        layer(torch.randn(50, 40).to(dtype))


@pytest.mark.parametrize("rows", [63, 1025])
def test_sums_too_short_to_be_safe_or_longer_than_a_strip_are_refused(rows: int) -> None:
    with pytest.raises(BadInput, match=f"rows_at_most must be 64 to 1024; found {rows}"):
        Int8Settings(rows_at_most=rows)


def test_another_default_device_changes_nothing() -> None:
    _, layer = pair(settings=Int8Settings(least_work=0, dither=True, smooth=torch.rand(40) + 0.5))
    inputs = torch.randn(64, 40, requires_grad=True)
    with torch.device("meta"):
        out = layer(inputs)
        out.sum().backward()
    assert out.device.type == inputs.grad.device.type == layer.weight.grad.device.type == "cpu"


def saved_bytes(run: Callable[[], Tensor], parameters: list[nn.Parameter]) -> dict[torch.dtype, int]:
    """Return how many bytes of each dtype the graph of `run` keeps, besides the parameters themselves."""
    kept: dict[int, Tensor] = {}
    own = {parameter.data_ptr() for parameter in parameters}

    def note(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in own:
            kept[tensor.data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        out = run()
    assert out.requires_grad
    found: dict[torch.dtype, int] = {}
    for tensor in kept.values():
        found[tensor.dtype] = found.get(tensor.dtype, 0) + tensor.nbytes
    return found


def test_only_int8_activations_are_kept_for_the_backward_pass() -> None:
    plain, layer = pair(256, 64)
    inputs = torch.randn(1000, 256, requires_grad=True)
    tokens, weight = 1000 * 256, 64 * 256
    kept = saved_bytes(lambda: layer(inputs), list(layer.parameters()))
    assert kept == {torch.int8: tokens + weight, torch.float32: 4 * (1000 + 64)}  # codes, and a scale for each row
    assert saved_bytes(lambda: plain(inputs), list(plain.parameters())) == {torch.float32: 4 * tokens}
    layer.weight.requires_grad_(False)
    kept = saved_bytes(lambda: layer(inputs), list(layer.parameters()))
    assert kept == {torch.int8: weight, torch.float32: 4 * 64}


def counted(layer: Int8Linear, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Return a list that grows by the weight of each time that it is quantized."""
    seen: list[Tensor] = []
    real = Int8Linear.quantized

    def quantized(self: Int8Linear) -> tuple[Tensor, Tensor]:
        seen.append(self.weight.detach().clone())
        return real(self)

    monkeypatch.setattr(Int8Linear, "quantized", quantized)
    return seen


def test_held_weights_are_quantized_once_a_step_and_shared_by_micro_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    _, layer = pair()
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, fused=True)
    seen = counted(layer, monkeypatch)
    handle = hold_weights_between_steps(layer, optimizer)
    for step in range(3):
        for _ in range(4):
            layer(torch.randn(64, 40)).square().mean().backward()
        assert len(seen) == step + 1
        version = layer.weight._version
        optimizer.step()
        assert layer.weight._version == version  # why no cache may be keyed on it: the weight did change
        assert torch.equal(seen[-1], layer.weight)
        optimizer.zero_grad()
    handle.remove()
    release_weights(layer)
    layer(torch.randn(64, 40))
    layer(torch.randn(64, 40))
    assert len(seen) == 6


def test_held_weights_train_exactly_as_weights_quantized_in_each_call() -> None:
    layers = [pair(settings=SMALL)[1]]
    layers.append(copy.deepcopy(layers[0]))
    optimizers = [torch.optim.AdamW(layer.parameters(), lr=0.05, fused=True) for layer in layers]
    hold_weights_between_steps(layers[0], optimizers[0])
    for _ in range(5):
        batch = torch.randn(64, 40)
        for layer, optimizer in zip(layers, optimizers, strict=True):
            layer(batch).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert torch.equal(layers[0].weight, layers[1].weight)


def test_loading_a_state_dict_holds_the_new_weights() -> None:
    plain, layer = pair()
    hold_weights(layer)
    other = nn.Linear(40, 48)
    layer.load_state_dict(other.state_dict())
    inputs = torch.randn(64, 40)
    assert relative(layer(inputs), other(inputs)) < 0.02
    assert relative(layer(inputs), plain(inputs)) > 0.5


def test_a_copy_does_not_start_from_what_the_original_holds() -> None:
    _, layer = pair()
    hold_weights(layer)
    twin = copy.deepcopy(layer)
    assert layer.held is not None
    assert twin.held is None
    assert twin.settings == layer.settings


def test_dither_follows_the_seed_and_survives_recomputation() -> None:
    _, layer = pair(settings=Int8Settings(least_work=0, dither=True))
    inputs, grad = torch.randn(64, 40), torch.randn(64, 48)

    def weight_grad(seed: int, call: Callable[[Tensor], Any]) -> Tensor:
        torch.manual_seed(seed)
        layer.zero_grad()
        call(inputs.clone().requires_grad_()).backward(grad)
        return layer.weight.grad.clone()

    first = weight_grad(1, layer)
    assert torch.equal(first, weight_grad(1, layer))
    assert not torch.equal(first, weight_grad(2, layer))
    assert torch.equal(first, weight_grad(1, lambda batch: checkpoint(layer, batch, use_reentrant=False)))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(64), Int8Linear(64, 96), Int8Linear(96, 64)

    def forward(self, values: Tensor) -> Tensor:
        return values + self.down(nn.functional.gelu(self.up(self.norm(values))))


@pytest.mark.slow
@pytest.mark.parametrize("dither", [False, True])
def test_a_compiled_model_is_one_graph_and_compiles_once(dither: bool) -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    model = nn.Sequential(Block(), Block())
    for layer in model.modules():
        if isinstance(layer, Int8Linear):
            layer.settings = Int8Settings(least_work=0, dither=dither)
    twin = copy.deepcopy(model)
    compiled = torch.compile(model, fullgraph=True)
    optimizers = [torch.optim.AdamW(one.parameters(), lr=1e-3, fused=True) for one in (model, twin)]
    hold_weights_between_steps(model, optimizers[0])
    graphs = list[int]()
    for _ in range(4):
        batch, losses = torch.randn(4, 32, 64), list[Tensor]()
        for one in (compiled, twin):
            with torch.autocast("cpu", torch.bfloat16):
                losses.append(one(batch).float().square().mean())
            losses[-1].backward()
        assert relative(losses[0], losses[1]) < 1e-3
        errors = [relative(p.grad, q.grad) for p, q in zip(model.parameters(), twin.parameters(), strict=True)]
        assert max(errors) < 0.03
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs[1] == graphs[-1]


@pytest.mark.slow
def test_the_compiler_keeps_int8_codes_for_the_backward_pass_and_not_the_activations() -> None:
    torch._dynamo.reset()
    model = nn.Sequential(nn.LayerNorm(256), pair(256, 64)[1])
    inputs = torch.randn(1024, 256, requires_grad=True)
    kept = saved_bytes(lambda: torch.compile(model, fullgraph=True)(inputs), list(model.parameters()))
    assert kept[torch.int8] >= 1024 * 256
    # LayerNorm keeps its input for itself; the linear layer's input would be as much again.
    assert kept.get(torch.float32, 0) < 1.5 * inputs.nbytes
