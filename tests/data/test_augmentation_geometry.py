"""Turning, slanting, sharpening and levels against their meaning, and against Pillow where it has the same."""

import numpy as np
import pytest
import torch

from hasten.data.augmentation.draws import Draws
from hasten.data.augmentation.geometry import slant_down_matrix, slant_right_matrix, turn_matrix, warp
from hasten.data.augmentation.levels import equalize, sharpen, stretch
from hasten.data.augmentation.per_sample import change_one
from hasten.data.augmentation.trivial import CHANGES, LEVELS, TrivialAugment


def pictures(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8)


def test_quarter_turns_are_those_of_torch_and_no_turn_is_none() -> None:
    images = pictures(3, 7, 7, 2)
    for quarters in range(4):
        turned = warp(images, [turn_matrix(90.0 * quarters)] * 3)
        assert torch.equal(turned, torch.rot90(images, -quarters, (1, 2)))
    assert torch.equal(warp(images.float(), [slant_right_matrix(0.0)] * 3), images.float())


def test_slants_move_rows_and_columns_by_their_distance_from_the_center() -> None:
    images = pictures(1, 5, 9, 3)
    slanted = warp(images, [slant_right_matrix(1.0)])[0]
    for row in range(5):
        assert torch.equal(slanted[row], torch.from_numpy(shifted(images[0, row].numpy(), row - 2)))
    down = warp(images, [slant_down_matrix(1.0)])[0]
    for column in range(9):
        assert torch.equal(down[:, column], torch.from_numpy(shifted(images[0, :, column].numpy(), column - 4)))


def shifted(line: np.ndarray, places: int) -> np.ndarray:
    out = np.zeros_like(line)
    for place in range(len(line)):
        if 0 <= place - places < len(line):
            out[place] = line[place - places]
    return out


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (8, 7), (30, 31)])
def test_levels_are_those_of_pillow(shape: tuple[int, int]) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    operations, enhance = pytest.importorskip("PIL.ImageOps"), pytest.importorskip("PIL.ImageEnhance")
    images = pictures(4, *shape, 3) // 2 + 30
    for image, even, wide, sharp in zip(
        images, equalize(images), stretch(images), sharpen(images, torch.full((4,), 1.7)), strict=True
    ):
        theirs = pillow.fromarray(image.numpy())
        assert np.array_equal(even.numpy(), np.asarray(operations.equalize(theirs)))
        assert np.abs(wide.numpy().astype(int) - np.asarray(operations.autocontrast(theirs))).max() <= 1
        assert np.abs(sharp.numpy().astype(int) - np.asarray(enhance.Sharpness(theirs).enhance(1.7))).max() <= 1


@pytest.mark.parametrize("which", range(len(CHANGES)))
def test_every_change_of_trivial_augment_equals_the_slow_twin(which: int) -> None:
    ids = torch.arange(4000)
    numbers = Draws(1, 0, ids)
    change, level = numbers.integers("change", len(CHANGES)), numbers.integers("level", LEVELS)
    chosen = ids[(change == which) & (level > LEVELS // 4)][:4]
    assert len(chosen) == 4
    images, draws = pictures(4, 18, 17, 3), Draws(1, 0, chosen)
    fast = TrivialAugment()((images, chosen), draws)[0]
    for place in range(4):
        slow = change_one(TrivialAugment(), images[place].numpy(), draws.of(place))
        assert np.array_equal(fast[place].numpy(), slow)
    assert torch.equal(fast, images) == (which == 0)
