"""Experiments on a step that its owner wrote: what helps is found, and the owner's objects stay as they are."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hasten
from hasten.base.errors import BadInput
from hasten.base.records.trial import Verdict


def step(fast, batch):
    inputs, targets = batch
    loss = fast.loss(fast.model(inputs), targets)
    loss.backward()
    fast.optimizer.step()
    fast.optimizer.zero_grad()
    return loss


def objects():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    data = TensorDataset(torch.randn(2048, 16), torch.randint(0, 3, (2048,)))
    return {
        "model": model,
        "optimizer": torch.optim.AdamW(model.parameters(), foreach=False),
        "loader": DataLoader(data, batch_size=1024, shuffle=True),
        "loss": nn.CrossEntropyLoss(),
    }


def test_a_slow_loader_is_found_and_nothing_of_the_owners_changes():
    given = objects()
    weights, random = copy.deepcopy(given["model"].state_dict()), torch.get_rng_state()
    for budget_s in (12, 60):  # beside other work it takes longer to be sure
        tuning = hasten.tune_loop(step, **given, budget_s=budget_s, only=["batched_gather", "tf32", "compile", "ema"])
        found = {trial.technique: trial for trial in tuning.trials}
        if found["batched_gather"].verdict is not Verdict.INCONCLUSIVE:
            break
    assert found["batched_gather"].verdict is Verdict.KEPT
    assert found["batched_gather"].gate.passed
    assert found["batched_gather"].gate.measured == 0
    assert found["tf32"].verdict is Verdict.NOT_APPLICABLE
    assert "compiles" in found["compile"].reason
    assert found["ema"].verdict is Verdict.NOT_ALLOWED
    assert tuning.plan.names == ("batched_gather",)
    assert tuning.speedup.low > 1
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, weights[name]) for name, value in given["model"].state_dict().items())
    assert not given["optimizer"].state


def test_an_iterator_and_a_step_without_a_loss_are_refused():
    given = objects()
    with pytest.raises(BadInput, match="found an iterator"):
        hasten.tune_loop(step, **given | {"loader": iter(given["loader"].dataset)})
    with pytest.raises(BadInput, match=r"must return the loss; it returned NoneType"):
        hasten.tune_loop(lambda fast, batch: None, **given, only=[])
