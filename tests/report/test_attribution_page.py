"""The page of attributions stays small, whatever it shows."""

import numpy as np
import pytest

from hasten.base.records.attribution import AttributedSample, Attribution, Group, InputKind, Method
from hasten.report.attribution_page import render_attribution

BYTES = 300_000
SAMPLES = 150  # of `--samples 50`, the most
SHAPES = {InputKind.IMAGE: (3, 64, 64), InputKind.TOKENS: (500,), InputKind.TABLE: (200,)}


@pytest.mark.parametrize("kind", list(InputKind))
def test_the_largest_page_is_below_its_limit(kind: InputKind):
    draws, shape = np.random.default_rng(0), SHAPES[kind]
    parts = int(np.prod(shape[-2:]))
    noise, attributions = draws.random(shape), draws.normal(size=parts)  # noise is what compresses least

    sample = AttributedSample(
        index=7,
        group=Group.WRONG,
        target="a class",
        predicted="another class",
        confidence=0.9,
        output=1.0,
        baseline_output=0.0,
        shape=shape,
        inputs=tuple(noise.flatten().tolist()),
        names=() if kind is InputKind.IMAGE else tuple(f"a name of part {n}" for n in range(parts)),
        attributions=tuple(attributions.tolist()),
        incompleteness=0.001,
        steps=50,
    )

    found = Attribution(
        run="runs/x",
        task="x",
        sentence="",
        method=Method.INTEGRATED_GRADIENTS,
        kind=kind,
        explained="",
        baseline="",
        looked_at=2000,
        samples=(sample,) * SAMPLES,
        randomized_layer="head",
        similarity=0.1,
    )
    page = render_attribution(found)
    assert page.count("<figure>") == SAMPLES
    assert len(page.encode()) <= BYTES
