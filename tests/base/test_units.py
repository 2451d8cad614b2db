"""What a person reads is the number: with three digits, in the largest unit that it fills."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten.base import units

TIMES = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
PREFIXES = {"B": 1e0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}
BINARY = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
WRITERS = [(units.seconds, TIMES), (lambda value: units.count(value, "B"), PREFIXES), (units.nbytes, BINARY)]


@pytest.mark.parametrize(("write", "sizes"), WRITERS, ids=["seconds", "count", "nbytes"])
@given(exponent=st.floats(-8.9, 17.0), sign=st.sampled_from([1, -1]))
def test_a_number_is_written_in_the_largest_unit_that_it_fills(write, sizes, exponent, sign):
    value = sign * 10**exponent
    if abs(value) < min(sizes.values()):
        return
    number, unit = write(value).split()
    assert abs(value) >= sizes[unit]
    assert all(abs(value) < size or size <= sizes[unit] for size in sizes.values())
    least = 1.0 if write is units.nbytes and unit == "B" else 0.005 * abs(value)
    assert abs(float(number) * sizes[unit] - value) <= least


@pytest.mark.parametrize(("write", "sizes"), WRITERS, ids=["seconds", "count", "nbytes"])
def test_a_unit_begins_at_its_size(write, sizes):
    for (small, _), (unit, size) in pairwise(sizes.items()):
        assert write(size).split()[1] == unit
        assert float(write(size).split()[0]) == 1
        assert write(size * (1 - 1e-9)).split()[1] == small


@given(st.floats(-12, 12), st.sampled_from([1, -1]))
def test_three_digits_and_an_exponent_only_below_a_ten_thousandth_or_above_ten_millions(exponent, sign):
    value = sign * 10**exponent
    text = units.digits3(value)
    assert float(text) == pytest.approx(value, rel=0.00501)
    assert ("e" in text) == (not 1e-4 <= abs(value) < 1e7)
    if 1e-4 <= abs(value) < 999:
        assert len(text.lstrip("-").replace(".", "").lstrip("0")) in (3, 4)  # 4 where it is rounded up to a power of 10


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1e-4, "0.000100"), (9e-5, "9.00e-05"), (12.34, "12.3"), (2.347e16, "2.35e+16"), (math.inf, "inf")],
)
def test_digits_of_numbers_at_the_edges(value, text):
    assert units.digits3(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.1, "10 %"), (0.0994, "9.9 %"), (-0.25, "-25 %"), (0.0, "0.0 %"), (1.0, "100 %")]
)
def test_percentages_have_a_decimal_below_ten(share, text):
    assert units.percent(share) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (3000, "3,000 rows"), (-1, "-1 rows")]
)
def test_nouns_agree_with_their_number(number, text):
    assert units.plural(number, "row") == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (12, "12"), (999, "999"), (0.5, "0.500"), (1000, "1.00 k"), (-7, "-7")]
)
def test_counts_below_a_thousand_are_whole_where_the_number_is(value, text):
    assert units.count(value) == text


@pytest.mark.parametrize(("text", "seconds"), [("1ms", 1e-3), ("1s", 1), ("1m", 60), ("1min", 60), ("1h", 3600)])
def test_each_unit_of_a_duration(text, seconds):
    assert units.parse_duration(text) == seconds


@given(
    target=st.floats(1e-3, 1e6) | st.floats(-1e6, -1e-3),
    gap=st.floats(1e-5, 10),
    higher=st.booleans(),
    sign=st.booleans(),
)
def test_a_metric_is_as_good_as_its_target_within_rounding_or_beyond(target, gap, higher, sign):
    better = 1 if higher else -1
    assert units.as_good_as(target + better * gap * abs(target), target, higher_is_better=higher)
    assert not units.as_good_as(target - better * gap * abs(target), target, higher_is_better=higher)
    rounded = target * (1 + (5e-7 if sign else -5e-7))
    assert units.as_good_as(rounded, target, higher_is_better=higher)
    assert not units.as_good_as(math.nan, target, higher_is_better=higher)
