"""Transforms of other libraries become functions of (seed, epoch, sample), and leave the generators alone."""

import importlib
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.base.seeds import random_state
from hasten.data.augmentation.adapters import ChannelsLast, Kornia, Torchvision
from hasten.data.augmentation.draws import Augment, Draws
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.training.recipe import baseline

from tiny_tasks import cnn_task


def shaken(image: Tensor) -> Tensor:
    """Draw from every generator that transforms draw from."""
    return image + torch.rand(1) + random.random() + np.random.rand()


def assert_a_pure_function_of_the_sample(change: Augment, images: Tensor) -> Tensor:
    ids = torch.tensor([4, 9, 2, 7])
    state, before = random_state(), images.clone()
    whole, same = change((images, ids), Draws(3, 1, ids))
    assert same is ids
    assert torch.equal(images, before)
    assert str(random_state()) == str(state)
    torch.rand(3)
    for part in (slice(0, 1), slice(1, 4)):
        assert torch.equal(change((images[part], ids[part]), Draws(3, 1, ids[part]))[0], whole[part])
    assert not torch.equal(change((images, ids), Draws(3, 2, ids))[0], whole)
    assert whole.dtype == images.dtype
    return whole


def test_any_transform_of_one_image() -> None:
    images = torch.randn(4, 3, 6, 5).double()
    out = assert_a_pure_function_of_the_sample(Torchvision(shaken), images)
    amounts = (out - images).flatten(1)
    assert (amounts - amounts[:, :1]).abs().max() < 1e-6
    assert len(amounts[:, 0].unique()) == 4
    last = ChannelsLast(Torchvision(shaken))
    assert torch.equal(last((images.permute(0, 2, 3, 1), images), Draws(3, 1, torch.tensor([4, 9, 2, 7])))[0],
                       out.permute(0, 2, 3, 1))  # fmt: skip


def test_what_is_no_image_is_told() -> None:
    with pytest.raises(BadInput, match="the transform function must return tensors of one shape; found str"):
        Torchvision(lambda image: "text")((torch.zeros(2, 1, 2, 2),), Draws(0, 0, torch.arange(2)))
    with pytest.raises(BadInput, match=r"found a tensor of \(1, 2, 1\)"):
        Torchvision(lambda image: image[..., : int(image.sum()) + 2])(
            (torch.tensor([0.0, -1.0]).view(2, 1, 1, 1).expand(2, 1, 2, 1).repeat(1, 1, 1, 2) / 4,),
            Draws(0, 0, torch.arange(2)),
        )


@pytest.mark.parametrize("change", [Torchvision(shaken), ChannelsLast(Kornia(shaken))])
def test_batches_with_such_transforms_are_not_made_ahead(change: Any) -> None:
    recipe = baseline(cnn_task(augment=(change,)))
    assert "global random generators" in (make("prefetch").refuse(recipe, facts()) or "")


def test_torchvision_transforms() -> None:
    try:
        v2 = importlib.import_module("torchvision.transforms.v2")
    except (ImportError, RuntimeError, OSError) as error:  # one built for another torch fails with any of these
        pytest.skip(f"torchvision cannot be imported: {error}")
    both = v2.Compose([v2.RandomCrop(6, padding=2), v2.RandomRotation(30), v2.ColorJitter(0.4, 0.4)])
    assert_a_pure_function_of_the_sample(Torchvision(both), torch.randint(0, 256, (4, 3, 9, 9), dtype=torch.uint8))


@pytest.mark.filterwarnings("ignore")
def test_kornia_augmentations() -> None:
    augmentation = pytest.importorskip("kornia.augmentation", reason="kornia is not installed")
    one = augmentation.RandomAffine(30.0, p=1.0)
    several = augmentation.AugmentationSequential(one, augmentation.ColorJiggle(0.3, 0.3, p=1.0))
    for transform in (one, several):
        assert_a_pure_function_of_the_sample(Kornia(transform), torch.rand(4, 3, 8, 8))
        assert_a_pure_function_of_the_sample(Kornia(transform), torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8))
