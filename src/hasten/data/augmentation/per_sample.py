"""Reference implementations of the transforms: one sample, and one pixel, row or value, at a time.

Slow, for tests: each gives the same bits as the batched transform from the same random numbers.
"""

from functools import singledispatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from hasten.data.augmentation.color import Brightness, Contrast, Gray, Hue, Saturation
from hasten.data.augmentation.draws import Augment, Draws
from hasten.data.augmentation.geometry import slant_down_matrix, slant_right_matrix, turn_matrix
from hasten.data.augmentation.images import ChannelsFirst, Erase, Flip, PadCrop, RandomResizedCrop, random_boxes
from hasten.data.augmentation.mixing import CutMix, MixUp, beta, cut_boxes
from hasten.data.augmentation.rows import AddNoise, DropTokens, MaskFeatures, MaskTokens
from hasten.data.augmentation.trivial import CHANGES, LEVELS, TrivialAugment

Values = NDArray[Any]


@singledispatch
def change_one(change: Augment, values: Values, draws: Draws) -> Values:
    """Return the first input of one sample after a change that leaves the target alone.

    Args:
        change: one of this package.
        values: (height, width, channels), (tokens,) or (features,).
        draws: of this sample alone.
    """
    raise TypeError(f"no slow twin of {type(change).__name__}")


@change_one.register
def _(change: Flip, values: Values, draws: Draws) -> Values:
    if not bool(draws.chosen("flip", change.probability)):
        return values
    return np.stack([row[::-1] for row in values])


@change_one.register
def _(change: PadCrop, values: Values, draws: Draws) -> Values:
    down, right = (int(draws.integers(name, 2 * change.padding + 1)) - change.padding for name in ("top", "left"))
    return _moved(values, down, right)


def _moved(values: Values, down: int, right: int) -> Values:
    """Return pixel (row + down, column + right) at each place, and 0 where there is none."""
    out = np.zeros_like(values)
    height, width = values.shape[:2]
    for row in range(height):
        for column in range(width):
            if 0 <= row + down < height and 0 <= column + right < width:
                out[row, column] = values[row + down, column + right]
    return out


@change_one.register
def _(change: Erase, values: Values, draws: Draws) -> Values:
    out = values.copy()
    if bool(draws.chosen("erase", change.probability)):
        height, width = values.shape[:2]
        top, bottom, left, right = random_boxes(draws, height, width, scale=change.scale, ratio=change.ratio)[0]
        for row in range(int(top), int(bottom)):
            for column in range(int(left), int(right)):
                out[row, column] = change.value
    return out


@change_one.register
def _(change: RandomResizedCrop, values: Values, draws: Draws) -> Values:
    height, width = values.shape[:2]
    top, bottom, left, right = random_boxes(draws, height, width, scale=change.scale, ratio=change.ratio)[0]
    part = torch.from_numpy(values)[top:bottom, left:right].permute(2, 0, 1)[None]
    scaled = F.interpolate(part, (change.size, change.size), mode="bilinear", antialias=True)
    return scaled[0].permute(1, 2, 0).numpy()


@change_one.register
def _(change: ChannelsFirst, values: Values, draws: Draws) -> Values:
    return change_one(change.change, values.transpose(1, 2, 0), draws).transpose(2, 0, 1)


@change_one.register
def _(change: Brightness, values: Values, draws: Draws) -> Values:
    return _brightened(values, _factor(draws, "brightness", change.strength))


@change_one.register
def _(change: Contrast, values: Values, draws: Draws) -> Values:
    return _contrasted(values, _factor(draws, "contrast", change.strength))


@change_one.register
def _(change: Saturation, values: Values, draws: Draws) -> Values:
    return _saturated(values, _factor(draws, "saturation", change.strength))


@change_one.register
def _(change: Hue, values: Values, draws: Draws) -> Values:
    turn = np.float32(draws.between("hue", -change.strength, change.strength)[0])
    return np.stack([np.stack([_turned(pixel, turn) for pixel in row]) for row in values])


