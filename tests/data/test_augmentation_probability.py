"""How often an augmentation changes a sample: by the binomial law, and by draws that were worked out by hand.

The slow twins share the draws of the batched changes, so a probability that both ignore or invert goes unseen there.
"""

from math import sqrt

import pytest
import torch

from hasten.data.augmentation.color import Gray
from hasten.data.augmentation.draws import Draws
from hasten.data.augmentation.images import Erase, Flip
from hasten.data.augmentation.rows import DropTokens, MaskFeatures, MaskTokens

SAMPLES = 2000
SIGMAS = 5  # a right implementation fails once in two million
_ids = torch.arange(SAMPLES)
_images = torch.arange(3 * 8 * 8, dtype=torch.uint8).view(1, 8, 8, 3).repeat(SAMPLES, 1, 1, 1) + 20
_tokens = torch.arange(1, 6).repeat(SAMPLES, 1)
_features = torch.arange(1.0, 6.0).repeat(SAMPLES, 1)

PER_SAMPLE = {
    "flip": (lambda p: Flip(p), _images),
    "erase": (lambda p: Erase(p, scale=(0.2, 0.3)), _images),
    "gray": (lambda p: Gray(p), _images),
}
PER_VALUE = {
    "mask_tokens": (lambda p: MaskTokens(mask=0, probability=p), _tokens),
    "drop_tokens": (lambda p: DropTokens(padding=0, probability=p), _tokens),
    "mask_features": (lambda p: MaskFeatures(p), _features),
}


def changed(make, inputs, probability, draws):
    """The number of samples that changed, or of values that became 0 where each value is drawn for itself."""
    (after, _) = make(probability)((inputs, torch.zeros(len(inputs))), draws)
    return after


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("name", PER_SAMPLE | PER_VALUE)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_frequency_is_the_probability(name, probability, seed):
    make, inputs = (PER_SAMPLE | PER_VALUE)[name]
    after = changed(make, inputs, probability, Draws(seed, 3, _ids))
    hits = (after != inputs).flatten(1).any(1) if name in PER_SAMPLE else (after == 0).flatten()
    bound = SIGMAS * sqrt(len(hits) * probability * (1 - probability))
    assert abs(int(hits.sum()) - len(hits) * probability) <= bound


class ByHand(Draws):
    """Draws that are 0.05, 0.25, 0.45, 0.65, 0.85 for the five samples, or the five values of one."""

    def uniform(self, name, count=1):
        if name in ("area", "ratio", "corner"):
            return torch.full((len(self.ids), count), 0.5, dtype=torch.float64)
        values = torch.arange(0.05, 1, 0.2, dtype=torch.float64)
        return values[:, None].expand(-1, count) if len(self.ids) == 5 else values[None, :count]


@pytest.mark.parametrize("name", PER_SAMPLE)
def test_samples_whose_draw_is_below_the_probability_change(name):
    make, inputs = PER_SAMPLE[name]
    after = changed(make, inputs[:5], 0.5, ByHand(0, 0, torch.arange(5)))
    assert (after != inputs[:5]).flatten(1).any(1).tolist() == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mask_tokens", [0, 0, 3, 4, 5]), ("drop_tokens", [3, 4, 5, 0, 0]), ("mask_features", [0, 0, 3, 4, 5])],
)
def test_values_whose_draw_is_below_the_probability_change(name, expected):
    make, inputs = PER_VALUE[name]
    assert changed(make, inputs[:1], 0.4, ByHand(0, 0, torch.arange(1)))[0].tolist() == expected
