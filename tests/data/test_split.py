import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.base.errors import BadInput
from hasten.data.split import held_out, held_out_by_class

SHARES = st.sampled_from([0.01, 0.1, 0.2, 0.25, 0.5, 0.9])


def assert_partition(train, valid, total):
    assert all(len(part) and (np.diff(part) > 0).all() for part in (train, valid))
    assert sorted([*train, *valid]) == list(range(total))


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 300), SHARES, st.integers(0, 2**40))
def test_every_sample_is_in_one_part_of_the_right_size(total, share, seed):
    train, valid = held_out(total, share, seed=seed)
    assert_partition(train, valid, total)
    assert abs(len(valid) - share * total) <= 0.5 or len(valid) == 1 or len(train) == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4)), SHARES, st.integers(0, 9))
def test_every_class_is_divided_in_the_same_way(extra, share, seed):
    labels = np.array([*extra, *[0, 1, 2, 3, 4] * 2])
    train, valid = held_out_by_class(labels, share, seed=seed)
    assert_partition(train, valid, len(labels))
    for name in range(5):
        members, held = (labels == name).sum(), (labels[valid] == name).sum()
        assert 1 <= held < members
        assert abs(held - share * members) <= 0.5 or held in (1, members - 1)


def test_the_seed_alone_decides():
    first, again, other = (held_out(1000, 0.5, seed=seed)[0] for seed in (1, 1, 2))
    assert (first == again).all()
    assert not (first == other).all()
    assert first[:6].tolist() == EXPECTED


EXPECTED = [0, 2, 7, 8, 12, 13]
"""Pinned: a split must not change with a version of numpy, scikit-learn or hasten."""


@pytest.mark.parametrize("share", [0, 1, -0.2, 1.5])
def test_the_share_must_be_between_0_and_1(share):
    with pytest.raises(BadInput, match="between 0 and 1; found"):
        held_out(10, share, seed=0)


def test_too_few_samples_are_reported():
    with pytest.raises(BadInput, match="at least 2 samples in the data set; found 1"):
        held_out(1, 0.5, seed=0)
    with pytest.raises(BadInput, match="at least 2 samples in class cat; found 1"):
        held_out_by_class(np.array(["dog", "cat", "dog"]), 0.5, seed=0)