@change_one.register
def _(change: Gray, values: Values, draws: Draws) -> Values:
    if not bool(draws.chosen("gray", change.probability)):
        return values
    return np.stack([_gray(values)] * 3, axis=2)


def _factor(draws: Draws, name: str, strength: float) -> np.float32:
    return np.float32(draws.between(name, 1 - strength, 1 + strength)[0])


def _brightened(values: Values, factor: np.float32) -> Values:
    return _stored(values.astype(np.float32) * factor)


def _contrasted(values: Values, factor: np.float32) -> Values:
    mean = np.float32(round(int(_gray(values).sum(dtype=np.int64)) / (values.shape[0] * values.shape[1])))
    return _stored((values.astype(np.float32) - mean) * factor + mean)


def _saturated(values: Values, factor: np.float32) -> Values:
    gray = _gray(values)[:, :, None].astype(np.float32)
    return _stored((values.astype(np.float32) - gray) * factor + gray)


def _gray(values: Values) -> Values:
    red, green, blue = (values[:, :, place].astype(np.float32) for place in range(3))
    return _stored(red * np.float32(0.299) + green * np.float32(0.587) + blue * np.float32(0.114))


def _turned(pixel: Values, turn: np.float32) -> Values:
    """Return one pixel with its hue moved, by way of hue, saturation and value."""
    red, green, blue = pixel.astype(np.float32)
    value, chroma = max(red, green, blue), max(red, green, blue) - min(red, green, blue)
    if chroma == 0:
        hue = np.float32(0)
    elif value == red:
        hue = (green - blue) / chroma
    elif value == green:
        hue = (blue - red) / chroma + np.float32(2)
    else:
        hue = (red - green) / chroma + np.float32(4)
    hue = hue + np.float32(6) * turn
    out: list[np.float32] = []
    for shift in (5, 3, 1):
        place = np.mod(hue + np.float32(shift), np.float32(6))
        out.append(value - chroma * np.clip(np.minimum(place, np.float32(4) - place), np.float32(0), np.float32(1)))
    return _stored(np.array(out, np.float32))


def _stored(values: Values) -> Values:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


