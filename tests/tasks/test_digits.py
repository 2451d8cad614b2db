import dataclasses

import pytest
import torch

from hasten.base.records.run import StopReason
from hasten.tasks.digits import task
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.task import Stop


def test_every_class_has_its_share_in_both_parts_and_no_image_is_in_both() -> None:
    data = task().data
    (x, y), (valid_x, valid_y) = data.train.tensors, data.valid.tensors
    assert len(x) + len(valid_x) == 1797
    share = torch.bincount(valid_y) / (torch.bincount(y) + torch.bincount(valid_y))
    assert ((share - 0.25).abs() < 0.01).all()
    # scikit-learn's images are all distinct
    assert len(torch.cat([x, valid_x]).flatten(1).unique(dim=0)) == 1797


def test_pixels_are_standardized_by_the_training_images_alone() -> None:
    x = task().data.train.tensors[0]
    assert x.shape[1:] == (1, 8, 8)
    torch.testing.assert_close(torch.stack([x.mean(), x.std()]), torch.tensor([0.0, 1.0]), rtol=0, atol=1e-5)


def test_ten_steps_lower_the_loss() -> None:
    short = dataclasses.replace(task(lr=1e-3), stop=Stop(steps=10))
    losses = [loss for event in train(build(baseline(short))) for loss in getattr(event, "losses", ())]
    assert len(losses) == 10
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_plain_training_reaches_the_target_with_every_seed(seed: int) -> None:
    *_, last = train(build(baseline(task()), seed=seed))
    assert last.reason is StopReason.TARGET
