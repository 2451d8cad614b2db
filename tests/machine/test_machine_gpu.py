"""The part of the measurement that needs a GPU."""

import time

import pytest
import torch

from hasten.machine.benchmark import run_benchmarks
from hasten.machine.formats import gemm_formats
from hasten.machine.gemm import examine
from hasten.machine.gpu import cuda_cache_bytes, cuda_clock, gpu_benchmarks


def test_copies_go_both_ways_from_both_memories() -> None:
    found = gpu_benchmarks(1 << 20)
    assert {one.variant for one in found if one.kind == "copy"} == {
        "to device, pinned",
        "to device, pageable",
        "to host, pinned",
        "to host, pageable",
    }
    assert [one.kind for one in found].count("launch") == 1
    assert all(one.device == "cuda" for one in found)


@pytest.mark.gpu
def test_copies_and_launches_have_rates() -> None:
    peaks, left_out = run_benchmarks(gpu_benchmarks(64 << 20), deadline=time.perf_counter() + 5)
    assert left_out == []
    assert all(peak.rate > 1e8 for peak in peaks if peak.kind == "copy")
    assert all(1e-7 < peak.rate < 1e-3 for peak in peaks if peak.kind == "launch")


@pytest.mark.gpu
def test_float_formats_multiply() -> None:
    found = {form.name: examine(form, "cuda") for form in gemm_formats("cuda")}
    assert all(found[name][0] is not None for name in ("float32", "float16"))
    assert all(form is not None or note for form, note in found.values())


@pytest.mark.gpu
def test_cuda_clock_counts_the_work() -> None:
    matrix = torch.randn(2048, 2048, device="cuda")
    assert 1e-6 < cuda_clock(lambda: matrix @ matrix, 10) < 1.0
    assert cuda_cache_bytes() > 0