@change_one.register
def _(change: TrivialAugment, values: Values, draws: Draws) -> Values:
    strength = int(draws.integers("level", LEVELS)) / np.float32(LEVELS - 1)
    strength = strength if bool(draws.chosen("sign", 0.5)) else -strength
    factor, height, width = 1 + np.float32(0.99) * strength, *values.shape[:2]
    shift = int(np.round(strength * np.float32(min(height, width) // 2)))
    bits = int(np.round(abs(strength) * 6))
    threshold = int(np.round(np.float32(255) - np.float32(255) * abs(strength)))
    results = (
        lambda: values,
        lambda: _brightened(values, factor),
        lambda: _contrasted(values, factor),
        lambda: _saturated(values, factor),
        lambda: values // 2**bits * 2**bits,
        lambda: np.where(values >= threshold, 255 - values, values),
        lambda: _moved(values, -shift, 0),
        lambda: _moved(values, 0, -shift),
        lambda: _warped(values, *turn_matrix(135 * float(strength))),
        lambda: _warped(values, *slant_right_matrix(float(np.float64(0.99) * strength))),
        lambda: _warped(values, *slant_down_matrix(float(np.float64(0.99) * strength))),
        lambda: _sharpened(values, factor),
        lambda: _stretched(values),
        lambda: _equalized(values),
    )
    return results[int(draws.integers("change", len(CHANGES)))]()


def _warped(values: Values, across: tuple[float, float], along: tuple[float, float]) -> Values:
    out = np.zeros_like(values)
    height, width = values.shape[:2]
    for row in range(height):
        for column in range(width):
            right, down = column - (width - 1) / 2, row - (height - 1) / 2
            x = round(across[0] * right + across[1] * down + (width - 1) / 2)
            y = round(along[0] * right + along[1] * down + (height - 1) / 2)
            if 0 <= x < width and 0 <= y < height:
                out[row, column] = values[y, x]
    return out


def _sharpened(values: Values, factor: np.float32) -> Values:
    smooth = values.astype(np.float32)
    for row in range(1, values.shape[0] - 1):
        for column in range(1, values.shape[1] - 1):
            around = values[row - 1 : row + 2, column - 1 : column + 2].astype(np.int32).sum((0, 1))
            total = around + 4 * values[row, column].astype(np.int32)
            smooth[row, column] = np.round(total.astype(np.float32) / np.float32(13))
    return _stored((values.astype(np.float32) - smooth) * factor + smooth)


def _stretched(values: Values) -> Values:
    out = values.copy()
    for channel in range(values.shape[2]):
        low, high = np.float32(values[..., channel].min()), np.float32(values[..., channel].max())
        if low < high:
            scale = np.float32(255) / (high - low)
            out[..., channel] = np.round((values[..., channel].astype(np.float32) - low) * scale)
    return out


def _equalized(values: Values) -> Values:
    out = values.copy()
    for channel in range(values.shape[2]):
        counts = [int((values[..., channel] == level).sum()) for level in range(256)]
        step = (sum(counts) - counts[int(values[..., channel].max())]) // 255
        if step:
            levels = [min(255, (sum(counts[:level]) + step // 2) // step) for level in range(256)]
            out[..., channel] = np.array(levels)[values[..., channel]]
    return out


@change_one.register
def _(change: MaskTokens, values: Values, draws: Draws) -> Values:
    numbers = draws.uniform("mask", len(values))[0].tolist()
    return np.array(
        [change.mask if number < change.probability else token for token, number in zip(values, numbers, strict=True)]
    )


@change_one.register
def _(change: DropTokens, values: Values, draws: Draws) -> Values:
    numbers = draws.uniform("drop", len(values))[0].tolist()
    kept = [token for token, number in zip(values, numbers, strict=True) if not number < change.probability]
    return np.array(kept + [change.padding] * (len(values) - len(kept)))


@change_one.register
def _(change: AddNoise, values: Values, draws: Draws) -> Values:
    return values + np.float32(change.deviation) * draws.normal("noise", len(values))[0].numpy()


@change_one.register
def _(change: MaskFeatures, values: Values, draws: Draws) -> Values:
    numbers = draws.uniform("mask", len(values))[0].tolist()
    hidden = [change.value if number < change.probability else x for x, number in zip(values, numbers, strict=True)]
    return np.array(hidden, values.dtype)


def mix_one(
    change: MixUp | CutMix, own: tuple[Values, Values], partner: tuple[Values, Values], draws: Draws
) -> tuple[Values, Values]:
    """Return one sample mixed with its partner.

    Args:
        change: how.
        own: its values and its target, a class or numbers.
        partner: those of the sample before it in the batch; the last one for the first.
        draws: of this sample alone.
    """
    values = own[0].copy()
    if isinstance(change, MixUp):
        share = np.float32(beta(draws, change.alpha)[0])
        mixed = own[0].astype(np.float32) * share + partner[0].astype(np.float32) * (np.float32(1) - share)
        values = mixed if own[0].dtype == np.float32 else np.round(mixed).astype(own[0].dtype)
    else:
        height, width = values.shape[:2]
        top, bottom, left, right = cut_boxes(draws, height, width, change.alpha)[0].tolist()
        for row in range(top, bottom):
            for column in range(left, right):
                values[row, column] = partner[0][row, column]
        pasted = np.float32((bottom - top) * (right - left)) / np.float32(height * width)
        share = np.float32(1) - pasted
    targets = [np.eye(change.classes, dtype=np.float32)[t] if change.classes else t for t in (own[1], partner[1])]
    return values, targets[0] * share + targets[1] * (np.float32(1) - share)
