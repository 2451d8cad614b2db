"""Clipping against slow twins written from the formulas."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hasten.techniques.gradient.clip import clip_adaptively, clip_by_norm, clip_by_value


def parameters(seed: int, shapes: list[tuple[int, ...]]) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    made = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    for parameter in made:
        parameter.grad = 5 * torch.randn(parameter.shape, generator=generator)
    return made


SHAPES = [(3,), (5, 7), (4, 3, 3, 2), (1, 1)]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 100), limit=st.floats(0.01, 100))
def test_by_norm_keeps_the_direction_and_the_limit(seed: int, limit: float) -> None:
    made = parameters(seed, SHAPES)
    before = torch.cat([parameter.grad.flatten().clone() for parameter in made])
    assert clip_by_norm(dict(enumerate(made)), limit)
    after = torch.cat([parameter.grad.flatten() for parameter in made])
    expected = before * min(1.0, limit / before.norm().item())
    torch.testing.assert_close(after, expected, rtol=1e-5, atol=1e-6)


def test_by_value_limits_each_component() -> None:
    made = parameters(0, SHAPES)
    before = [parameter.grad.clone() for parameter in made]
    assert clip_by_value(dict(enumerate(made)), 0.5)
    for old, parameter in zip(before, made, strict=True):
        assert torch.equal(parameter.grad, old.clamp(-0.5, 0.5))


@pytest.mark.parametrize("seed", range(3))
def test_adaptive_limits_each_unit(seed: int) -> None:
    made = parameters(seed, SHAPES)
    made.append(nn.Parameter(torch.ones(2)))  # without a gradient
    before = [None if parameter.grad is None else parameter.grad.clone() for parameter in made]
    assert clip_adaptively(dict(enumerate(made)), share=0.1, smallest=1e-3)
    for old, parameter in zip(before, made, strict=True):
        if old is None:
            assert parameter.grad is None
            continue
        units = [slice(None)] if parameter.ndim < 2 else list(range(len(parameter)))
        for unit in units:
            limit = 0.1 * max(parameter[unit].norm().item(), 1e-3)
            norm = old[unit].norm().item()
            torch.testing.assert_close(parameter.grad[unit], old[unit] * min(1.0, limit / norm), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("limit", [0.1, 1e6])
def test_by_norm_gives_the_bits_of_torch(limit: float) -> None:
    made, twins = parameters(1, SHAPES), parameters(1, SHAPES)
    clip_by_norm(dict(enumerate(made)), limit)
    nn.utils.clip_grad_norm_(twins, limit)
    for mine, theirs in zip(made, twins, strict=True):
        assert torch.equal(mine.grad, theirs.grad)
