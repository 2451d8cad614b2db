"""Errors planted just within and just beyond each documented bound of the gate of ROUNDING."""

import math

import pytest

from hasten.tuning.rounding import Errors, error_ratios


def passes(**errors: Errors) -> bool:
    return all(measured <= bound for measured, bound in error_ratios(errors).values())


def tensor(elements: int, *, size: float, baseline: float, candidate: float) -> Errors:
    """Root mean squares, as the squared sums that the gate adds up."""
    return Errors(elements, *(elements * value**2 for value in (baseline, candidate, size)))


@pytest.mark.parametrize(
    ("elements", "factor"), [(1, 5.0), (99, 5.0), (100, 3.0), (999, 3.0), (1000, 2.0), (10**6, 2.0)]
)
def test_a_candidate_may_have_a_small_multiple_of_the_error_of_the_baseline(elements: int, factor: float) -> None:
    for share, allowed in ((0.99, True), (1.01, False)):
        one = tensor(elements, size=1.0, baseline=0.1, candidate=share * factor * (0.1 + 1e-5 + 1e-8))
        assert passes(gradient=one) is allowed


@pytest.mark.parametrize(("size", "floor"), [(1.0, 1e-5), (1e3, 1e-2)])
def test_where_the_baseline_is_exact_the_floor_is_a_share_of_the_tensor(size: float, floor: float) -> None:
    for share, allowed in ((0.99, True), (1.01, False)):
        one = tensor(1000, size=size, baseline=0.0, candidate=share * 2 * floor * (1 + 1e-3))
        assert passes(gradient=one) is allowed


def test_where_the_exact_value_is_zero_the_floor_is_a_share_of_all_of_its_kind() -> None:
    large = tensor(1000, size=math.sqrt(2), baseline=1.0, candidate=1.0)
    for share, allowed in ((0.99, True), (1.01, False)):
        zero = tensor(1000, size=0.0, baseline=0.0, candidate=share * 2 * 1e-8)  # the root mean square of both is 1
        other_kind = tensor(1000, size=1e6, baseline=1.0, candidate=1.0)
        found = {"gradient of a": large, "gradient of b": zero, "update of a": other_kind}
        assert all(measured <= bound for measured, bound in error_ratios(found).values()) is allowed


@pytest.mark.parametrize(("candidate", "passed"), [(0.0, True), (1e-300, False), (math.nan, False), (math.inf, False)])
def test_without_any_size_only_the_exact_value_passes(candidate: float, passed: bool) -> None:
    assert passes(gradient=Errors(10, 0.0, candidate, 0.0)) is passed
