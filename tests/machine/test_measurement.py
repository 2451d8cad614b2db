"""The whole measurement keeps its time and leaves the process as it found it."""

import math
import threading
import time
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import torch

from hasten.base.records.machine import Machine
from hasten.base.seeds import random_state
from hasten.machine import measure
from hasten.machine.benchmark import Benchmark
from hasten.machine.formats import gemm_formats
from hasten.machine.gemm import gemm_benchmarks
from hasten.machine.measurement import FULL, QUICK, _measured, _not_measured

QUICK_BOUND_S = 15.0  # 5 s are promised; a test machine may be busy with other tests
FULL_BOUND_S = 60.0  # and 30 s


def _state() -> dict[str, Any]:
    backends = torch.backends
    return {
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads(), threading.active_count()),
        "precision": (
            torch.get_float32_matmul_precision(),
            backends.fp32_precision,
            backends.mkldnn.fp32_precision,
            backends.mkldnn.matmul.fp32_precision,
            backends.mkldnn.conv.fp32_precision,
            backends.cuda.matmul.fp32_precision,
            backends.cudnn.conv.fp32_precision,
        ),
        "modes": (torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), backends.cudnn.benchmark),
        "default": (torch.get_default_dtype(), torch.get_default_device()),
    }


def _bits(state: dict[str, Any]) -> dict[str, Any]:
    return {
        name: part.tolist() if isinstance(part, torch.Tensor) else _bits(part) if isinstance(part, dict) else part
        for name, part in state.items()
    }


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Machine, float, dict[str, Any], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("disk")
    before = {**_state(), "random": _bits(random_state())}
    started = time.perf_counter()
    machine = measure(quick=True, disk_folder=folder)
    wall_s = time.perf_counter() - started
    return machine, wall_s, before, {**_state(), "random": _bits(random_state())}


def test_state_is_as_found(measured: tuple[Machine, float, dict[str, Any], dict[str, Any]]) -> None:
    _, _, before, after = measured
    assert after == before


def test_quick_is_quick(measured: tuple[Machine, float, dict[str, Any], dict[str, Any]]) -> None:
    machine, wall_s, _, _ = measured
    assert wall_s < QUICK_BOUND_S
    assert 0 < machine.measured_s <= wall_s


def test_rates_are_rates(measured: tuple[Machine, float, dict[str, Any], dict[str, Any]]) -> None:
    machine = measured[0]
    assert "gemm" in {peak.kind for peak in machine.peaks}  # what a busy machine leaves no time for is left out
    assert all(math.isfinite(peak.rate) and peak.rate > 0 for peak in machine.peaks)
    assert all(math.isfinite(peak.spread) and peak.spread >= 0 for peak in machine.peaks)
    for kind, low, high in (("memory", 1e8, 1e14), ("gemm", 1e6, 1e17)):
        assert all(low < peak.rate < high for peak in machine.peaks if peak.kind == kind and peak.stable)


def test_caller_in_another_mode_is_left_in_it() -> None:
    """Only what a caller has switched on around the call; the benchmarks themselves are not run again."""
    from hasten.machine.measurement import _plain_arithmetic

    with torch.autocast("cpu", dtype=torch.bfloat16):
        with _plain_arithmetic(("cpu",)):
            assert not torch.is_autocast_enabled("cpu")
            assert not torch.is_grad_enabled()
        assert torch.is_autocast_enabled("cpu")
    assert torch.is_grad_enabled()


def test_sizes_hold_small_odd_and_large_ones() -> None:
    for effort in (QUICK, FULL):
        assert any(any(n % 2 for n in size) for size in effort.cpu_gemm)
        assert min(math.prod(size) for size in effort.cpu_gemm) <= 2**20
        assert max(math.prod(size) for size in effort.cpu_gemm) >= 2**30
    assert FULL.benchmarks_s + FULL.warm_up_s + FULL.disk_s + FULL.threads_s < 30
    assert QUICK.benchmarks_s + QUICK.warm_up_s + QUICK.disk_s + QUICK.threads_s < 5


def test_the_first_size_on_a_gpu_is_a_large_one() -> None:
    """Every format then has one rate that is not that of a launch, whatever the rest of the time is spent on."""
    for effort in (QUICK, FULL):
        assert math.prod(effort.gpu_gemm[0]) >= 2**36
        assert effort.gpu_conv[0].operations >= 5e10


def test_skipped_sizes_are_told_by_kind() -> None:
    sizes = [(64, 64, 64), (128, 128, 128)]
    skipped: list[Benchmark] = gemm_benchmarks(gemm_formats("cpu")[0], sizes, "cpu")
    assert _not_measured(skipped) == "2 sizes not measured, time or memory ran out: gemm on the CPU (float32)"
    assert _not_measured([]) == ""


def test_the_memory_is_measured_where_products_would_take_all_the_time() -> None:
    def waiting(kind: str, size: int) -> Benchmark:
        ready = partial(nullcontext, partial(time.sleep, 0.01))
        return Benchmark(kind=kind, format="float32", backend="", size=(size,), work=1.0, ready=ready)

    products = [waiting("gemm", size) for size in range(40)]
    peaks, left_out = _measured([waiting("memory", 1)], products, budget_s=0.5)
    kinds = [peak.kind for peak in peaks]
    assert "memory" in kinds
    assert "gemm" in kinds
    assert len(peaks) + len(left_out) == 41
    assert {one.kind for one in left_out} <= {"gemm"}


@pytest.mark.slow
def test_full_measurement_keeps_its_time() -> None:
    started = time.perf_counter()
    machine = measure()
    assert time.perf_counter() - started < FULL_BOUND_S
    assert {peak.kind for peak in machine.peaks} >= {"memory", "gemm", "conv"}
    assert len({peak.size for peak in machine.peaks if peak.kind == "gemm"}) >= 5
