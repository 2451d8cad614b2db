"""The loss scale halves on infinity, never below 1, and doubles after enough good updates in a row."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hasten.training.loss_scale import LossScale


@settings(max_examples=40, deadline=None)
@given(good=st.lists(st.booleans(), max_size=20), start=st.sampled_from([1.0, 2.0, 64.0]), every=st.integers(1, 4))
def test_it_follows_torchs_rule(good: list[bool], start: float, every: int) -> None:
    scale, value, in_a_row = LossScale(value=start, grow_after=every), start, 0
    parameter = nn.Parameter(torch.ones(2))
    for finite in good:
        parameter.grad = torch.tensor([3.0 * value, value if finite else float("nan")])
        assert scale.unscale([parameter]) is finite
        assert parameter.grad[0] == pytest.approx(3.0), "gradients are unscaled by the value that they were made with"
        in_a_row = in_a_row + 1 if finite else 0
        if not finite:
            value = max(value / 2, 1.0)
        elif in_a_row == every:
            value, in_a_row = 2 * value, 0
        assert (scale.value, scale.good) == (value, in_a_row)


def test_its_defaults_are_those_of_torch() -> None:
    ours, torchs = LossScale(), torch.amp.GradScaler("cpu")
    assert ours.value == torchs.get_scale() == torchs._init_scale
    assert ours.grow_after == torchs.get_growth_interval()
    assert torchs.get_growth_factor() == 1 / torchs.get_backoff_factor() == 2
