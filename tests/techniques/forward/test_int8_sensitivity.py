"""How sensitive a layer is to int8, and which remedy that leads to."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hasten.base.errors import BadInput
from hasten.techniques.forward.int8.linear import Int8Linear, Int8Settings
from hasten.techniques.forward.int8.sensitivity import Rounding, remedies, remedy, sensitivities, sensitivity_of

K, N, M = 96, 64, 512


def draw(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((M, K), (N, K), (M, N))
    inputs, weight, grad = (torch.randn(shape, generator=generator) for shape in shapes)
    return inputs, weight * 0.05, grad


def errors(inputs: Tensor, weight: Tensor, grad: Tensor, chosen: Int8Settings) -> list[float]:
    """Return the relative errors of output, input gradient, weight gradient, and that of all but three channels."""
    layer = Int8Linear(K, N, bias=False)
    layer.settings = replace(chosen, least_work=0)
    layer.weight.data.copy_(weight)
    batch = inputs.clone().requires_grad_()
    out = layer(batch)
    out.backward(grad)
    by_weight, exact = layer.weight.grad, grad.t() @ inputs
    pairs = ((out, inputs @ weight.t()), (batch.grad, grad @ weight), (by_weight, exact))
    pairs = (*pairs, (by_weight[:, 3:], exact[:, 3:]))
    return [float((one.detach() - twin).norm() / twin.norm()) for one, twin in pairs]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), spread=st.floats(0, 1.5))
def test_predicted_errors_are_those_that_a_layer_makes(seed: int, spread: float) -> None:
    inputs, weight, grad = draw(seed)
    grad = grad * torch.exp(spread * torch.randn(M, 1))
    found = sensitivity_of(inputs, weight, grad)
    made = errors(inputs, weight, grad, Int8Settings())
    for predicted, real in zip(
        (found.output_error, found.grad_input_error, found.grad_weight_error), made[:3], strict=True
    ):
        assert 0.7 * predicted < real < 1.35 * predicted


def test_ordinary_values_need_no_remedy() -> None:
    plain = Int8Settings(least_work=77)
    assert remedy(sensitivity_of(*draw()), plain) == plain


def test_loud_channels_are_smoothed_and_the_error_falls() -> None:
    inputs, weight, grad = draw()
    inputs[:, :3] *= 60
    chosen = remedy(sensitivity_of(inputs, weight, grad), Int8Settings())
    assert isinstance(chosen, Int8Settings)
    assert chosen.smooth is not None
    before, after = errors(inputs, weight, grad, Int8Settings()), errors(inputs, weight, grad, chosen)
    assert after[0] < 0.5 * before[0]
    assert after[3] < 0.2 * before[3]  # what the loud channels drown is the gradient of the others


def test_a_silent_channel_is_not_made_loud() -> None:
    inputs, weight, grad = draw()
    inputs[:, 5] = 0
    assert sensitivity_of(inputs, weight, grad).smooth.min() >= 0.5


def test_outliers_that_smoothing_cannot_reach_leave_the_layer_alone() -> None:
    inputs, weight, grad = draw()
    inputs[torch.arange(M), torch.arange(M) % K] *= 200  # one in each token, in another channel each time
    why = remedy(sensitivity_of(inputs, weight, grad), Int8Settings())
    assert isinstance(why, str)
    assert why.startswith("its inputs have outliers: of what is not zero, int8 rounds")


def test_few_tokens_with_large_gradients_shorten_the_sums() -> None:
    generator = torch.Generator().manual_seed(3)
    inputs, weight = torch.randn(2048, K, generator=generator), torch.randn(N, K, generator=generator)
    grad = torch.randn(2048, N, generator=generator)
    grad[::600] *= 40
    found = sensitivity_of(inputs, weight, grad)
    chosen = remedy(found, Int8Settings())
    assert found.by_short_column.noise < 0.05 < found.by_column.noise
    assert isinstance(chosen, Int8Settings)
    assert chosen.rows_at_most == 256


def test_gradients_that_mostly_round_to_zero_are_dithered() -> None:
    inputs, weight, grad = draw()
    grad = grad.sign() * torch.where(torch.rand(M, N) < 0.5, 1.0, 0.003)
    chosen = remedy(sensitivity_of(inputs, weight, grad), Int8Settings())
    assert isinstance(chosen, Int8Settings)
    assert chosen.dither


def test_gradients_with_outliers_leave_the_layer_alone() -> None:
    found = sensitivity_of(*draw())
    for worse in (replace(found, by_row=Rounding(0.06, 0.1)), replace(found, by_short_column=Rounding(0.06, 0.1))):
        why = remedy(worse, Int8Settings())
        assert isinstance(why, str)
        assert why.startswith("its gradients have outliers: int8 rounds them with a relative error of 6.0%")


def test_sensitivity_covers_plain_and_int8_layers_and_leaves_no_hook() -> None:
    model = nn.Sequential(nn.Linear(K, N), nn.ReLU(), Int8Linear(N, N), nn.Linear(N, 2))
    frozen = nn.Linear(3, 3)
    model.add_module("unused", nn.Identity())
    inputs = torch.randn(3000, K)
    found = sensitivities(model, lambda: model(inputs).square().mean().backward())
    assert list(found) == ["0", "2", "3"]
    assert all(1500 <= one.tokens <= 2048 for one in found.values())
    assert all(not layer._forward_hooks for layer in model.modules())
    assert set(remedies(found)) == {"0", "2", "3"}
    with pytest.raises(BadInput, match="no gradient reached a linear layer"):
        sensitivities(frozen, lambda: None)
