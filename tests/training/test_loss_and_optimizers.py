"""Losses sum and count as they say; optimizers come by name."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from hasten.base.errors import BadInput
from hasten.training.loss import CrossEntropy, Loss, SquaredError, loss_function, read
from hasten.training.metrics import METRICS, Quality
from hasten.training.optimizers import TORCH, make_optimizer


@settings(max_examples=30, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), classes=st.integers(2, 5), ignored=st.booleans())
def test_cross_entropy_over_its_count_is_torchs_mean(shape: list[int], classes: int, ignored: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(*shape, classes, generator=generator, requires_grad=True)
    target = torch.randint(classes, shape, generator=generator)
    target.flatten()[0] = 0
    if ignored and target.numel() > 1:
        target.flatten()[-1] = classes - 1
    ignore = classes - 1 if ignored else None
    loss = CrossEntropy(ignore_index=ignore, class_dim=-1)(output, (output, target))
    flat = output.flatten(0, -2)
    expected = F.cross_entropy(flat, target.flatten(), ignore_index=-100 if ignore is None else ignore)
    if loss.count:
        torch.testing.assert_close(loss.sum / loss.count, expected)


def test_cross_entropy_takes_torchs_own_layout() -> None:
    output, target = torch.randn(2, 5, 7, 3), torch.randint(5, (2, 7, 3))
    loss = CrossEntropy()(output, (output, target))
    torch.testing.assert_close(loss.sum / loss.count, F.cross_entropy(output, target))


def test_squared_error_refuses_to_broadcast() -> None:
    with pytest.raises(BadInput, match=r"found \(4, 1\) from the model and \(4,\) in the data"):
        SquaredError()(torch.zeros(4, 1), (None, torch.zeros(4)))


def test_any_callable_is_a_loss_over_examples() -> None:
    loss = loss_function(F.l1_loss)
    output, target = torch.randn(6, 2), torch.randn(6, 2)
    result = loss(output, (output, target))
    assert result.count == 6
    torch.testing.assert_close(result.sum / result.count, F.l1_loss(output, target))


def test_names_that_are_unknown() -> None:
    with pytest.raises(BadInput, match="Did you mean cross_entropy"):
        loss_function("crossentropy")
    with pytest.raises(BadInput, match="Did you mean accuracy"):
        Quality("acuracy")
    with pytest.raises(BadInput, match="Did you mean adamw"):
        make_optimizer("adamww", nn.Linear(1, 1), lr=0.1, options={})


@pytest.mark.parametrize("name", [*TORCH, "lion"])
def test_optimizers_by_name_reduce_a_loss(name: str) -> None:
    model = nn.Linear(3, 1)
    optimizer = make_optimizer(name, model, lr=0.01, options={})
    x = torch.randn(64, 3)
    y = x.sum(1, keepdim=True)
    losses = []
    for _ in range(30):
        loss = F.mse_loss(model(x), y)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < losses[0]


def test_an_option_that_does_not_exist() -> None:
    with pytest.raises(BadInput, match=r"does not take these options: .'momentun': 0.9."):
        make_optimizer("sgd", nn.Linear(1, 1), lr=0.1, options={"momentun": 0.9})


def test_nothing_to_train() -> None:
    with pytest.raises(BadInput, match="must have parameters to train"):
        make_optimizer("sgd", nn.ReLU(), lr=0.1, options={})


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_by_name_gives_a_number(name: str) -> None:
    quality = Quality(name)
    if name in ("mae", "mse", "rmse", "r2"):
        quality.add(torch.randn(8, 1), torch.randn(8, 1))
    elif name == "perplexity":
        quality.add(torch.randn(2, 4, 3), torch.randint(3, (2, 4)))
    else:
        quality.add(torch.randn(30, 3), torch.arange(30) % 3)
    assert torch.isfinite(torch.tensor(quality.value(0.5)))


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 9), (30, 3)])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("metric", ["accuracy", "f1", "auroc"])
def test_metrics_over_classes_find_the_dimension_of_the_classes(
    shape: tuple[int, ...], last: bool, metric: str
) -> None:
    target = (torch.arange(shape[0] * math.prod(shape[2:])) % 3).view(shape[0], *shape[2:])
    scores = torch.randn(shape)
    flat = scores.movedim(1, -1).reshape(-1, 3)
    quality, plain = Quality(metric), Quality(metric)
    quality.add(scores.movedim(1, -1) if last else scores, target)
    plain.add(flat, target.flatten())
    assert quality.value(0.0) == pytest.approx(plain.value(0.0))
    if metric == "accuracy":
        again = Quality(metric)
        again.add(flat, target.flatten())
        assert again.value(0.0) == pytest.approx(float((flat.argmax(1) == target.flatten()).float().mean()))


def test_accuracy_and_its_direction() -> None:
    quality = Quality("accuracy")
    quality.add(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([1, 1]))
    assert quality.value(0.0) == 0.5
    assert quality.is_better(0.6, 0.5)
    assert not quality.is_better(float("nan"), 0.5)
    assert quality.is_better(0.1, float("nan"))
    assert quality.reaches(0.5, 0.5)
    assert quality.reaches(float(torch.tensor(0.9, dtype=torch.float32) - 5e-8), 0.9)
    assert not quality.reaches(0.4, 0.5)
    lower = Quality("loss")
    assert lower.value(0.25) == 0.25
    assert lower.is_better(0.1, 0.2)
    assert lower.reaches(0.1, 0.2)
    assert not lower.reaches(0.3, None)


@given(st.lists(st.tuples(st.floats(-1e4, 1e4, width=32), st.integers(0, 999)), min_size=1, max_size=8))
def test_the_mean_of_a_step_is_the_one_that_a_loop_by_hand_computes(terms: list[tuple[float, int]]) -> None:
    _, _, means = read([Loss(torch.tensor(total), count) for total, count in terms])
    assert means == [float(torch.tensor(total) / count) if count else 0.0 for total, count in terms]
