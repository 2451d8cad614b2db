"""Errors planted just within and just beyond each documented bound of the gate of PRECISION."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import norm, t

from hasten.base.stages import Guarantee
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import Session
from hasten.tuning import branch as branches
from hasten.tuning import precision
from hasten.tuning.branch import Branch, branch, harm
from hasten.tuning.gates import Reference, judge
from hasten.tuning.precision import GradientError, Sums, gradient_checks
from hasten.tuning.reference_step import NoReference, State

from planted import small_task


def layer(name: str = "l", **changes: float) -> GradientError:
    fields = {"gradient": 4.0, "error": 0.0, "mean_gradient": 1.0, "mean_error": 0.0, "along": 0.0}
    return GradientError(name=name, **(fields | changes))


def accepted(*layers: GradientError) -> bool:
    return all(measured <= bound for measured, bound, _ in gradient_checks(list(layers)))


@pytest.mark.parametrize(
    ("field", "bound"), [("error", 4.0 * 0.2), ("mean_error", 0.2), ("along", 0.05), ("along", -0.05)]
)
def test_the_error_of_the_whole_model(field: str, bound: float) -> None:
    assert accepted(layer(**{field: 0.999 * bound}))
    assert not accepted(layer(**{field: 1.001 * bound}))


@pytest.mark.parametrize(("field", "gradient"), [("error", "gradient"), ("mean_error", "mean_gradient")])
def test_the_error_of_a_layer_is_at_most_half_of_its_gradient_or_of_a_hundredth_of_the_models(
    field: str, gradient: str
) -> None:
    large = layer()
    whole = getattr(large, gradient)
    zero = layer("zero", gradient=0.0, mean_gradient=0.0)
    assert accepted(large, replace(zero, **{field: 0.5 * 0.01 * whole * 0.999}))
    assert not accepted(large, replace(zero, **{field: 0.5 * 0.01 * whole * 1.001}))
    small = 0.1 * whole  # its error alone is too small a part of the model's to be refused for that
    half = 0.5 * math.hypot(small, 0.01 * math.hypot(whole, small))
    one = layer("small", **{"gradient": 0.4, "mean_gradient": 0.1, gradient: small})
    assert accepted(large, replace(one, **{field: half * 0.999}))
    assert not accepted(large, replace(one, **{field: half * 1.001}))


def test_errors_of_layers_add_up_as_squares_and_the_part_along_the_gradient_as_it_is() -> None:
    layers = [layer(str(number), along=0.06 * sign, error=0.5) for number, sign in enumerate((1, -1, 1, 1))]
    *_, single, mean, along = gradient_checks(layers)
    assert single[0] == pytest.approx(math.hypot(*[0.5] * 4) / math.hypot(4 * 2, 0.01 * 4 * 2))
    assert mean[0] == 0
    assert along[0] == pytest.approx(2 * 0.06 / 4)
    assert "the mean gradient is 3.0 % too large along itself" in along[2]
    assert "3.0 % too small" in gradient_checks([layer(along=-0.03)])[-1][2]
    assert "over 16 steps" in mean[2]


@pytest.mark.parametrize("gradient", [0.0, math.nan])
def test_without_a_gradient_there_is_nothing_to_compare_with(gradient: float) -> None:
    with pytest.raises(NoReference):
        gradient_checks([layer(mean_gradient=gradient)])


def test_a_layer_is_summed_over_its_parameters_and_averaged_over_the_batches() -> None:
    sums = Sums()
    for exact, rough in ((3.0, 4.0), (5.0, 4.0)):
        for name, size in (("l.weight", 4), ("l.bias", 2)):
            sums.add(name, torch.full((size,), exact), torch.full((size,), rough))
    found = sums.summary("l")
    assert found.gradient == pytest.approx(math.sqrt(6 * (9 + 25) / 2))
    assert found.error == pytest.approx(math.sqrt(6))
    assert found.mean_gradient == pytest.approx(4 * math.sqrt(6))
    assert found.mean_error == 0
    sums.add("l.weight", torch.zeros(4), torch.full((4,), 3.0))
    assert sums.summary("l").along == pytest.approx(4 * 3.0 * 8.0 / 9)


STEPS = np.arange(48)
LAYERS = {"": "the model", "l": "l (Linear)", "a": "a (Linear)", "b": "b (Linear)"}


def ends_as_well(shift: float, losses: NDArray[np.float64], others: list[Branch] | None = None) -> bool:
    plain = Branch(losses, {"l.weight": torch.ones(4)}, LAYERS)
    found = harm(replace(plain, losses=losses + shift), plain, lambda: others or [])
    return all(measured <= bound for measured, bound, _ in found)


NOISE = np.resize([0.3, -0.3], 48) + 5.0
RESIDUAL = NOISE - np.polyval(np.polyfit(STEPS, NOISE, 1), STEPS)


@pytest.mark.parametrize(
    ("losses", "allowed"),
    [
        (NOISE, 0.1 * math.sqrt(float(RESIDUAL @ RESIDUAL) / 46)),
        (9.0 - 0.05 * STEPS, 0.02 * 48 * 0.05),
        (2.0 + 0.0 * STEPS, 1e-4 * 2.0),
        (-2.0 + 0.0 * STEPS, 1e-4 * 2.0),
        (2.0 + 0.05 * STEPS, 1e-4 * 2.0),
    ],
    ids=["a tenth of the noise", "a fiftieth of the steps", "rounding", "negative loss", "rising loss"],
)
def test_a_branch_may_end_worse_by(losses: NDArray[np.float64], allowed: float) -> None:
    assert ends_as_well(0.999 * allowed, losses)
    assert not ends_as_well(1.001 * allowed, losses)
    assert ends_as_well(-100.0, losses), "better is never worse"


def test_only_the_second_half_of_a_branch_counts_with_the_upper_limit_of_its_mean() -> None:
    losses = 2.0 + 0.0 * STEPS
    plain = Branch(losses, {"l.weight": torch.ones(4)}, LAYERS)
    behind = np.where(STEPS < 24, 1.0, np.resize([0.5, -0.3], 48))
    (upper, allowed, text), _ = harm(replace(plain, losses=losses + behind), plain, list)
    assert upper == pytest.approx(0.1 + norm.ppf(0.95) * float(np.std(behind[24:], ddof=1)) / math.sqrt(24), rel=1e-3)
    assert allowed == pytest.approx(2e-4)
    assert text == f"after 48 steps the loss is +0.1, at most {upper:+.2g}, of 0.0002 allowed"


def test_a_branch_that_is_worse_may_be_as_bad_as_one_more_of_the_baselines_by_chance() -> None:
    losses = 2.0 + 0.0 * STEPS
    others = [Branch(losses + shift, {"l.weight": torch.ones(4)}, LAYERS) for shift in (0.1, 0.2, 0.6)]
    spread = math.sqrt((0.2**2 + 0.1**2 + 0.3**2) / 2)
    allowed = 0.3 + float(t.ppf(0.95, 2)) * math.sqrt(1 + 1 / 3) * spread
    assert ends_as_well(0.999 * allowed, losses, others)
    assert not ends_as_well(1.001 * allowed, losses, others)
    others[0] = replace(others[0], losses=losses * math.nan)
    assert not ends_as_well(0.1, losses, others), "a branch that diverged allows nothing"


def moves_as_far(*ways: dict[str, float], others: list[dict[str, float]] | None = None) -> bool:
    plain, one, *more = (Branch(2.0 + 0.0 * STEPS, made(way), LAYERS) for way in (*ways, *(others or [])))
    return all(measured <= bound for measured, bound, _ in harm(one, plain, lambda: more))


def made(way: dict[str, float]) -> dict[str, torch.Tensor]:
    return {name: torch.full((4,), value) for name, value in way.items()}


@pytest.mark.parametrize("sign", [1, -1])
def test_the_way_of_the_model_may_be_off_by_a_fifth_and_that_of_a_layer_by_half(sign: int) -> None:
    for off, allowed in ((0.199, True), (0.201, False)):
        one, all_ = {"a.weight": 1 + sign * off, "b.weight": 1 + sign * off}, {"a.weight": 1.0, "b.weight": 1.0}
        assert moves_as_far(all_, one) is allowed
    for off, allowed in ((0.499, True), (0.501, False)):
        assert moves_as_far(
            {"a.weight": 1.0, "b.weight": 0.1}, {"a.weight": 1.0, "b.weight": 0.1 * (1 + sign * off)}
        ) is (allowed)


def test_a_parameter_that_is_missing_or_never_moves() -> None:
    assert not moves_as_far({"a.weight": 1.0, "b.weight": 0.1}, {"a.weight": 1.0})
    assert moves_as_far({"a.weight": 1.0, "b.weight": 0.0}, {"a.weight": 1.0, "b.weight": 0.1})


def test_a_way_may_be_as_far_off_as_that_of_one_more_branch_of_the_baseline() -> None:
    plain, others = {"a.weight": 1.0}, [{"a.weight": way} for way in (0.5, 1.5, 1.3)]
    allowed = 1.3 / 3 + float(t.ppf(0.95, 2)) * math.sqrt(1 + 1 / 3) * float(np.std([0.5, 0.5, 0.3], ddof=1))
    assert moves_as_far(plain, {"a.weight": 1 - 0.999 * allowed}, others=others)
    assert not moves_as_far(plain, {"a.weight": 1 - 1.001 * allowed}, others=others)


def test_noise_of_a_twin_is_unbiased_and_a_fifth_of_the_gradient() -> None:
    parameters = {"w": torch.nn.Parameter(torch.zeros(20_000)), "unused": torch.nn.Parameter(torch.zeros(2))}
    gradient = torch.linspace(-1, 3, 20_000)
    parameters["w"].grad = gradient.clone()
    assert branches._add_noise(parameters, 0.2, torch.Generator().manual_seed(0))
    noise = parameters["w"].grad - gradient
    assert float(noise.norm() / gradient.norm()) == pytest.approx(0.2, rel=0.02)
    assert abs(float(noise.mean())) < 4 * float(noise.std()) / math.sqrt(20_000)
    assert parameters["unused"].grad is None


def test_a_loss_scale_settles_for_12_steps_before_it_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def noted(run: Session, state: State, *, steps: int = 48) -> Branch:
        made.append(steps)
        return branch(run, state, steps=steps)

    monkeypatch.setattr(precision, "branch", noted)
    recipe = baseline(small_task())
    for candidate, steps in ((recipe, [48]), (recipe.with_backward(loss_scale=2.0**16), [12, 48])):
        made.clear()
        assert judge(candidate, Guarantee.PRECISION, Reference(recipe)).passed
        assert made == steps


def test_the_gate_tells_the_check_that_failed_or_all_of_them_with_the_nearest_to_its_bound() -> None:
    recipe = baseline(small_task())

    def scaled(factor: float) -> Recipe:
        def scale(parameters: Any) -> bool:
            for parameter in parameters.values():
                parameter.grad.mul_(factor)
            return True

        return recipe.with_gradient(scale)

    found = judge(scaled(1.04), Guarantee.PRECISION, Reference(recipe))
    assert found.passed
    assert (found.measured, found.bound) == (pytest.approx(0.04, rel=0.01), 0.05)  # of six: 80 % of what it may be
    assert found.detail.count("; ") == 5
    found = judge(scaled(1.06), Guarantee.PRECISION, Reference(recipe))
    assert not found.passed
    assert (found.measured, found.bound) == (pytest.approx(0.06, rel=0.01), 0.05)
    assert found.detail == "the mean gradient is 6.0 % too large along itself"


def test_other_parameters_with_a_gradient_fail_with_a_bound_of_zero() -> None:
    def freeze(parameters: Any) -> bool:
        parameters["0.weight"].grad = None
        return True

    recipe = baseline(small_task())
    found = judge(recipe.with_gradient(freeze), Guarantee.PRECISION, Reference(recipe))
    assert (found.passed, found.bound) == (False, 0)
    assert found.measured > 1e299
    assert found.detail == "1 of 4 parameters get no gradient, first 0.weight"
    found = judge(recipe, Guarantee.PRECISION, Reference(recipe.with_gradient(freeze)))
    assert (found.passed, found.bound) == (False, 0)
    assert found.detail == "1 parameters get a gradient that the baseline does not give them, first 0.weight"
