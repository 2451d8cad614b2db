"""Observers see a step and change no bit of it."""

from typing import Any

import pytest
import torch
from torch import nn

from hasten import Stop
from hasten.base.records.run import Observed, Progress
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.observers import Named
from hasten.training.recipe import Recipe, baseline

from tiny_tasks import cnn_task, mlp_task

ALL = frozenset({"activations", "gradients", "updates"})


class Watcher:
    """Keeps the norms of what it is shown; draws random numbers, as careless code may do."""

    def __init__(self, every: int = 1, wants: frozenset[str] = ALL) -> None:
        self.every, self.wants = every, wants
        self.seen: dict[str, dict[str, float]] = {}

    def see(self, what: str, named: Named) -> None:
        torch.rand(3)
        assert not torch.is_grad_enabled()
        self.seen.setdefault(what, {}).update({name: float(one.norm()) for name, one in named.items()})

    def report(self, step: int) -> dict[str, Any]:
        seen, self.seen = self.seen, {}
        return seen


def with_dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))


RECIPES = {
    "mlp": lambda: baseline(mlp_task(model=with_dropout, stop=Stop(steps=9))),
    "batch norm": lambda: baseline(cnn_task(stop=Stop(steps=6))),
    "accumulation": lambda: baseline(mlp_task(stop=Stop(steps=9))).with_backward(micro_batch=3),
    "loss scale": lambda: baseline(mlp_task(stop=Stop(steps=9))).with_backward(loss_scale=256.0),
}


@pytest.mark.parametrize("name", RECIPES)
def test_on_and_off_are_the_same_bit_for_bit(name: str) -> None:
    recipe: Recipe = RECIPES[name]()
    states, losses = [], []
    for observers in ((), (Watcher(2), Watcher(3))):
        run = build(recipe)  # seeds the global generators
        losses.append([one.losses for one in train(run, observers=observers) if isinstance(one, Progress)])
        states.append(run.state())
    assert losses[0][-1][-1] == losses[1][-1][-1]
    for key in ("model", "optimizer", "random"):
        flat = [torch.utils._pytree.tree_leaves(state[key]) for state in states]
        for one, other in zip(*flat, strict=True):
            assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    assert not any(module._forward_hooks for module in run.model.modules())
    assert run.on_gradients is None


def test_an_observer_sees_what_it_wants_every_so_many_steps() -> None:
    run = build(baseline(mlp_task(model=with_dropout, stop=Stop(steps=7))))
    seen = [one for one in train(run, observers=[Watcher(3)]) if isinstance(one, Observed)]
    assert [one.step for one in seen] == [1, 4, 7]
    record = seen[0].record
    assert set(record) == ALL
    assert set(record["activations"]) == {"0", "1", "2", "3"}
    assert set(record["gradients"]) == set(record["updates"]) == {"0.weight", "0.bias", "3.weight", "3.bias"}
    assert all(norm > 0 for norm in record["updates"].values())


def test_gradients_are_seen_before_clipping_and_updates_of_a_vetoed_step_are_zero() -> None:
    recipe = baseline(mlp_task(stop=Stop(steps=1)))
    unclipped, clipped = build(recipe), build(recipe.with_gradient(_shrink))
    vetoed = build(recipe.with_gradient(lambda parameters: False))
    records = [
        next(one.record for one in train(run, observers=[Watcher()]) if isinstance(one, Observed))
        for run in (unclipped, clipped, vetoed)
    ]
    assert records[0]["gradients"] == records[1]["gradients"] == records[2]["gradients"]
    assert not any(records[2]["updates"].values())


def test_an_observer_that_wants_gradients_only_costs_no_copies() -> None:
    run = build(baseline(mlp_task(stop=Stop(steps=1))))
    record = next(
        one.record for one in train(run, observers=[Watcher(1, frozenset({"gradients"}))]) if isinstance(one, Observed)
    )
    assert set(record) == {"gradients"}


def _shrink(parameters: Any) -> bool:
    for parameter in parameters.values():
        parameter.grad.mul_(1e-3)
    return True
