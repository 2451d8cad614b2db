"""Other layers in place of a model's own: how near they start, and that undo gives the plain model back."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hasten import Stop, Update
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.model.depthwise_separable import SeparableConv2d
from hasten.techniques.model.light_activations import LIGHT, lighten
from hasten.techniques.model.low_rank_linear import LowRankLinear, factor_linears
from hasten.techniques.model.magnitude_pruning import largest, sparsity_at
from hasten.techniques.model.replacing import replace_layers, shared_parameters
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import Recipe, baseline
from hasten.training.running import plain_model

from tiny_tasks import block_task, cnn_task, mlp_task


def two_convolutions() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 8, 3), nn.SiLU(), nn.Conv2d(8, 6, (3, 1)), nn.Flatten(), nn.Linear(6 * 5 * 5, 3))


def trained(recipe: Recipe) -> nn.Module:
    run = build(recipe)
    list(train(run))
    run.model.eval()
    batch = next(run.validation_batches())
    before = run.model(*batch[:-1])
    model = plain_model(run)
    torch.testing.assert_close(model(*batch[:-1]), before, rtol=1e-3, atol=1e-4)
    return model


@settings(max_examples=15, deadline=None)
@given(wide=st.integers(1, 9), tall=st.integers(1, 9), rank=st.integers(1, 9), bias=st.booleans())
def test_a_factored_layer_is_the_best_of_its_rank_and_multiplies_out(
    wide: int, tall: int, rank: int, bias: bool
) -> None:
    dense, rank = nn.Linear(wide, tall, bias=bias), min(rank, wide, tall)
    factored = LowRankLinear(dense, rank)
    left = torch.linalg.svdvals(dense.weight.detach())[rank:]
    error = (factored.dense().weight - dense.weight).norm()
    torch.testing.assert_close(error.detach(), left.norm(), rtol=1e-3, atol=1e-5)
    x = torch.randn(3, 2, wide)
    torch.testing.assert_close(factored(x), factored.dense()(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "dense",
    [nn.Conv2d(5, 7, 3, padding=1), nn.Conv2d(4, 2, (3, 2), stride=2, bias=False), nn.Conv2d(4, 4, 3, dilation=2)],
    ids=["padded", "strided", "dilated"],
)
def test_a_separable_convolution_equals_the_dense_one_at_full_rank(dense: nn.Conv2d) -> None:
    x = torch.randn(2, dense.in_channels, 9, 8)
    torch.testing.assert_close(SeparableConv2d(dense, 99)(x), dense(x), rtol=1e-3, atol=1e-4)
    errors = []
    for multiplier in (1, 2, 99):
        split = SeparableConv2d(dense, multiplier)
        torch.testing.assert_close(split.dense()(x), split(x), rtol=1e-3, atol=1e-4)
        errors.append(float((split.dense().weight - dense.weight).norm().detach()))
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("low_rank_linear", baseline(block_task(dropout=0.0))),
        ("depthwise_separable", baseline(cnn_task(model=two_convolutions))),
        ("freezing", baseline(block_task())),
        ("sparse_embedding", baseline(block_task(update=Update(optimizer="adagrad", lr=0.1)))),
    ],
)
def test_undo_leaves_the_plain_model_with_the_same_outputs(name: str, recipe: Recipe) -> None:
    technique = make(name)
    assert technique.refuse(recipe, facts()) is None
    model = trained(technique.apply(recipe))
    plain = recipe.task.model()
    plain.load_state_dict(model.state_dict())
    assert [type(module) for module in model.modules()] == [type(module) for module in plain.modules()]
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_freezing_keeps_the_first_layers_and_refuses_to_keep_all() -> None:
    recipe = baseline(mlp_task())
    run = build(make("freezing").apply(recipe))
    before = [parameter.clone() for parameter in run.model.parameters()]
    list(train(run))
    same = [torch.equal(old, new) for old, new in zip(before, run.model.parameters(), strict=True)]
    assert same == [True, True, False, False]
    assert "of 2 layers" in make("freezing", {"layers": 2}).refuse(recipe, facts())


@pytest.mark.parametrize("to", ["relu", "relu6", "leaky_relu", "hardswish", "squared_relu"])
def test_activations_are_replaced_but_the_last_module(to: str) -> None:
    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2), nn.Sigmoid())

    run = build(make("light_activations", {"to": to}).apply(baseline(mlp_task(model=model))))
    kinds = [type(module).__name__.lower().replace("_", "") for module in run.model]
    assert kinds == ["linear", to.replace("_", ""), "linear", "relu", "linear", "sigmoid"]
    list(train(run))
    assert "no expensive activation" in make("light_activations").refuse(baseline(mlp_task()), facts())


def test_a_layer_in_two_places_is_replaced_by_one() -> None:
    shared = nn.Tanh()
    model = nn.Sequential(shared, nn.Linear(2, 2), shared, nn.Linear(2, 2))
    model[3].weight = model[1].weight
    replace_layers(model, lambda name, layer: nn.ReLU() if isinstance(layer, nn.Tanh) else None)
    assert model[0] is model[2]
    assert isinstance(model[0], nn.ReLU)
    assert shared_parameters(model) == {id(model[1].weight)}


def test_pruning_rises_to_its_share_and_stays() -> None:
    run = build(make("magnitude_pruning", {"sparsity": 0.75}).apply(baseline(mlp_task(stop=Stop(epochs=6)))))
    shares: list[float] = []
    for _ in train(run, lambda part: shares.append(float((run.model[0].weight == 0).float().mean()))):
        pass
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == pytest.approx(0.75, abs=0.02)
    weight = run.model[0].weight
    assert torch.equal(weight != 0, next(iter(run.post_step[0].state["masks"].values())))
    assert not (run.model[0].bias == 0).any()


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "momentum", "adagrad"])
def test_a_matrix_whose_first_gradient_comes_late_is_pruned_like_the_others(optimizer: str) -> None:
    class LayerDrop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.late, self.calls = nn.Linear(5, 8), nn.Linear(8, 8), 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += self.training
            return self.late(self.first(x)) if self.calls > 9 else self.first(x)

    task = mlp_task(model=LayerDrop, update=Update(optimizer=optimizer, lr=1e-2), stop=Stop(steps=20))
    run = build(make("magnitude_pruning", {"sparsity": 0.75, "begin": 0.0, "end": 0.5}).apply(baseline(task)))
    list(train(run))
    for layer in (run.model.first, run.model.late):
        assert float((layer.weight == 0).float().mean()) == pytest.approx(0.75, abs=0.02)


def test_masks_keep_the_largest_and_the_share_is_cubic() -> None:
    mask = largest(torch.tensor([[0.1, -3.0], [2.0, -0.2]]), 0.5)
    assert mask.tolist() == [[False, True], [True, False]]
    assert sparsity_at(0.4, final=0.8, begin=0.1, end=0.7) == pytest.approx(0.8 * (1 - 0.5**3))
    assert (sparsity_at(0.0, final=0.8, begin=0.1, end=0.7), sparsity_at(1.0, final=0.8, begin=0.1, end=0.7)) == (
        0,
        0.8,
    )


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
def test_sparse_gradients_make_the_same_updates(optimizer: str) -> None:
    recipe = baseline(block_task(dropout=0.0, update=Update(optimizer=optimizer, lr=0.1)))
    runs = [build(recipe), build(make("sparse_embedding").apply(recipe))]
    seen: list[bool] = []
    runs[1].optimizer.register_step_pre_hook(lambda *_: seen.append(runs[1].model[0].weight.grad.is_sparse))
    for run in runs:
        list(train(run))
    assert all(seen)
    for mine, theirs in zip(runs[1].parameters, runs[0].parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


def test_sparse_embedding_refuses_what_needs_whole_gradients() -> None:
    technique, machine = make("sparse_embedding"), facts()
    assert "adagrad and sgd" in technique.refuse(baseline(block_task()), machine)
    decayed = Update(optimizer="sgd", lr=0.1, options={"weight_decay": 0.1})
    assert "weight decay" in technique.refuse(baseline(block_task(update=decayed)), machine)
    assert "no embedding" in technique.refuse(baseline(mlp_task(update=Update(optimizer="sgd"))), machine)


@pytest.mark.parametrize("change", [*[partial(lighten, to=one) for one in LIGHT], partial(factor_linears, share=0.25)])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_torchs_encoder_layers_evaluate_what_was_trained(
    change: Callable[[nn.Module], nn.Module], padded: bool
) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 4, 64, 0.0, activation=nn.GELU(), batch_first=True)
    model = change(nn.Sequential(OrderedDict(encoder=nn.TransformerEncoder(layer, 2), head=nn.Linear(16, 3)))).eval()
    lengths = torch.tensor([5, 3, 4])
    mask = torch.arange(5) >= lengths[:, None] if padded else None
    tokens = torch.randn(3, 5, 16)
    encoder = model.get_submodule("encoder")
    with torch.no_grad():
        found = encoder(tokens, src_key_padding_mask=mask)
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            expected = encoder(tokens, src_key_padding_mask=mask)
        finally:
            torch.backends.mha.set_fastpath_enabled(True)
    kept = torch.ones(3, 5, dtype=torch.bool) if mask is None else ~mask
    torch.testing.assert_close(found[kept], expected[kept], rtol=1e-4, atol=1e-5)
