"""Larger batches see the same samples; sequences and images grow as told."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hasten import Stop, Update
from hasten.base.records.run import Evaluation
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.input.curriculum import shortened, shrunk, size_at
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline

from tiny_tasks import block_task, cnn_task, mlp_task


def test_a_larger_batch_makes_fewer_updates_on_the_same_samples() -> None:
    recipe = make("batch_size", {"factor": 3, "lr_power": 1.0}).apply(baseline(mlp_task(stop=Stop(steps=10))))
    assert (recipe.input.batch_size, recipe.subject.planned_steps) == (24, 4)
    assert recipe.update.lr == pytest.approx(3e-2)
    refusal = make("batch_size", {"factor": 8}).refuse(baseline(mlp_task()), facts())
    assert refusal == "8 times 8 samples are more than the 50 that there are"


@settings(max_examples=25, deadline=None)
@given(factor=st.integers(2, 6), power=st.sampled_from([None, 0.0, 0.25, 1.0]), every=st.integers(1, 9))
def test_a_larger_batch_scales_the_rate_and_is_judged_after_as_many_samples(
    factor: int, power: float | None, every: int
) -> None:
    task = mlp_task(stop=Stop(steps=30, evaluate_every=every), samples=400)
    knobs = {"factor": factor} | ({} if power is None else {"lr_power": power})
    larger = make("batch_size", knobs).apply(baseline(task))
    assert larger.update.lr == pytest.approx(1e-2 * factor ** (0.5 if power is None else power))
    assert larger.task.stop.steps == -(-30 // factor)
    assert larger.task.stop.evaluate_every == -(-every // factor)
    run = build(larger)
    judged = [event.step for event in train(run) if isinstance(event, Evaluation)]
    due = [step for step in range(1, run.position.step + 1) if step % -(-every // factor) == 0]
    assert judged == sorted({*due, run.position.step})


def test_a_larger_batch_leaves_the_rates_of_a_factory_alone() -> None:
    task = mlp_task(update=Update(optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.3)))
    recipe = make("batch_size", {"factor": 4}).apply(baseline(task))
    assert recipe.update.lr is None
    assert build(recipe).base_lrs == [0.3]


@settings(max_examples=50, deadline=None)
@given(
    full=st.integers(1, 300),
    first=st.floats(0.05, 0.95),
    until=st.floats(0.05, 1.0),
    multiple=st.sampled_from([1, 4, 8]),
)
def test_sizes_grow_to_full_in_few_levels(full: int, first: float, until: float, multiple: int) -> None:
    sizes = [size_at(step / 50, full=full, first=first, until=until, multiple=multiple) for step in range(51)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == full
    assert len(set(sizes)) <= 5
    assert all(size % multiple == 0 or size == full for size in sizes)


def test_sequences_are_cut_in_inputs_and_targets_alike() -> None:
    x, y, other = torch.arange(14).view(2, 7), torch.arange(14).view(2, 7) + 1, torch.ones(2, 3)
    short = shortened((x, other, y), 0.0, first=0.5, until=0.5)
    assert [column.shape for column in short] == [(2, 4), (2, 3), (2, 4)]
    assert torch.equal(short[0] + 1, short[2])
    assert shortened((x, y), 0.5, first=0.5, until=0.5)[0].shape == (2, 7)


def test_images_shrink_and_keep_their_mean() -> None:
    image = torch.rand(2, 3, 32, 16)
    small, target = shrunk((image, torch.arange(2)), 0.0, first=0.5, until=1.0)
    assert small.shape == (2, 3, 16, 8)
    assert torch.equal(target, torch.arange(2))
    torch.testing.assert_close(small.mean(), image.mean(), rtol=0.05, atol=0)


def test_lengths_seen_by_the_model_grow_over_the_run() -> None:
    run = build(make("progressive_length").apply(baseline(block_task())))
    lengths: list[int] = []
    run.model.register_forward_pre_hook(lambda module, args: lengths.append(args[0].shape[1]))
    list(train(run))
    assert lengths[0] == 2
    assert max(lengths) == lengths[-1] == 7


def test_refusals_name_what_is_missing() -> None:
    machine = facts()
    assert "no sequences" in make("progressive_length").refuse(baseline(mlp_task()), machine)
    assert "no images" in make("progressive_resolution").refuse(baseline(mlp_task()), machine)
    fixed = make("progressive_resolution").refuse(baseline(cnn_task()), machine)
    assert fixed is not None
    assert "does not take the smaller input" in fixed
    any_size = lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())  # noqa: E731
    assert make("progressive_resolution").refuse(baseline(cnn_task(model=any_size)), machine) is None
