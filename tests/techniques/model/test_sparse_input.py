"""A first layer that leaves zeros out: against the dense product, and what it refuses."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from hasten import Data, Stop, Task, Update
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.model.sparse_input import sparse_linear
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.running import plain_model

from tiny_tasks import mlp_task


def words(share: float = 0.01, inputs: int = 1200) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    counts = (torch.rand(60, inputs, generator=generator) < share).float()
    return counts * torch.rand(60, inputs, generator=generator)


def word_task(share: float = 0.01, inputs: int = 1200, **changes: Any) -> Task:
    x = words(share, inputs)
    y = (x.sum(1) > x.sum(1).median()).long()
    settings: dict[str, Any] = {
        "data": Data(train=TensorDataset(x, y), valid=TensorDataset(x[:20], y[:20])),
        "model": lambda: nn.Sequential(nn.Linear(inputs, 9), nn.ReLU(), nn.Linear(9, 2)),
        "update": Update(optimizer="momentum", lr=0.05),
        "stop": Stop(epochs=3),
    }
    return mlp_task(**{**settings, **changes})


@pytest.mark.parametrize("by_column", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_agrees_with_the_dense_product_also_with_empty_rows(by_column: bool, bias: bool) -> None:
    values = words()[:7]
    values[[0, 3, 6]] = 0
    weight, offset = torch.randn(5, 1200), torch.randn(5) if bias else None
    stored = weight.t().contiguous().t() if by_column else weight
    mine, theirs = stored.clone().requires_grad_(), weight.clone().requires_grad_()
    made, expected = sparse_linear(values, mine, offset), nn.functional.linear(values, theirs, offset)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-5)
    for result in (made, expected):
        result.square().sum().backward()
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-4)


def test_training_agrees_and_undo_leaves_a_plain_layer() -> None:
    recipe = baseline(word_task())
    technique = make("sparse_input")
    assert technique.refuse(recipe, facts()) is None
    plain, run = build(recipe), build(technique.apply(recipe))
    assert run.model[0].weight.stride() == (1, 9)
    for one in (plain, run):
        list(train(one))
    for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)
    undone = plain_model(run)
    assert type(undone[0]) is nn.Linear
    assert undone[0].weight.is_contiguous()


class Late(nn.Module):
    """The data go through something before the linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1200, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.abs())


def test_refuses_with_the_fact_that_stands_against_it() -> None:
    def reason(task: Task) -> str:
        why = make("sparse_input").refuse(baseline(task), facts())
        assert why is not None
        return why

    assert "1024 inputs or more" in reason(mlp_task())
    assert "of the data are not zero" in reason(word_task(share=0.2))
    assert "does not go directly into one linear layer" in reason(word_task(model=Late))

    def tied() -> nn.Module:
        model = nn.Sequential(nn.Linear(1200, 1200), nn.Linear(1200, 1200), nn.Linear(1200, 2))
        model[1].weight = model[0].weight
        return model

    assert "used in several places" in reason(word_task(model=tied))
