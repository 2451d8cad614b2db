"""Other optimizers: which parameters go where, and that each learns."""

import pytest
from torch import nn

from hasten import Stop
from hasten.base.records.run import Evaluation
from hasten.machine import facts
from hasten.techniques.applying import conflict, make
from hasten.techniques.update.optimizers import ALL, hidden_matrices
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline

from tiny_tasks import block_task, regression_task


@pytest.mark.parametrize("name", ALL)
def test_each_learns(name: str) -> None:
    knobs = {"optimizer_choice": {"name": "rmsprop"}, "muon_hybrid": {"adamw_lr": 0.01}}.get(name, {})
    task = block_task(stop=Stop(epochs=15))
    run = build(make(name, knobs).apply(baseline(task)))
    losses = [event.valid_loss for event in train(run) if isinstance(event, Evaluation)]
    assert losses[-1] < losses[0] * (0.99 if name == "prodigy" else 0.9)


def test_two_optimizers_do_not_go_together() -> None:
    for one in ALL:
        for other in ALL:
            if one != other:
                assert conflict([make(one).card, make(other).card]) is not None


def test_hidden_matrices_are_those_between_embedding_and_head() -> None:
    model = block_task().model()
    matrices, rest = hidden_matrices(model)
    assert [tuple(weight.shape) for weight in matrices] == 3 * [(24, 12), (12, 24)]
    assert {id(model[0].weight), id(model[2].weight)} <= {id(parameter) for parameter in rest}
    model[2].weight = model[0].weight  # tied
    assert all(weight is not model[0].weight for weight in hidden_matrices(model)[0])
    plain = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5), nn.Linear(5, 2))
    assert hidden_matrices(plain)[0] == [plain[1].weight]


def test_refusals() -> None:
    assert "no weight matrix between" in make("muon_hybrid").refuse(baseline(regression_task()), facts())
    recipe = make("optimizer_choice").apply(baseline(regression_task()))
    assert "adamw at this rate already" in make("optimizer_choice").refuse(recipe, facts())
    assert "no weight matrix to" in make("soap").refuse(baseline(regression_task(model=nn.PReLU)), facts())
