import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.base.errors import BadInput
from hasten.data.split import by_fraction, by_group, stratified

FRACTIONS = st.sampled_from([(1.0,), (0.8, 0.2), (0.7, 0.2, 0.1), (1 / 3, 1 / 3, 1 / 3)])


def assert_partition(parts, total):
    assert all(len(part) for part in parts)
    assert all((np.diff(part) > 0).all() for part in parts)
    assert sorted(np.concatenate(parts)) == list(range(total))


@settings(max_examples=50, deadline=None)
@given(st.integers(3, 300), FRACTIONS, st.integers(0, 2**40))
def test_every_sample_is_in_one_part_of_the_right_size(total, fractions, seed):
    parts = by_fraction(total, fractions, seed=seed)
    assert_partition(parts, total)
    for part, fraction in zip(parts, fractions, strict=True):
        assert abs(len(part) - fraction * total) < 1 or len(part) == 1 or total < 20


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=0, max_size=100), FRACTIONS, st.integers(0, 9))
def test_every_class_is_shared_out_evenly(extra, fractions, seed):
    labels = np.array([*extra, *[0, 1, 2, 3, 4] * 3])
    parts = stratified(labels, fractions, seed=seed)
    assert_partition(parts, len(labels))
    for name in range(5):
        for part, fraction in zip(parts, fractions, strict=True):
            share = (labels[part] == name).sum()
            assert share >= 1
            assert abs(share - fraction * (labels == name).sum()) < 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=2), max_size=80), FRACTIONS, st.integers(0, 9))
def test_no_group_is_in_two_parts(extra, fractions, seed):
    groups = np.array([*extra, "one", "two", "three"])
    parts = by_group(groups, fractions, seed=seed)
    assert_partition(parts, len(groups))
    found = [set(groups[part]) for part in parts]
    assert sum(map(len, found)) == len(set(groups))


def test_equal_groups_are_shared_out_by_fraction():
    parts = by_group(np.repeat(np.arange(100), 3), (0.7, 0.2, 0.1), seed=3)
    assert [len(part) for part in parts] == [210, 60, 30]


def test_the_seed_alone_decides():
    first, again, other = (by_fraction(1000, (0.5, 0.5), seed=seed)[0] for seed in (1, 1, 2))
    assert (first == again).all()
    assert not (first == other).all()
    assert first[:6].tolist() == EXPECTED


EXPECTED = [0, 2, 3, 7, 8, 10]
"""Pinned: a split must not change with a version of numpy or of hasten."""


@pytest.mark.parametrize("fractions", [(), (0.5, 0.6), (1.2, -0.2), (1.0, 0.0)])
def test_fractions_must_sum_to_one(fractions):
    with pytest.raises(BadInput, match=r"above 0 and sum to 1"):
        by_fraction(10, fractions, seed=0)


def test_a_class_with_too_few_samples_is_named():
    with pytest.raises(BadInput, match="2 parts need at least 2 samples in class cat; found 1"):
        stratified(np.array(["dog", "cat", "dog"]), (0.5, 0.5), seed=0)


def test_too_few_groups_are_told():
    with pytest.raises(BadInput, match="2 parts need at least as many groups; found 1"):
        by_group(np.array([1, 1, 1]), (0.5, 0.5), seed=0)
