"""What records say of themselves."""

import importlib
import pkgutil

import msgspec
import pytest

from hasten.base import records
from hasten.base.errors import BadInput
from hasten.base.records.complexity import Complexity, LayerCost
from hasten.base.records.finding import Finding, Severity
from hasten.base.records.machine import Machine, Peak
from hasten.base.records.plan import Choice, Plan
from hasten.base.records.profile import LayerBound
from hasten.base.records.record import Interval, Record
from hasten.base.records.run import Evaluation, RunResult, StopReason
from hasten.base.records.signals import Ablation, Operator, product_kind

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


def record_types() -> list[type[Record]]:
    for module in pkgutil.iter_modules(records.__path__):
        importlib.import_module(f"{records.__name__}.{module.name}")
    return [one for one in Record.__subclasses__() if one.__module__.startswith(records.__name__)]


MEANINGFUL = {
    "Interval.level": 0.95,
    "Comparison.samples_per_step_a": 1.0,
    "Comparison.samples_per_step_b": 1.0,
    "Card.saves_time": True,
    "Card.search": ({},),
    "Health.complete": True,
    "Schedule.attached": True,
    "Part.lives": True,
    "Part.places": 1,
    "Leaf.parameter": True,
    "ParameterTrack.start_spread": 1.0,
    "Dynamics.passes": 1,
    "Structure.keeps": 1.0,
    "Tried.p": 1.0,
}
"""Defaults that say something; those that are texts are covered by the tests of what prints them."""


@pytest.mark.parametrize("kind", record_types(), ids=lambda kind: kind.__name__)
def test_what_a_record_is_not_told_is_nothing(kind: type[Record]) -> None:
    for field in msgspec.structs.fields(kind):
        name = f"{kind.__name__}.{field.name}"
        if name in MEANINGFUL:
            assert field.default == MEANINGFUL[name]
        elif field.default is not msgspec.NODEFAULT and not isinstance(field.default, str):
            assert not field.default, name


def test_a_level_is_reached_at_the_first_evaluation_that_is_as_good() -> None:
    metrics = (None, 0.5, 0.8, 0.7)
    evaluations = tuple(
        Evaluation(step=step, epoch=0, elapsed_s=0.0, train_loss=None, valid_loss=None, metric=metric, best=False)
        for step, metric in enumerate(metrics)
    )
    for level, higher, step in ((0.8, True, 2), (0.5, True, 1), (0.9, True, None), (0.6, False, 1), (0.4, False, None)):
        run = RunResult(
            task="t", metric_name="m", higher_is_better=higher, target=None, plan=(), seed=0, reason=StopReason.STEPS,
            steps=4, elapsed_s=1.0, time_to_target_s=None, best_metric=None, final_metric=None, final_valid_loss=None,
            samples_per_s=1.0, evaluations=evaluations,
        )  # fmt: skip
        found = run.reaching(level)
        assert (found and found.step) == step


@pytest.mark.parametrize(
    ("flops", "nbytes", "measured_s", "intensity", "rate"), [(8, 2, 4.0, 4.0, 2.0), (8, 0, None, 0.0, None)]
)
def test_the_intensity_and_the_rate_of_a_layer(
    flops: int, nbytes: int, measured_s: float | None, intensity: float, rate: float | None
) -> None:
    one = LayerBound(name="l", flops=flops, bytes_moved=nbytes, seconds=1.0, by="compute", measured_s=measured_s)
    assert (one.intensity, one.flops_per_s) == (intensity, rate)


@pytest.mark.parametrize(
    ("name", "kind", "is_product"),
    [
        ("aten.mm", "matmul", True), ("aten.mv", "matmul", True), ("aten.convolution", "conv", True),
        ("aten.convolution_backward", "conv", True), ("aten.mkldnn_rnn_layer", "matmul", True), ("aten.add", "", False),
    ],
)  # fmt: skip
def test_operators_that_multiply(name: str, kind: str, is_product: bool) -> None:
    one = operator(name)
    assert (product_kind(name), one.is_product) == (kind, is_product)
    assert (one.multiplies_in, operator(name, arithmetic="tf32").multiplies_in) == ("float32", "tf32")


def operator(name: str, *shapes: tuple[int, ...], **changes: str) -> Operator:
    return Operator(
        name=name, phase="forward", shapes=shapes, number_format="float32", calls=1.0, seconds=1.0, **changes
    )


@pytest.mark.parametrize(
    ("name", "shapes", "misaligned"),
    [
        ("aten.mm", ((8, 16), (16, 64)), False),
        ("aten.mm", ((8, 16), (16, 10)), True),
        ("aten.mm", ((8, 9), (9, 8)), True),
        ("aten.mm", ((1, 8), (8, 8)), False),
        ("aten.mm", ((2, 8), (8, 8)), True),
        ("aten.bmm", ((3, 8, 8), (3, 8, 8)), False),
        ("aten.add", ((8, 9),), False),
    ],
)
def test_sides_that_are_no_multiple_of_8(name: str, shapes: tuple[tuple[int, ...], ...], misaligned: bool) -> None:
    assert operator(name, *shapes).misaligned is misaligned


@pytest.mark.parametrize(("bound", "share"), [(None, 0.0), (1.0, 0.0), (2.0, 0.5), (4.0, 0.75)])
def test_a_bound_on_the_speed_is_a_share_of_the_time(bound: float | None, share: float) -> None:
    one = Finding(symptom="s", severity=Severity.NOTE, sentence="", value=0.0, threshold=0.0, bound=bound)
    assert one.recoverable == share


@pytest.mark.parametrize(("high", "text"), [(1.005, "gains nothing"), (1.006, "at most 1.01x"), (2.0, "at most 2.00x")])
def test_an_ablation_says_what_can_be_gained_at_most(high: float, text: str) -> None:
    ratio = Interval(value=1.0, low=0.9, high=high, n=9)
    assert text in Ablation(name="a", removes="the wait", ratio=ratio).sentence
    assert "no memory" in Ablation(name="a", removes="the wait", ratio=None, failed="no memory").sentence
