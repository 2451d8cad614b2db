"""What records say of themselves."""

import pytest

from hasten.base.errors import BadInput
from hasten.base.records.complexity import Complexity, LayerCost
from hasten.base.records.machine import Machine, Peak
from hasten.base.records.plan import Choice, Plan
from hasten.base.records.record import Interval

PLAN = Plan(task="t", choices=(Choice(technique="a", knobs={"y": 2, "x": 1}), Choice(technique="b")))


def test_a_plan_names_its_techniques_and_those_with_knobs():
    assert PLAN.names == ("a", "b")
    assert PLAN.labels == ("a(x=1, y=2)", "b")


def test_a_plan_with_or_without_some_of_its_techniques():
    assert PLAN.only("b").names == PLAN.exclude("a").names == ("b",)
    assert PLAN.only("a", "b") == PLAN.exclude() == PLAN
    for change in (PLAN.only, PLAN.exclude):
        with pytest.raises(BadInput, match="unknown technique of the plan 'c'"):
            change("b", "c")


def test_the_cost_of_a_model_is_the_sum_over_its_layers():
    layers = tuple(
        LayerCost(
            name=str(scale), kind="Linear", parameters=1 * scale, flops_forward=2 * scale, flops_backward=4 * scale,
            bytes_forward=8 * scale, bytes_backward=16 * scale, activation_bytes=32 * scale,
        )
        for scale in (1, 100)
    )  # fmt: skip
    cost = Complexity(layers=layers, uncounted=())
    assert (cost.parameters, cost.flops_forward, cost.flops_backward) == (101, 202, 404)
    assert (cost.flops, cost.bytes_moved, cost.activation_bytes) == (606, 2424, 3232)


def peak(rate: float, **changes) -> Peak:
    fields = {"kind": "gemm", "format": "float32", "backend": "mkl", "size": (8, 8, 8), "spread": 0.01, "stable": True}
    return Peak(rate=rate, **(fields | changes))


def test_the_peak_of_a_machine_is_the_fastest_stable_one_of_what_is_asked_for():
    peaks = (
        peak(5.0, stable=False), peak(1.0), peak(2.0), peak(3.0, format="bfloat16"), peak(4.0, backend="onednn"),
        peak(6.0, device="cuda"), peak(7.0, kind="conv"),
    )  # fmt: skip
    machine = Machine(
        cpu="c", isa=(), cores=1, threads=1, memory_bytes=1, gpu=None, compiler=None, platform="p", python="3",
        torch="2", peaks=peaks,
    )  # fmt: skip
    assert machine.measured_s == 0.0

    def rate(*args, **options):
        found = machine.peak(*args, **options)
        return found and found.rate

    assert rate("gemm") == 6.0
    assert rate("gemm", "float32", "mkl", device="cpu") == 2.0
    assert rate("gemm", "bfloat16") == 3.0
    assert rate("gemm", backend="onednn") == 4.0
    assert rate("gemm", device="cpu") == 4.0
    assert rate("conv") == 7.0
    assert rate("disk") is None


def test_an_interval_is_written_with_three_digits():
    assert str(Interval(value=1.23456, low=1.0, high=2.0, n=9)) == "1.23 [1, 2]"
    assert Interval(value=1.0, low=1.0, high=1.0, n=1).level == 0.95
