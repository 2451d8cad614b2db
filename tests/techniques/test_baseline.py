"""Techniques that a training uses today: part of the baseline, for every verb, and never tried again."""

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from msgspec import structs
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import hasten
from benchmarks.any_training.training import adam
from benchmarks.any_training.used import CLIPPED, accumulated, clipping_average_and_accumulation
from benchmarks.any_training.used import loader as used_loader
from benchmarks.any_training.used import model as used_model
from hasten import Plan, Stop, Task, Update
from hasten.base.errors import BadInput, Refused
from hasten.base.records.notices import Note
from hasten.base.records.plan import Choice
from hasten.base.records.run import Started
from hasten.base.records.trial import Trial, Verdict
from hasten.base.stages import Guarantee
from hasten.machine import facts
from hasten.pipeline.eject.ejecting import eject
from hasten.report.wording import training_line
from hasten.techniques.applying import apply_all, apply_plan, make, why_refused
from hasten.techniques.baseline import baseline_of, notes_on_uses
from hasten.training.building import build
from hasten.training.check import check
from hasten.training.facts import task_facts
from hasten.training.final_weights import final_weights
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.running import run_training
from hasten.training.session import Session
from hasten.tuning.tune import tune

from tiny_tasks import mlp_task, regression_task

CLIPPING = {"clip_norm": {"max_norm": 0.05}}


def recipe_of(**changes: Any) -> hasten.training.recipe.Recipe:
    return baseline_of(mlp_task(**changes), facts())


def trained(run: Session) -> Session:
    list(train(run))
    return run


def same(one: Session, other: Session) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters, other.parameters, strict=True))


def test_the_baseline_of_a_task_that_uses_nothing_is_the_plain_one() -> None:
    task = mlp_task()
    assert baseline_of(task, facts()) == baseline(task)
    assert notes_on_uses(baseline(task), facts()) == ()


def test_what_is_used_is_applied_and_changes_the_training() -> None:
    used, plain = build(recipe_of(uses=CLIPPING)), build(baseline(mlp_task()))
    assert len(used.gradient) == 1
    assert not same(trained(used), trained(plain))


def test_the_average_of_the_weights_has_the_bits_of_torchs_averaged_model() -> None:
    uses = {"ema": {"decay": 0.9, "correction": False}, **CLIPPING, "delayed_update": {"batches": 3}}
    task = replace(clipping_average_and_accumulation().task(), uses=uses | {"clip_norm": {"max_norm": CLIPPED}})
    run = trained(build(baseline_of(task, facts())))
    torch.manual_seed(0)
    net = used_model()
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    accumulated(
        net,
        adam(net),
        lambda: nn.utils.clip_grad_norm_(net.parameters(), CLIPPED),
        lambda: average.update_parameters(net),
    )
    with final_weights(run):
        for mine, theirs in zip(run.model.parameters(), average.module.parameters(), strict=True):
            assert torch.equal(mine, theirs)


def first_output(scores: Tensor, y: Tensor) -> Tensor:
    return scores[:, 0].sub(y).square().mean()


LOSSES = {
    "cross_entropy": ("cross_entropy", F.cross_entropy),
    "own": (lambda scores, y: F.cross_entropy(scores, y), F.cross_entropy),
    "smoothed": (nn.CrossEntropyLoss(label_smoothing=0.1), nn.CrossEntropyLoss(label_smoothing=0.1)),
    "mse": (
        lambda scores, y: scores[:, 0].sub(y).square().mean(),
        lambda scores, y: scores[:, 0].sub(y).square().mean(),
    ),
}


@pytest.mark.parametrize("batches", [2, 3, 6])
@pytest.mark.parametrize("loss", LOSSES)
def test_accumulation_has_the_bits_of_a_loop_that_divides_each_mean(loss: str, batches: int) -> None:
    given, by_hand = LOSSES[loss]
    task = clipping_average_and_accumulation().task()
    task = replace(task, loss=given, uses={"delayed_update": {"batches": batches}}, stop=Stop(steps=4))
    run = trained(build(baseline_of(task, facts())))
    torch.manual_seed(0)
    net = used_model()
    updates, seen = adam(net), 0
    while seen < 4 * batches:
        for x, y in used_loader():
            (by_hand(net(x), y) / batches).backward()
            seen += 1
            if seen % batches == 0:
                updates.step()
                updates.zero_grad()
            if seen == 4 * batches:
                break
    assert all(torch.equal(a, b) for a, b in zip(run.model.parameters(), net.parameters(), strict=True))


def test_a_plan_goes_into_the_order_of_the_stages() -> None:
    recipe = recipe_of(uses=CLIPPING)
    planned = apply_all([make("nonfinite_guard")], recipe, facts())
    names = [type(one).__name__ for one in planned.gradient]
    assert names == ["Guard", "Stateless"], "the guard comes before the clipping"
    assert [type(one).__name__ for one in apply_all([], recipe, facts()).gradient] == ["Stateless"]


def test_what_is_used_is_refused_in_a_plan_and_so_is_what_conflicts() -> None:
    recipe = recipe_of(uses={"ema": {}})
    assert why_refused(make("ema"), recipe, facts()) == "the training uses it already (Task.uses)"
    assert "the training uses one of them (Task.uses)" in (why_refused(make("swa"), recipe, facts()) or "")
    plan = Plan(task="tiny", choices=(Choice(technique="ema"),))
    with pytest.raises(Refused, match=r"ema cannot be used on 'tiny': the training uses it already.*out of the plan"):
        apply_plan(plan, recipe, facts())


