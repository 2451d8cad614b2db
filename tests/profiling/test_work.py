from collections.abc import Callable

import msgspec
import pytest
from torch import nn

from hasten.base.records.complexity import Complexity, LayerCost
from hasten.base.records.machine import Machine, Peak
from hasten.machine.facts import facts
from hasten.profiling import work
from hasten.profiling.stepping import one_batch
from hasten.profiling.work import count_work, roofline
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.task import Task

MakeTask = Callable[..., Task]
FLOAT32 = dict.fromkeys(("", "matmul", "conv"), "float32")


def peak(kind: str, rate: float, form: str = "float32") -> Peak:
    return Peak(kind=kind, format=form, backend="", size=(1,), rate=rate, spread=0.01, stable=True)


def machine(*peaks: Peak) -> Machine:
    return msgspec.structs.replace(facts(), peaks=peaks)


def layer(name: str, kind: str, flops: int, moved: int) -> LayerCost:
    return LayerCost(
        name=name,
        kind=kind,
        parameters=0,
        flops_forward=flops // 3,
        flops_backward=flops - flops // 3,
        bytes_forward=moved // 2,
        bytes_backward=moved - moved // 2,
        activation_bytes=0,
    )


def test_the_work_of_a_linear_layer_is_counted_without_its_update(make_task: MakeTask) -> None:
    run = build(baseline(make_task(model=lambda: nn.Linear(16, 4))))
    before = run.model.weight.detach().clone()  # type: ignore[union-attr,operator]
    found = count_work(run, one_batch(run))
    row = found.layers[0]
    assert row.kind == "Linear"
    assert row.flops_forward == 2 * 32 * 16 * 4
    assert row.flops_backward == 2 * 32 * 16 * 4  # the input needs no gradient
    assert (run.model.weight == before).all()  # type: ignore[union-attr]


def test_each_layer_is_bound_by_what_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "last_level_cache_bytes", lambda: 1000)
    complexity = Complexity(
        layers=(
            layer("a", "Linear", 10**9, 10**6),
            layer("b", "Conv2d", 10**9, 10**6),
            layer("c", "ReLU", 0, 10**8),
            layer("d", "ReLU", 0, 900),  # fits into the caches
        ),
        uncounted=(),
    )
    here = machine(peak("gemm", 5e10), peak("conv", 1e11), peak("memory", 1e10))
    found = roofline(complexity, here, number_formats=FLOAT32, measured_s=0.1, device="cpu")
    assert found is not None
    assert [one.by for one in found.layers] == ["compute", "compute", "memory", "compute"]
    assert [one.seconds for one in found.layers] == pytest.approx([0.02, 0.01, 0.01, 0.0])
    assert found.bound_s == pytest.approx(0.04)
    assert found.achieved == pytest.approx(0.4)
    assert found.layers[0].intensity == 1000


def test_there_is_no_roofline_without_peaks() -> None:
    complexity = Complexity(layers=(), uncounted=())
    assert roofline(complexity, machine(), number_formats=FLOAT32, measured_s=1.0, device="cpu") is None
    gemm_only = machine(peak("gemm", 1e11))
    assert roofline(complexity, gemm_only, number_formats=FLOAT32, measured_s=1.0, device="cpu") is None


@pytest.mark.parametrize(("conv", "bound_s"), [(None, 0.01), (1e9, 0.01), (2e11, 0.005)])
def test_a_convolution_is_bound_by_the_higher_peak(conv: float | None, bound_s: float) -> None:
    complexity = Complexity(layers=(layer("a", "Conv2d", 10**9, 1),), uncounted=())
    peaks = [peak("gemm", 1e11), peak("memory", 1e10), *([peak("conv", conv)] if conv else [])]
    found = roofline(complexity, machine(*peaks), number_formats=FLOAT32, measured_s=0.02, device="cpu")
    assert found is not None
    assert found.bound_s == pytest.approx(bound_s)


@pytest.mark.parametrize(("kind", "seconds"), [("Conv2d", 1 / 400), ("Linear", 1 / 50), ("Block", 1 / 400)])
def test_each_kind_of_product_has_the_peak_of_its_own_format(kind: str, seconds: float) -> None:
    """cuDNN convolutions use TF32 where matmuls use float32: no layer may run above its limit."""

    def on_gpu(kind: str, rate: float, form: str = "float32") -> Peak:
        return msgspec.structs.replace(peak(kind, rate, form), device="cuda")

    here = machine(on_gpu("gemm", 50e12), on_gpu("gemm", 400e12, "tf32"), on_gpu("memory", 4e12))
    formats = {"": "tf32", "conv": "tf32", "matmul": "float32"}
    complexity = Complexity(layers=(layer("a", kind, 10**12, 1),), uncounted=())
    found = roofline(complexity, here, number_formats=formats, measured_s=1.0, device="cuda")
    assert found is not None
    assert found.layers[0].seconds == pytest.approx(seconds)
    assert (found.number_format, found.peak_flops) == ("tf32", 400e12)
