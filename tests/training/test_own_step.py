"""A step of the task's own: what stays hasten's around it, and what is refused beside it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim

from benchmarks.any_training.adversarial import GAN, gan, optimizers, update_both
from benchmarks.any_training.adversarial import step as gan_step
from hasten import Data, Plan, Stop, Task, Update
from hasten.base.errors import BadInput
from hasten.base.records.run import Evaluation, Progress
from hasten.machine import facts
from hasten.techniques.applying import apply_all, make, why_refused
from hasten.techniques.registry import technique, techniques
from hasten.training.building import build
from hasten.training.check import check
from hasten.training.checkpoint import header, load_checkpoint, save_checkpoint
from hasten.training.loop import train
from hasten.training.loss import Loss
from hasten.training.marks import BACKWARD, FORWARD, GRADIENT, LOSS, PARTS, UPDATE
from hasten.training.observers import Named
from hasten.training.own_step import loss_of
from hasten.training.recipe import Recipe, baseline
from hasten.training.running import run_training
from hasten.training.session import Session

from tiny_tasks import mlp_task


def gan_task(**changes: Any) -> Task:
    return replace(gan().task(), **{"stop": Stop(steps=8), **changes})


def plain_update(session: Session, batch: Any) -> Tensor:
    """The step that a task has without one of its own."""
    x, y = batch
    session.optimizer.zero_grad()
    loss = nn.functional.cross_entropy(session.model(x), y)
    loss.backward()
    session.optimizer.step()
    return loss


def own(**changes: Any) -> Task:
    return mlp_task(step=plain_update, **changes)


def steps(run: Session, count: int) -> list[Loss]:
    done: list[Loss] = []
    for ids, batch in run.batches():
        run.set_learning_rate()
        done.append(run.step(run, batch, lambda part: None))
        run.advance(len(ids), 0.0)
        if len(done) == count:
            return done
    raise AssertionError


def same(one: Session, other: Session) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters, other.parameters, strict=True))


@dataclass
class Seen:
    every: int = 1
    wants: frozenset[str] = frozenset({"gradients"})

    def __post_init__(self) -> None:
        self.names: list[set[str]] = []

    def see(self, what: str, named: Named) -> None:
        self.names.append({name.partition(".")[0] for name in named})

    def report(self, step: int) -> object | None:
        return None


def trained(recipe: Recipe, *observers: Seen) -> Session:
    run = build(recipe)
    list(train(run, observers=observers))
    return run


def test_losses_are_recorded_by_name_and_their_sum_is_the_loss() -> None:
    events = [event for event in train(build(baseline(gan_task()))) if isinstance(event, Progress)]
    losses = [loss for event in events for loss in event.losses]
    parts = {name: [one for event in events for one in event.parts[name]] for name in ("judging", "fooling")}
    assert len(losses) == 8
    for loss, judging, fooling in zip(losses, parts["judging"], parts["fooling"], strict=True):
        assert loss == pytest.approx(judging + fooling)


def test_the_plain_update_as_a_step_of_ones_own_trains_the_same() -> None:
    assert same(trained(baseline(own())), trained(baseline(mlp_task())))


def test_a_checkpoint_resumes_to_the_same_bits(tmp_path: Path) -> None:
    task, plan = gan_task(stop=Stop(steps=20)), Plan(task="gan")
    half = build(baseline(task))
    head = header(half, plan)
    steps(half, 9)
    save_checkpoint(half, head, tmp_path / "last.pt")
    resumed = build(baseline(task))
    load_checkpoint(resumed, header(resumed, plan), tmp_path / "last.pt")
    steps(resumed, 11)
    whole = build(baseline(task))
    steps(whole, 20)
    assert same(whole, resumed)
    rates = [[group["lr"] for group in run.optimizer.param_groups] for run in (whole, resumed)]
    assert rates[0] == rates[1]
    assert 0 < rates[0][1] < 1e-3


def test_samples_without_a_target_are_trained_on() -> None:
    reals = gan().task().data.train.dataset
    task = gan_task(data=Data(train=reals), batch_size=15)
    assert len(steps(build(baseline(task)), 2)) == 2


def test_gradients_that_a_step_leaves_to_the_next_are_saved() -> None:
    def every_third(session: Session, batch: Any) -> Tensor:
        x, y = batch
        loss = nn.functional.cross_entropy(session.model(x), y)
        (loss / 3).backward()
        if session.position.step % 3 == 2:
            session.optimizer.step()
            session.optimizer.zero_grad()
        return loss

    whole, half, resumed = (build(baseline(mlp_task(step=every_third))) for _ in range(3))
    steps(half, 4)
    resumed.load_state(half.state())
    steps(resumed, 3)
    steps(whole, 7)
    assert same(whole, resumed)


def test_what_the_step_keeps_itself_is_saved() -> None:
    class Weighed:
        weight = 1.0

        def __init__(self) -> None:
            self.weight = 1.0

        def __call__(self, session: Session, batch: Any) -> Tensor:
            x, y = batch
            session.optimizer.zero_grad()
            loss = self.weight * nn.functional.cross_entropy(session.model(x), y)
            loss.backward()
            session.optimizer.step()
            self.weight *= 0.9
            return loss

    half = build(baseline(mlp_task(step=Weighed())))
    steps(half, 3)
    state = half.state()
    resumed = build(baseline(mlp_task(step=Weighed())))
    resumed.load_state(state)
    assert resumed.recipe.task.step.weight == pytest.approx(0.9**3)


def test_evaluation_keeps_the_best_and_training_ends_with_the_plain_model(tmp_path: Path) -> None:
    task = gan_task(stop=Stop(steps=12, evaluate_every=4))
    trained = run_training(baseline(task), Plan(task="gan"), show=lambda event: None, folder=tmp_path)
    assert len(trained.result.evaluations) == 3
    assert trained.result.best_metric == max(one.metric for one in trained.result.evaluations)
    assert type(trained.model) is GAN


def test_training_that_is_interrupted_and_resumed_ends_with_the_same_weights(tmp_path: Path) -> None:
    task = gan_task(stop=Stop(steps=12, evaluate_every=4))

    def stop_after_the_first(event: object) -> None:
        if isinstance(event, Evaluation) and event.step == 4:
            raise KeyboardInterrupt

    recipe, plan = baseline(task), Plan(task="gan")
    with pytest.raises(KeyboardInterrupt):
        run_training(recipe, plan, show=stop_after_the_first, folder=tmp_path)
    resumed = run_training(recipe, plan, show=lambda event: None, folder=tmp_path, resume=True)
    whole = run_training(recipe, plan, show=lambda event: None)
    for mine, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_parts_of_a_step_are_marked_by_what_it_calls() -> None:
    run, marks = build(baseline(gan_task())), list[int]()
    run.step(run, next(run.batches())[1], marks.append)
    counted = Counter(marks)
    assert counted[FORWARD] == 3
    assert counted[BACKWARD] == 2
    assert counted[GRADIENT] == 2
    assert counted[LOSS] == 3  # after the generator, and before each backward pass
    assert marks[-1] == UPDATE
    assert torch.autograd.backward.__module__ == "torch.autograd"
    assert not run.model.generator._forward_hooks


def test_observers_see_the_gradients_of_each_update_and_change_nothing() -> None:
    observer = Seen()
    seen = trained(baseline(gan_task()), observer)
    assert observer.names == [{"discriminator"}, {"generator"}] * 8
    assert same(seen, trained(baseline(gan_task())))


# techniques

TOUCH = {
    "micro_batch": "makes its own backward passes",
    "fp16": "makes its own backward passes",
    "clip_norm": "updates the parameters itself",
    "centralize": "updates the parameters itself",
    "nonfinite_guard": "updates the parameters itself",
    "delayed_update": "makes its own backward passes",
    "optimizer_choice": "uses the optimizers of the task",
    "schedule_free": "uses the optimizers of the task",
    "infobatch": "samples cannot be weighed",
}


@pytest.mark.parametrize("name", TOUCH)
def test_a_technique_that_changes_what_the_step_does_is_refused(name: str) -> None:
    why = why_refused(technique(name)(), baseline(own()), facts())
    assert why is not None
    assert why.startswith("the task's own step (Task.step) ")
    assert TOUCH[name] in why


def test_no_other_field_of_a_step_can_be_changed_beside_it() -> None:
    """Whatever is not refused leaves what only the plain step reads."""
    recipe = baseline(own())
    for kind in techniques().values():
        if why_refused(kind(), recipe, facts()) is not None:
            continue
        changed = kind().apply(recipe)
        assert changed.backward == recipe.backward, kind.card.name
        assert changed.gradient == recipe.gradient, kind.card.name
        assert changed.update.optimizer == recipe.update.optimizer, kind.card.name
        assert changed.step is recipe.step, kind.card.name


def changed(name: str, **knobs: Any) -> Callable[[Recipe], Recipe]:
    return lambda recipe: make(name, knobs).apply(recipe)


@pytest.mark.parametrize("name", ["batched_gather", "prefetch"])
def test_techniques_of_the_input_leave_the_bits(name: str) -> None:
    recipe = baseline(gan_task())
    assert same(trained(apply_all([make(name)], recipe, facts())), trained(recipe))


def test_autocast_is_put_around_the_calls_of_the_parts() -> None:
    seen: list[torch.dtype] = []

    def look(session: Session, batch: Any) -> dict[str, Tensor]:
        (real,) = batch
        seen.append(session.model.generator(torch.randn(len(real), 3)).dtype)
        return gan_step(session, batch)

    run = build(changed("bf16")(baseline(gan_task(step=look))))
    steps(run, 1)
    assert seen == [torch.bfloat16]
    (real,) = next(run.batches())[1]
    assert run.model.generator(torch.randn(len(real), 3)).dtype == torch.float32, (
        "outside of a step it is the plain one"
    )
    assert type(run.model.generator) is nn.Sequential


def test_what_follows_an_update_runs_after_the_step() -> None:
    run = build(changed("ema", decay=0.5)(baseline(gan_task())))
    steps(run, 5)
    assert run.post_step[0].state["updates"] == 5


# what it may return


def test_numbers_pairs_and_losses() -> None:
    batch = (torch.zeros(4, 2), torch.zeros(4))
    assert float(loss_of(0.5, batch).sum) == 2.0
    assert loss_of((torch.tensor(0.5), 10), batch).count == 10
    made = loss_of({"one": torch.tensor(1.0), "two": 2.0}, batch)
    assert float(made.average()) == 3.0
    assert set(made.parts) == {"one", "two"}
    assert loss_of(Loss(torch.tensor(6.0), 3), batch).average() == 2.0
    assert not loss_of(torch.tensor(1.0, requires_grad=True), batch).sum.requires_grad


@pytest.mark.parametrize("value", [None, "0.5", torch.zeros(3), {}, {"one": None}])
def test_anything_else_is_one_message(value: object) -> None:
    with pytest.raises(BadInput, match="Task.step must return the loss of its step"):
        loss_of(value, (torch.zeros(4, 2), torch.zeros(4)))


# check


def test_the_check_leaves_what_the_step_keeps_as_it_was() -> None:
    calls = {"made": 0}

    def counting(session: Session, batch: Any) -> Tensor:
        calls["made"] += 1
        return plain_update(session, batch)

    assert check(mlp_task(step=counting)) == ()
    assert calls == {"made": 0}
    assert check(gan_task()) == ()


def test_a_step_that_fails_names_its_line() -> None:
    def wrong(session: Session, batch: Any) -> Tensor:
        return session.optimizers["critic"]

    with pytest.raises(BadInput, match=r"Task.step must make a step on a batch.*KeyError.*test_own_step.py"):
        check(gan_task(step=wrong))


def test_a_step_that_does_nothing_is_found() -> None:
    def idle(session: Session, batch: Any) -> Tensor:
        (real,) = batch
        return session.model.discriminator(real).mean()

    with pytest.raises(BadInput, match="changes no parameter and leaves no gradient"):
        check(gan_task(step=idle))


def test_a_model_that_cannot_be_judged_is_found() -> None:
    task = gan().task()
    with pytest.raises(BadInput, match=r"Or judge it by Task.validate, and leave out Data\(valid="):
        check(replace(task, data=Data(train=task.data.train, valid=task.data.train.dataset)))


def test_an_optimizer_with_a_closure_works_in_a_step() -> None:
    def with_closure(session: Session, batch: Any) -> Any:
        x, y = batch

        def closure() -> Tensor:
            session.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(session.model(x), y)
            loss.backward()
            return loss

        return session.optimizer.step(closure)

    update = Update(optimizer=lambda model: optim.LBFGS(model.parameters(), lr=0.1, max_iter=2))
    run = build(baseline(mlp_task(step=with_closure, update=update)))
    first, *_, last = steps(run, 6)
    assert last.average() < first.average()


def test_the_step_of_the_catalog_needs_two_optimizers() -> None:
    run = build(baseline(gan_task()))
    assert list(run.optimizers) == ["generator", "discriminator"]
    assert [type(one) for one in run.optimizers.values()] == [optim.Adam, optim.Adam]
    assert update_both(run.model, optimizers(run.model), next(run.batches())[1])
    assert PARTS[UPDATE] == "update"