def test_tuning_does_not_try_it_again() -> None:
    recipe = recipe_of(uses={"batched_gather": {}, **CLIPPING})
    trials = tune(recipe, facts(), budget_s=0.05, only=["batched_gather", "clip_norm", "clip_value"])
    verdicts = {one.technique: (one.verdict, one.reason) for one in trials if isinstance(one, Trial)}
    for name in ("batched_gather", "clip_norm"):
        assert verdicts[name] == (Verdict.NOT_APPLICABLE, "the training uses it already (Task.uses)")
    assert verdicts["clip_value"][0] is Verdict.NOT_ALLOWED


def test_a_shorter_stop_reaches_the_recipe_without_the_techniques() -> None:
    shorter = recipe_of(uses=CLIPPING).with_stop(epochs=None, steps=2)
    planned = apply_all([make("centralize")], shorter, facts())
    assert planned.subject.planned_steps == 2
    assert trained(build(planned)).position.step == 2


# what cannot be used


@pytest.mark.parametrize(
    ("uses", "message"),
    [
        ({"clip_nrom": {}}, r"Task.uses: .*clip_norm"),
        ({"clip_norm": {"max": 1.0}}, r"Task.uses: .*max_norm"),
        ({"clip_norm": {"max_norm": -1.0}}, r"Task.uses: .*must be in range"),
        ({"ema": {}, "swa": {}}, r"Task.uses: .*cannot be combined with .*Leave one of them out"),
        ({"batch_size": {}}, "batch_size changes when the training ends"),
        ({"one_cycle": {}}, "one_cycle changes when the training ends"),
    ],
)
def test_bad_uses_are_one_message(uses: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        recipe_of(uses=uses)


@pytest.mark.parametrize("uses", ["bf16", ["bf16"], {"bf16": None}, {"bf16": True}])
def test_uses_of_another_form_are_one_message(uses: Any) -> None:
    with pytest.raises(BadInput, match="Task.uses must be technique -> knobs"):
        mlp_task(uses=uses)


def test_a_technique_that_cannot_be_applied_says_why() -> None:
    update = Update(optimizer=lambda model: optim.Adam(model.parameters()))
    with pytest.raises(BadInput, match=r"fused_optimizer cannot be applied: the optimizer is built by .*Task.uses"):
        recipe_of(update=update, uses={"fused_optimizer": {}})


def test_a_technique_that_a_step_fails_with_is_named() -> None:
    def halves(scores: Tensor, y: Tensor) -> Tensor:
        if scores.dtype != torch.float32:
            raise TypeError("scores must be float32")
        return F.cross_entropy(scores, y)

    with pytest.raises(Refused, match=r"bf16 .*scores must be float32.*Leave it out of Task.uses"):
        recipe_of(loss=halves, uses={"bf16": {}})


def test_clipping_beside_a_step_of_ones_own_is_refused() -> None:
    def step(session: Session, batch: Any) -> Tensor:
        raise AssertionError

    with pytest.raises(BadInput, match=r"Task.uses: clip_norm: the task's own step \(Task.step\) updates"):
        recipe_of(step=step, uses=CLIPPING)


def test_a_recipe_that_lacks_what_is_used_is_not_built() -> None:
    with pytest.raises(ValueError, match="'tiny' uses clip_norm: make its recipe with techniques.baseline"):
        build(baseline(mlp_task(uses=CLIPPING)))


# what is said


def test_screen_and_records_say_what_is_used() -> None:
    shown: list[object] = []
    recipe = recipe_of(uses=CLIPPING)
    assert task_facts(recipe).uses == ("clip_norm(max_norm=0.05)",)
    assert "uses clip_norm(max_norm=0.05)" in training_line(task_facts(recipe))
    run_training(recipe, Plan(task="tiny"), show=shown.append)
    (started,) = (one for one in shown if isinstance(one, Started))
    assert started.uses == ("clip_norm(max_norm=0.05)",)
    assert started.plan == ()


def test_a_technique_that_hasten_would_refuse_is_used_and_told() -> None:
    recipe = recipe_of(uses={"swa": {}}, stop=Stop(seconds=1.0, epochs=1))
    assert any("part of the baseline" in note for note in notes_on_uses(recipe, facts()))
    told = notes_on_uses(recipe_of(uses={"bf16": {}}), structs.replace(facts(), isa=("avx2",)))
    assert "the training uses bf16 (Task.uses), which may not help here: this CPU" in told[1]


def test_the_verbs_train_with_it() -> None:
    task, notes = mlp_task(uses=CLIPPING), list[str]()
    check(task)

    def show(record: object) -> None:
        if isinstance(record, Note):
            notes.append(record.text)

    made = hasten.train(task, runs=None, show=show).model
    expected = trained(build(recipe_of(uses=CLIPPING))).model
    for mine, theirs in zip(made.parameters(), expected.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert notes == ["the training uses clip_norm(max_norm=0.05) (Task.uses): part of the baseline."]


def test_an_ejected_script_has_it() -> None:
    task: Task = regression_task(uses={"clip_norm": {"max_norm": 0.5}})
    text = eject(task, Plan(task=task.name), facts()).text
    assert "nn.utils.clip_grad_norm_(model.parameters(), 0.5)" in text
    assert f"clip_norm(max_norm=0.5) ({Guarantee.TRAJECTORY.value})" in text
    assert re.search(r"Used\s+(# )?today", text)
    assert "--plan" not in text
