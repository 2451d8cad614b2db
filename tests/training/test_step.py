"""Steps as strategies, transforms with state, and what a veto means."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from hasten import Stop, Update
from hasten.measurement.calls import quiet_profiler
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.loss import Loss
from hasten.training.marks import Mark
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import Session
from hasten.training.step import accumulate, one_update, step, update_parameters
from hasten.training.transforms import Parameters, State, StepInfo

from tiny_tasks import mlp_task, regression_task


@dataclass(frozen=True)
class MovingAverage:
    """Replaces gradients by their moving average: needs a state, and the number of the step for its bias."""

    decay: float = 0.9

    def init(self, parameters: Parameters) -> State:
        return {"average": {name: torch.zeros_like(one) for name, one in parameters.items()}, "seen": []}

    @torch.no_grad()
    def update(self, parameters: Parameters, state: State, info: StepInfo) -> bool:
        for name, parameter in parameters.items():
            average = state["average"][name].lerp_(parameter.grad, 1 - self.decay)
            parameter.grad.copy_(average / (1 - self.decay ** (info.step + 1)))
        state["seen"].append(info.step)
        return True


@dataclass(frozen=True)
class Veto:
    """Skips every second update."""

    def init(self, parameters: Parameters) -> State:
        return {}

    def update(self, parameters: Parameters, state: State, info: StepInfo) -> bool:
        return info.step % 2 == 1


@dataclass(frozen=True)
class Count:
    """Counts the steps that it saw, as a gradient transform and as a post-step."""

    def init(self, parameters: Parameters) -> State:
        return {"calls": 0}

    def update(self, parameters: Parameters, state: State, info: StepInfo) -> bool:
        state["calls"] += 1
        return True


def values(run: Session) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in run.parameters]


def test_a_transform_with_state_and_step_number_resumes_bit_for_bit() -> None:
    recipe = baseline(mlp_task(stop=Stop(steps=12))).with_gradient(MovingAverage())
    whole = build(recipe)
    list(train(whole))
    half = build(recipe)
    batches = half.batches()
    for _ in range(5):
        ids, batch = next(batches)
        step(half, batch)
        half.advance(len(ids), 0.0)
    saved = half.state()
    resumed = build(recipe)
    resumed.load_state(saved)
    list(train(resumed))
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(values(whole), values(resumed), strict=True))
    assert resumed.gradient[0].state["seen"] == list(range(12))


def test_a_loaded_state_is_a_copy() -> None:
    recipe = baseline(mlp_task()).with_gradient(MovingAverage())
    one, other = build(recipe), build(recipe)
    step(one, next(one.batches())[1])
    other.load_state(one.state())
    for average in other.gradient[0].state["average"].values():
        average.zero_()
    assert any(average.any() for average in one.gradient[0].state["average"].values())


def test_after_a_veto_the_later_transforms_still_run_and_post_steps_do_not() -> None:
    recipe = baseline(mlp_task(stop=Stop(steps=6))).with_gradient(Veto()).with_gradient(Count()).with_post_step(Count())
    run = build(recipe)
    list(train(run))
    assert run.gradient[1].state["calls"] == 6
    assert run.post_step[0].state["calls"] == 3


def test_gradients_are_unscaled_before_transforms_see_them() -> None:
    seen: list[float] = []

    def look(parameters: Parameters) -> bool:
        seen.append(sum(float(one.grad.square().sum()) for one in parameters.values()))
        return True

    recipe = baseline(mlp_task()).with_gradient(look)
    for one in (recipe, recipe.with_backward(loss_scale=4096.0)):
        run = build(one)
        step(run, next(run.batches())[1])
    assert seen[1] == pytest.approx(seen[0], rel=1e-6)


def sharpness_aware(radius: float) -> Callable[[Session, Any, Mark], Loss]:
    """Foret et al., 2021: the gradient at the worst point nearby."""

    def forward_backward(run: Session, batch: Any, mark: Mark) -> Loss:
        accumulate(run, batch, mark)
        norm = nn.utils.get_total_norm([one.grad for one in run.parameters])
        moves = [one.grad * (radius / norm) for one in run.parameters]
        with torch.no_grad():
            torch._foreach_add_(list(run.parameters), moves)
        run.optimizer.zero_grad()
        loss = accumulate(run, batch, mark)
        with torch.no_grad():
            torch._foreach_sub_(list(run.parameters), moves)
        return loss

    return forward_backward


def test_sharpness_aware_minimization_is_a_forward_backward_of_the_recipe() -> None:
    recipe = baseline(mlp_task(update=Update(optimizer="sgd", lr=0.1)))
    run = build(recipe.with_backward(forward_backward=sharpness_aware(0.05)))
    x, y = next(run.batches())[1]
    model = build(recipe).model
    loss = nn.functional.cross_entropy(model(x), y)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    norm = torch.cat([one.flatten() for one in gradients]).norm()
    shifted = build(recipe).model
    with torch.no_grad():
        for parameter, gradient in zip(shifted.parameters(), gradients, strict=True):
            parameter.add_(gradient * 0.05 / norm)
    expected = torch.autograd.grad(nn.functional.cross_entropy(shifted(x), y), list(shifted.parameters()))
    step(run, (x, y))
    for mine, start, gradient in zip(run.parameters, model.parameters(), expected, strict=True):
        torch.testing.assert_close(mine.detach(), start.detach() - 0.1 * gradient)


def test_lbfgs_gets_a_closure_and_makes_the_steps_of_plain_torch() -> None:
    update = Update(optimizer=lambda model: optim.LBFGS(model.parameters(), lr=0.5, max_iter=4))
    task = regression_task(update=update, batch_size=None, stop=Stop(steps=5))
    run = build(baseline(task))
    model = build(baseline(task)).model
    optimizer = optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)
    x, y = next(run.batches())[1]

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    list(train(run))
    for mine, theirs in zip(run.parameters, model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_a_whole_step_of_ones_own_may_use_several_optimizers() -> None:
    second: list[optim.Optimizer] = []

    def alternate(run: Session, batch: Any, mark: Mark) -> Loss:
        if not second:
            second.append(optim.SGD(list(run.parameters)[:1], lr=0.5))
        loss = accumulate(run, batch, mark)
        for optimizer in (run.optimizer, *second):
            optimizer.step()
        run.optimizer.zero_grad()
        return loss

    recipe: Recipe = replace(baseline(mlp_task(update=Update(optimizer="sgd", lr=0.1))), step=alternate)
    run, plain = build(recipe), build(baseline(mlp_task(update=Update(optimizer="sgd", lr=0.6))))
    batch = next(run.batches())[1]
    step(run, batch)
    step(plain, batch)
    torch.testing.assert_close(run.parameters[0], plain.parameters[0])
    assert not torch.allclose(run.parameters[1], plain.parameters[1])


def test_a_step_without_strategies_is_the_plain_one() -> None:
    assert build(baseline(mlp_task())).step is one_update


# around the optimizer's step


def by_step(run: Session) -> Callable[[], list[Tensor]]:
    """Return a function that updates a session's parameters by given gradients and returns them."""

    def update() -> list[Tensor]:
        for parameter in run.parameters:
            parameter.grad = torch.ones_like(parameter)
        update_parameters(run.optimizer)
        return [parameter.detach().clone() for parameter in run.parameters]

    return update


