"""Augmentation and channels-last delivery as techniques: what they add, on what, and what they refuse."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from hasten import Data, Stop, Task
from hasten.base.records.trial import Verdict
from hasten.base.stages import Stage
from hasten.data.augmentation.draws import Draws
from hasten.data.augmentation.images import ChannelsFirst, Flip, PadCrop
from hasten.data.augmentation.per_sample import change_one
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.forward.channels_last import batch_to_channels_last
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.tuning.context import Hints
from hasten.tuning.tune import tune

from tiny_tasks import block_task, cnn_task, mlp_task


def stored(images: torch.Tensor) -> Task:
    labels = torch.arange(len(images)) % 3
    data = Data(train=TensorDataset(images, labels), valid=TensorDataset(images[:6], labels[:6]))
    return mlp_task(
        data=data,
        model=lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(3)),
        batch_transforms=(lambda batch: (batch[0].float() / 255, *batch[1:]),),
    )


def colors() -> Task:
    return stored(torch.randint(0, 256, (24, 16, 17, 3), dtype=torch.uint8))


def pictures() -> Task:
    images = torch.randn(24, 3, 16, 17)
    task = stored(torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
    labels = torch.arange(24) % 3
    return replace(
        task, data=Data(train=TensorDataset(images, labels), valid=TensorDataset(images, labels)), batch_transforms=()
    )


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("shift_flip", colors()),
        ("shift_flip", pictures()),
        ("shift", pictures()),
        ("erase", pictures()),
        ("trivial", colors()),
        ("mixup", pictures()),
        ("mixup", mlp_task()),
        ("noise", mlp_task()),
    ],
)
def test_every_kind_trains_and_leaves_validation_alone(kind: str, task: Task) -> None:
    recipe = baseline(task)
    one = make("augmentation", {"kind": kind})
    assert one.refuse(recipe, facts()) is None
    plain, changed = build(recipe), build(one.apply(recipe))
    (_, before), (_, after) = next(plain.batches()), next(changed.batches())
    assert not torch.equal(before[0], after[0])
    for ours, theirs in zip(changed.validation_batches(), plain.validation_batches(), strict=True):
        assert torch.equal(ours[0], theirs[0])
    assert list(train(changed))


def test_images_are_shifted_and_mirrored_as_the_slow_twin_does() -> None:
    task = pictures()
    run = build(make("augmentation").apply(baseline(task)))
    ids, batch = next(run.batches())
    for place, sample in enumerate(ids.tolist()):
        draws = Draws(0, 0, ids[place : place + 1])
        values = task.data.train[sample][0].numpy()
        for number, change in enumerate((ChannelsFirst(PadCrop(2)), ChannelsFirst(Flip()))):
            values = change_one(change, values, draws.within(number))
        assert torch.equal(batch[0][place], torch.from_numpy(values.copy()))


@pytest.mark.parametrize(
    ("kind", "task", "reason"),
    [
        ("shift_flip", replace(colors(), augment=(Flip(),)), "augments its samples already"),
        ("shift_flip", mlp_task(), r"for images of at least 4 x 4; the samples have the shape (5,)"),
        ("trivial", pictures(), "color images of uint8"),
        ("noise", pictures(), "noise is for tables"),
        ("mixup", colors(), "the samples are uint8"),
        ("mixup", replace(mlp_task(), batch_size=None), "a full batch is built only once"),
    ],
)
def test_refusals_name_a_fact(kind: str, task: Task, reason: str) -> None:
    assert reason in (make("augmentation", {"kind": kind}).refuse(baseline(task), facts()) or "")


def test_images_are_delivered_with_their_channels_innermost_and_the_same_values() -> None:
    recipe, one = baseline(cnn_task()), make("channels_last_delivery")
    assert one.refuse(recipe, facts()) is None
    changed = one.apply(recipe)
    (_, plain), (_, batch) = next(build(recipe).batches()), next(build(changed).batches())
    assert torch.equal(plain[0], batch[0])
    assert batch[0].is_contiguous(memory_format=torch.channels_last)
    assert not plain[0].is_contiguous(memory_format=torch.channels_last)
    assert next(iter(build(changed).model.parameters())).is_contiguous()
    assert "in that layout already" in (one.refuse(changed, facts()) or "")
    assert "no 2-dimensional convolution" in (one.refuse(baseline(block_task()), facts()) or "")


def test_images_of_one_channel_are_laid_out_by_their_strides_too() -> None:
    images = torch.randn(12, 1, 8, 7)
    (laid_out, _) = batch_to_channels_last((images, torch.zeros(12)))
    assert torch.equal(laid_out, images)
    assert laid_out.stride() == (56, 1, 7, 1)
    assert batch_to_channels_last((laid_out,))[0] is laid_out
    convolved = nn.Conv2d(1, 4, 3)(laid_out)
    assert convolved.stride(1) == 1  # which torch's kernels take from the strides of their input
    data = TensorDataset(images, torch.arange(12) % 3)
    task = mlp_task(data=Data(train=data, valid=data), model=lambda: nn.Sequential(nn.Conv2d(1, 3, 7), nn.Flatten()))
    one = make("channels_last_delivery")
    assert "where `channels_last` gains as much" in (one.refuse(baseline(task), facts()) or "")


def test_delivery_is_tried_where_the_input_costs_nothing_for_it_saves_in_the_forward_pass() -> None:
    recipe, name = baseline(cnn_task(stop=Stop(steps=4000))), "channels_last_delivery"
    in_forward = Hints(stage_s={Stage.INPUT: 1e-9, Stage.FORWARD: 5e-7}, step_s=1e-6)  # no real step is shorter
    *_, tuning = tune(recipe, facts(), budget_s=0.1, only=[name], hints=in_forward)
    assert tuning.trials[0].verdict is not Verdict.NOT_APPLICABLE
    in_input = Hints(stage_s={Stage.INPUT: 5e-7, Stage.FORWARD: 1e-9}, step_s=1e-6)
    *_, tuning = tune(recipe, facts(), budget_s=10.0, only=[name], hints=in_input)  # it needs none of it
    assert tuning.trials[0].reason == "forward takes 0.1 % of a step: at most 1.00x could be gained"
