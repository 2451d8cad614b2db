"""Optimizer states in fewer bytes: against torch's own optimizers, and the formats against their definition."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn, optim

from hasten import Update
from hasten.base.errors import BadInput
from hasten.machine import facts
from hasten.techniques.applying import apply_all, make
from hasten.techniques.update.small_state import SmallAdamW, with_small_state
from hasten.techniques.update.state_formats import BLOCK, Bf16Rounded, DynamicBlocks, dynamic_levels
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline

from tiny_tasks import block_task, mlp_task

FORMATS = (Bf16Rounded(), DynamicBlocks())
KINDS: tuple[tuple[str, type[optim.Optimizer], dict[str, Any]], ...] = (
    ("adam", optim.Adam, {"amsgrad": True}),
    ("adamw", optim.AdamW, {"weight_decay": 0.1}),
    ("nesterov", optim.SGD, {"momentum": 0.9, "nesterov": True}),
)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(37, 29), nn.Tanh(), nn.Linear(29, 3))


def loss(net: nn.Module, step: int) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(16, 37, generator=generator)
    return (net(x) - x[:, :3].sin()).square().mean()


def trained(net: nn.Module, optimizer: optim.Optimizer, steps: range) -> list[float]:
    losses: list[float] = []
    for step in steps:
        optimizer.zero_grad()
        one = loss(net, step)
        one.backward()
        optimizer.step()
        losses.append(float(one.detach()))
    return losses


@pytest.mark.parametrize(
    ("name", "kind", "options"), [KINDS[0], *(pytest.param(*one, marks=pytest.mark.slow) for one in KINDS[1:])]
)
@pytest.mark.parametrize("state_format", FORMATS, ids=lambda one: type(one).__name__)
def test_training_stays_beside_torchs_own(
    name: str, kind: type[optim.Optimizer], options: dict[str, Any], state_format: Any
) -> None:
    plain, small = model(), model()
    given = {key: value for key, value in options.items() if key not in ("momentum", "nesterov")}
    other = with_small_state(small, name=name, lr=0.01, options=given, state_format=state_format, smallest=1)
    expected = trained(plain, kind(plain.parameters(), lr=0.01, **options), range(150))
    found = trained(small, other, range(150))
    assert expected[-1] < 0.3 * expected[0]
    assert sum(found[-20:]) == pytest.approx(sum(expected[-20:]), rel=0.05)
    kept = other.state[small[0].weight]
    assert isinstance(kept["momentum_buffer" if name == "nesterov" else "exp_avg"], dict)


@pytest.mark.parametrize(("name", "kind", "options"), KINDS)
def test_what_stays_wide_is_torchs_own_update(name: str, kind: type[optim.Optimizer], options: dict[str, Any]) -> None:
    plain, small = model(), model()
    given = {key: value for key, value in options.items() if key not in ("momentum", "nesterov")}
    other = with_small_state(small, name=name, lr=0.01, options=given, state_format=Bf16Rounded(), smallest=10**6)
    expected = trained(plain, kind(plain.parameters(), lr=0.01, fused=True, **options), range(5))
    assert trained(small, other, range(5)) == expected


@pytest.mark.parametrize(("state_format", "most"), [(FORMATS[0], 0.51), (FORMATS[1], 0.28)])
def test_the_state_takes_fewer_bytes(state_format: Any, most: float) -> None:
    net = nn.Linear(512, 300)
    optimizer = with_small_state(net, name="adamw", lr=0.01, options={}, state_format=state_format, smallest=1000)
    net(torch.ones(1, 512)).sum().backward()
    optimizer.step()

    def size(value: Any) -> int:
        if isinstance(value, dict):
            return sum(map(size, value.values()))
        return value.nbytes if isinstance(value, Tensor) else 0

    assert size(dict(optimizer.state[net.weight])) <= most * 8 * net.weight.numel()
    assert isinstance(optimizer.state[net.bias]["exp_avg"], Tensor)


@pytest.mark.parametrize("state_format", FORMATS, ids=lambda one: type(one).__name__)
def test_goes_on_from_a_saved_state_bit_for_bit_and_from_torchs_own(state_format: Any) -> None:
    def start() -> tuple[nn.Module, optim.Optimizer]:
        net = model()
        return net, with_small_state(net, name="adamw", lr=0.01, options={}, state_format=state_format, smallest=1)

    net, optimizer = start()
    trained(net, optimizer, range(4))
    weights, state = deepcopy(net.state_dict()), deepcopy(optimizer.state_dict())
    expected = trained(net, optimizer, range(4, 9))
    net, optimizer = start()
    net.load_state_dict(weights)
    optimizer.load_state_dict(state)
    assert trained(net, optimizer, range(4, 9)) == expected

    plain = model()
    theirs = optim.AdamW(plain.parameters(), lr=0.01)
    trained(plain, theirs, range(4))
    net, optimizer = start()
    net.load_state_dict(plain.state_dict())
    optimizer.load_state_dict(deepcopy(theirs.state_dict()))
    found = trained(net, optimizer, range(4, 9))
    assert found == pytest.approx(trained(plain, theirs, range(4, 9)), rel=0.02)


@settings(max_examples=25, deadline=None)
@given(st.floats(-(2.0**100), 2.0**100, allow_nan=False, width=32), st.integers(0, 10**6))
def test_bf16_rounds_to_a_neighbor_and_its_mean_is_the_value(value: float, seed: int) -> None:
    values = torch.full((4096,), value)
    rounded = Bf16Rounded().unpack(Bf16Rounded().pack(values, name="exp_avg", seed=seed), values.shape)
    gap = abs(value) * 2.0**-7 + 1e-38
    assert float((rounded - values).abs().max()) <= gap
    assert abs(float((rounded.double() - value).mean())) <= 6 * gap / 64


def test_bf16_keeps_what_is_not_finite() -> None:
    values = torch.tensor([float("inf"), float("-inf"), float("nan"), 0.0, -0.0])
    rounded = Bf16Rounded().unpack(Bf16Rounded().pack(values, name="exp_avg", seed=1), values.shape)
    torch.testing.assert_close(rounded, values, rtol=0, atol=0, equal_nan=True)


def test_a_mean_of_squares_falls_although_one_step_is_below_the_last_digit() -> None:
    values, state_format = torch.ones(4096), Bf16Rounded()
    nearest = values.bfloat16()
    for seed in range(500):
        values = state_format.unpack(state_format.pack(values * 0.999, name="exp_avg_sq", seed=seed), values.shape)
        nearest = (nearest.float() * 0.999).bfloat16()
    assert float(values.mean()) == pytest.approx(0.999**500, rel=0.01)
    assert float(nearest.mean()) == 1.0


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3 * BLOCK), st.integers(0, 10**6), st.sampled_from(["exp_avg", "exp_avg_sq"]))
def test_codes_are_the_nearest_levels(count: int, seed: int, name: str) -> None:
    values = torch.randn(count, generator=torch.Generator().manual_seed(seed)) ** 3 * 1e-4
    values = values.square() if name == "exp_avg_sq" else values
    found = DynamicBlocks().unpack(DynamicBlocks().pack(values, name=name, seed=0), values.shape)
    levels = dynamic_levels(name == "exp_avg").double()
    for start in range(0, count, BLOCK):
        block, made = values[start : start + BLOCK].double(), found[start : start + BLOCK].double()
        largest = block.abs().max()
        best = (block[:, None] / largest - levels).abs().amin(1)
        allowed = best + 2.0**-11 + (levels[1] if name == "exp_avg_sq" else 0)  # float16, and no square becomes zero
        assert bool(((made - block).abs() / largest <= allowed).all())
        if name == "exp_avg_sq":
            assert bool((made > 0)[block > 2**-24 * largest].all())


def test_levels_are_those_of_the_paper() -> None:
    signed, squares = dynamic_levels(True), dynamic_levels(False)
    assert len(signed) == 256
    assert len(squares) == 256
    assert (signed.min(), signed.max(), squares.min(), squares.max()) == (-signed[-2], 1, 0, 1)
    assert torch.equal(signed[:-1], -signed[:-1].flip(0))


def test_all_zero_blocks_stay_zero() -> None:
    values = torch.zeros(300)
    assert not DynamicBlocks().unpack(DynamicBlocks().pack(values, name="exp_avg_sq", seed=0), values.shape).any()


def test_refuses_what_it_cannot_pack() -> None:
    machine = facts()

    def reason(**changes: Any) -> str | None:
        return make("int8_state", {"smallest": 50}).refuse(baseline(mlp_task(**changes)), machine)

    assert reason() is None
    assert "plain SGD" in str(reason(update=Update(optimizer="sgd", lr=0.1)))
    assert "'soap'" in str(reason(update=Update(optimizer="soap", lr=0.1)))
    assert "own function" in str(reason(update=Update(optimizer=lambda net: optim.SGD(net.parameters(), 0.1))))
    assert "largest parameter has 80" in str(make("int8_state").refuse(baseline(mlp_task()), machine))
    with pytest.raises(BadInput, match="float64"):
        with_small_state(nn.Linear(2, 2).double(), name="adam", lr=0.1, options={}, state_format=FORMATS[0], smallest=1)


def test_averages_beside_it_and_embeddings_stay_wide() -> None:
    chosen = [make("int8_state", {"smallest": 50}), make("ema"), make("optimizer_choice", {"name": "adamw"})]
    run = build(apply_all(chosen, baseline(block_task(update=Update(optimizer="sgd", lr=0.1))), facts()))
    list(train(run))
    assert type(run.optimizer) is SmallAdamW
    states = {name: run.optimizer.state[one] for name, one in run.model.named_parameters()}
    assert isinstance(states["0.weight"]["exp_avg"], Tensor)
    assert isinstance(states["2.weight"]["exp_avg"], dict)
    assert run.post_step[0].state["averages"]["2.weight"].dtype is torch.float32