@pytest.mark.parametrize("name", ["sgd", "adamw", "rmsprop", "lion"])
def test_an_update_is_the_optimizers_own_step(name: str) -> None:
    ours, theirs = (build(baseline(mlp_task(update=Update(optimizer=name)))) for _ in range(2))
    before = [parameter.detach().clone() for parameter in ours.parameters]
    updated = by_step(ours)()
    for parameter in theirs.parameters:
        parameter.grad = torch.ones_like(parameter)
    theirs.optimizer.step()
    assert all(map(torch.equal, updated, theirs.parameters))
    assert not any(map(torch.equal, updated, before))


def test_hooks_of_an_optimizer_and_of_all_are_called() -> None:
    run, seen = build(baseline(mlp_task())), list[str]()
    handles = [
        run.optimizer.register_step_pre_hook(lambda *_: seen.append("before")),
        run.optimizer.register_step_post_hook(lambda *_: seen.append("after")),
        register_optimizer_step_pre_hook(lambda *_: seen.append("before all")),
        register_optimizer_step_post_hook(lambda *_: seen.append("after all")),
    ]
    for handle in handles:
        by_step(run)()
        handle.remove()
    by_step(run)()
    assert Counter(seen) == {"before": 1, "after": 2, "before all": 3, "after all": 4}


def test_a_step_that_somebody_has_put_in_its_place_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    run, calls = build(baseline(mlp_task())), list[str]()
    kind, own = type(run.optimizer), type(run.optimizer).step

    @wraps(own)
    def counted(*args: Any) -> Any:
        calls.append("class")
        return own(*args)

    monkeypatch.setattr(kind, "step", counted)
    by_step(run)()
    run.optimizer.step = lambda: calls.append("object")  # type: ignore[method-assign]
    by_step(run)()
    assert calls == ["class", "object"]


def test_a_profiler_finds_the_optimizers_steps() -> None:
    run = build(baseline(mlp_task()))
    with quiet_profiler(), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        by_step(run)()
    name = f"Optimizer.step#{type(run.optimizer).__name__}.step"
    assert name in {event.name for event in profiler.events() or ()}
