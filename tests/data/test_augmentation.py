"""Every change gives what its slow per-sample twin gives, bit for bit, and is a function of seed, epoch and id."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.data.augmentation.color import Brightness, Contrast, Gray, Hue, Saturation
from hasten.data.augmentation.draws import Augment, Draws, augmented
from hasten.data.augmentation.images import ChannelsFirst, Erase, Flip, PadCrop, RandomResizedCrop, random_boxes
from hasten.data.augmentation.mixing import CutMix, MixUp
from hasten.data.augmentation.normalize import Normalize, channel_statistics
from hasten.data.augmentation.per_sample import change_one, mix_one
from hasten.data.augmentation.rows import AddNoise, DropTokens, MaskFeatures, MaskTokens
from hasten.data.augmentation.trivial import TrivialAugment

ANY_CHANNELS = [Flip(), PadCrop(3), Erase(0.7, value=9), RandomResizedCrop(6, scale=(0.2, 1.0))]
COLORS = [Brightness(), Contrast(0.9), Saturation(0.9), Hue(0.5), Gray(0.5), TrivialAugment()]
SHAPES = [(1, 1), (7, 5), (8, 8), (3, 17)]


def draws_of(count: int, seed: int = 3) -> Draws:
    return Draws(seed, 2, torch.randperm(1000, generator=torch.Generator().manual_seed(1))[:count])


def pictures(count: int, height: int, width: int, channels: int) -> Tensor:
    return torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8)


def assert_like_the_slow_twin(change: Augment, values: Tensor, seed: int = 3) -> None:
    target, before, draws = torch.arange(len(values)), values.clone(), draws_of(len(values), seed)
    fast, same = change((values, target), draws)
    assert same is target
    assert torch.equal(values, before)
    for place in range(len(values)):
        slow = torch.from_numpy(np.array(change_one(change, values[place].numpy(), draws.of(place))))
        assert torch.equal(fast[place], slow), (change, place)
        assert fast.dtype == slow.dtype


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("change", [*ANY_CHANNELS, *COLORS], ids=lambda change: type(change).__name__)
def test_images_equal_the_slow_twin(change: Augment, shape: tuple[int, int]) -> None:
    for seed in range(3):
        assert_like_the_slow_twin(change, pictures(13, *shape, 3), seed)


@pytest.mark.parametrize("change", ANY_CHANNELS[:3], ids=lambda change: type(change).__name__)
def test_floats_other_channels_and_channels_first_too(change: Augment) -> None:
    assert_like_the_slow_twin(change, torch.randn(9, 5, 6, 1))
    assert_like_the_slow_twin(change, torch.randn(9, 5, 6, 4).double())
    assert_like_the_slow_twin(ChannelsFirst(change), torch.randn(9, 2, 5, 6))
    assert_like_the_slow_twin(change, pictures(1, 5, 6, 3))


@pytest.mark.parametrize("change", [MaskTokens(7, 0.3), DropTokens(0, 0.3)])
def test_tokens_equal_the_slow_twin(change: Augment) -> None:
    assert_like_the_slow_twin(change, torch.randint(1, 50, (11, 9)))


@pytest.mark.parametrize("change", [AddNoise(0.5), MaskFeatures(0.3, value=-1.0)])
def test_rows_equal_the_slow_twin(change: Augment) -> None:
    assert_like_the_slow_twin(change, torch.randn(11, 9))


MIXED = [(MixUp(4), 3), (MixUp(4, alpha=1), 3), (CutMix(4), 3), (CutMix(4, alpha=0.5), 1)]


@pytest.mark.parametrize(("change", "channels"), MIXED)
@pytest.mark.parametrize("floating", [False, True])
def test_mixed_samples_and_targets_equal_the_slow_twin(change: Any, channels: int, floating: bool) -> None:
    images = pictures(9, 7, 6, channels)
    values, target = images.float() / 3 if floating else images, torch.arange(9) % 4
    draws = draws_of(9)
    fast, targets = change((values, target), draws)
    torch.testing.assert_close(targets.sum(1), torch.ones(9))
    for place in range(9):
        own, partner = ((values[at].numpy(), target[at].numpy()) for at in (place, place - 1))
        slow, slow_target = mix_one(change, own, partner, draws.of(place))
        assert np.array_equal(fast[place].numpy(), slow)
        assert np.array_equal(targets[place].numpy(), slow_target)


def test_mixing_rows_of_a_table_mixes_their_numeric_targets() -> None:
    rows, target = torch.randn(5, 3), torch.randn(5, 1)
    mixed, targets = MixUp(alpha=1)((rows, target), draws_of(5))
    share = draws_of(5).uniform("share").float()
    torch.testing.assert_close(mixed, rows * share + rows.roll(1, 0) * (1 - share))
    torch.testing.assert_close(targets, target * share + target.roll(1, 0) * (1 - share))
    with pytest.raises(BadInput, match="Give `classes`"):
        MixUp()((rows, torch.arange(5)), draws_of(5))


@settings(max_examples=30, deadline=None)
@given(
    ids=st.lists(st.integers(0, 2**40), min_size=1, max_size=40, unique=True),
    cut=st.integers(0, 40),
    epoch=st.integers(0, 9),
)
def test_numbers_do_not_depend_on_the_batch(ids: list[int], cut: int, epoch: int) -> None:
    whole = Draws(5, epoch, torch.tensor(ids)).uniform("x", 3)
    parts = [Draws(5, epoch, torch.tensor(part, dtype=torch.int64)).uniform("x", 3) for part in (ids[:cut], ids[cut:])]
    assert torch.equal(whole, torch.cat(parts))
    assert ((whole >= 0) & (whole < 1)).all()


def test_numbers_are_even_and_unrelated() -> None:
    draws = Draws(0, 0, torch.arange(20_000))
    columns = [draws.uniform("a", 2), Draws(0, 1, draws.ids).uniform("a"), Draws(1, 0, draws.ids).uniform("a")]
    columns += [draws.uniform("b"), draws.within(0).uniform("a"), draws.within(1).uniform("a")]
    numbers = torch.cat(columns, dim=1).T
    assert ((numbers.mean(1) - 0.5).abs() < 0.01).all()
    assert ((numbers.std(1) - 12**-0.5).abs() < 0.01).all()
    related = torch.corrcoef(torch.cat([numbers, numbers[:1].roll(1, 1)]))
    assert (related - torch.eye(len(related))).abs().max() < 0.04
    normal = draws.normal("n", 5)
    assert abs(float(normal.mean())) < 0.01
    assert abs(float(normal.std()) - 1) < 0.01
    assert set(draws.integers("i", 3).tolist()) == {0, 1, 2}


def test_two_changes_of_one_kind_draw_different_numbers() -> None:
    rows, draws = torch.zeros(6, 4), draws_of(6)
    twice, _ = augmented((rows, rows), (AddNoise(1.0), AddNoise(1.0)), draws)
    once, _ = augmented((rows, rows), (AddNoise(1.0),), draws)
    assert not torch.allclose(twice, 2 * once)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 99))
def test_boxes_lie_in_the_image_and_hold_a_pixel(height: int, width: int, seed: int) -> None:
    boxes = random_boxes(draws_of(50, seed), height, width, scale=(0.05, 1.0), ratio=(0.3, 3.3))
    top, bottom, left, right = boxes.unbind(1)
    assert ((top >= 0) & (top < bottom) & (bottom <= height) & (left >= 0) & (left < right) & (right <= width)).all()


def test_normalized_images_have_mean_0_and_std_1_and_stay_in_the_order_of_pixels() -> None:
    images = pictures(50, 6, 5, 3)
    mean, std = channel_statistics(images)
    out, _ = Normalize(mean, std)((images, images))
    expected = (images.permute(0, 3, 1, 2) - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std((0, 2, 3), correction=0), torch.ones(3))
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(torch.cat([Normalize(mean, std)((one[None], one))[0] for one in images]), out)


def test_colors_of_other_numbers_are_refused() -> None:
    with pytest.raises(BadInput, match=r"uint8 images, \(batch, height, width, 3\); found float32 \(2, 3, 4, 4\)"):
        Hue()((torch.zeros(2, 3, 4, 4), torch.arange(2)), draws_of(2))
    with pytest.raises(BadInput, match="std above 0"):
        Normalize((1.0,), (0.0,))
