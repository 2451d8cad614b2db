"""Remarks say what a hand-made machine shows, and nothing that its readings do not bear."""

import msgspec
import pytest

from hasten.base.records.machine import Gpu, Machine, Peak
from hasten.machine.advice import FEATURES
from hasten.machine.comparison import is_clear, is_launch_bound, rate_text
from hasten.report.machine_advice import advice_lines as remarks
from hasten.techniques.registry import register, techniques

LARGE, SMALL = (1024, 1024, 1024), (32, 128, 128)
ZEN = ("avx2", "avx512", "avx512_bf16", "avx512_vnni")


def _machine(*peaks: Peak, isa: tuple[str, ...] = ZEN, threads: int = 2, gpu: Gpu | None = None) -> Machine:
    return Machine(
        cpu="a processor",
        isa=isa,
        cores=2,
        threads=threads,
        memory_bytes=1 << 34,
        gpu=gpu,
        compiler="/usr/bin/g++",
        platform="Linux",
        python="3.11.7",
        torch="2.13.0",
        peaks=peaks,
    )


def _gemm(form: str, backend: str, rate: float, size: tuple[int, ...] = LARGE, **more: object) -> Peak:
    values = {"kind": "gemm", "spread": 0.01, "stable": True, **more}
    return Peak(format=form, backend=backend, size=size, rate=rate, **values)  # type: ignore[arg-type]


def _told(machine: Machine, word: str) -> list[str]:
    return [sentence for sentence in remarks(machine) if word in sentence]


def test_onednn_twice_as_fast() -> None:
    machine = _machine(_gemm("float32", "mkl", 105e9), _gemm("float32", "onednn", 210e9))
    (sentence,) = _told(machine, "onednn_fp32")
    assert sentence.startswith("fp32 matmul: oneDNN is 2.00x faster than mkl (210 GFLOP/s against 105 GFLOP/s at 1024x")


def test_onednn_slower_at_small_sizes() -> None:
    machine = _machine(
        _gemm("float32", "mkl", 105e9),
        _gemm("float32", "onednn", 210e9),
        _gemm("float32", "mkl", 100e9, SMALL),
        _gemm("float32", "onednn", 60e9, SMALL),
    )
    gain, loss = _told(machine, "oneDNN")
    assert "2.00x faster" in gain
    assert "0.60x at 32x128x128" in loss


@pytest.mark.parametrize("more", [{"stable": False}, {"spread": 0.4}])
def test_nothing_is_built_on_unsteady_readings(more: dict[str, object]) -> None:
    machine = _machine(_gemm("float32", "mkl", 105e9), _gemm("float32", "onednn", 210e9, **more))
    assert _told(machine, "onednn_fp32") == []


def test_small_differences_are_not_told() -> None:
    machine = _machine(_gemm("float32", "mkl", 200e9), _gemm("float32", "onednn", 210e9))
    assert _told(machine, "onednn_fp32") == []


def test_onednn_that_rounds_is_told() -> None:
    (sentence,) = _told(_machine(_gemm("bf32", "onednn", 900e9)), "oneDNN")
    assert "changes precision" in sentence


def test_bf16_and_int8_name_their_techniques() -> None:
    machine = _machine(
        _gemm("float32", "onednn", 200e9), _gemm("bfloat16", "onednn", 400e9), _gemm("int8", "onednn", 800e9)
    )
    (bf16,) = _told(machine, "`bf16`")
    assert bf16.startswith("bf16 matmul is 2.00x faster than fp32")
    (int8,) = _told(machine, "`int8_linear`")
    assert int8.startswith("int8 matmul is 2.00x faster than bf16 (800 Gop/s against 400 GFLOP/s")


def test_formats_without_hardware() -> None:
    machine = _machine(
        _gemm("float32", "mkl", 100e9),
        _gemm("bfloat16", "native", 5e9),
        _gemm("int8", "native", 50e9),
        isa=("avx2",),
    )
    assert remarks(machine) == (
        "no matmul instructions on this CPU for bf16 (0.05x of fp32), fp16, int8 (0.50x of fp32)",
    )


def test_hardware_that_does_not_help_is_told_too() -> None:
    machine = _machine(_gemm("float32", "mkl", 100e9), _gemm("bfloat16", "onednn", 90e9))
    assert _told(machine, "bf16") == ["bf16 matmul is not faster than fp32 (0.90x at 1024x1024x1024)"]


def test_gpu_formats() -> None:
    rates = {"float32": 50e12, "tf32": 350e12, "bfloat16": 700e12, "float8": 1200e12}
    peaks = [_gemm(form, "cublas", rate, (4096, 4096, 4096), device="cuda") for form, rate in rates.items()]
    machine = _machine(*peaks, gpu=Gpu(name="a GPU", capability=(9, 0), memory_bytes=1 << 36))
    told = _told(machine, "GPU: ")
    assert [sentence.partition("try ")[2] for sentence in told] == ["`tf32`", "`bf16`", "`fp8`"]
    assert "bf16 matmul is 2.00x faster than tf32" in told[1]


def test_launch_bound_sizes_on_a_gpu_give_no_advice() -> None:
    """A convolution of 57 MFLOP on an H200 takes as long as its launch, in any format and layout."""

    def conv(variant: str, rate: float, size: tuple[int, ...]) -> Peak:
        return _gemm("bfloat16", "cudnn", rate, size, kind="conv", variant=variant, device="cuda")

    small, large = (32, 3, 32, 32, 32, 3), (256, 64, 56, 56, 64, 3)
    gpu = Gpu(name="a GPU", capability=(9, 0), memory_bytes=1 << 36)
    bound = (conv("contiguous", 3.3e12, small), conv("channels_last", 2.9e12, small))
    assert _told(_machine(*bound, gpu=gpu), "channels_last") == []
    odd = (_gemm("tf32", "cublas", rate, size, device="cuda") for rate, size in ((2e14, (1023,) * 3), (4e14, LARGE)))
    assert _told(_machine(*odd, gpu=gpu), "multiples") == []
    (sentence,) = _told(
        _machine(*bound, conv("contiguous", 3e14, large), conv("channels_last", 6e14, large), gpu=gpu), "channels_last"
    )
    assert sentence == "GPU: channels_last speeds up convolutions: bf16 2.00x (1 of 1 size): try `channels_last`"


def test_a_slow_launch_makes_larger_sizes_launch_bound() -> None:
    size = (2048, 768, 3072)
    fast = _gemm("bfloat16", "cublas", 1e14, size, device="cuda")
    launch = _gemm("", "", 5e-5, (1,), kind="launch", device="cuda")
    assert not is_launch_bound(_machine(fast), fast)
    assert is_launch_bound(_machine(fast, launch), fast)


def test_odd_sizes() -> None:
    even, odd = (256, 512, 512), (255, 511, 513)
    machine = _machine(_gemm("bfloat16", "onednn", 400e9, even), _gemm("bfloat16", "onednn", 200e9, odd))
    (sentence,) = _told(machine, "multiples of 16")
    assert sentence.endswith("255x511x513 against 256x512x512 runs at bf16 0.50x")


def test_channels_last() -> None:
    def conv(variant: str, rate: float, size: int) -> Peak:
        sizes = (size, 3, 32, 32, 32, 3)
        return _gemm("float32", "onednn", rate, sizes, kind="conv", variant=variant)

    machine = _machine(
        conv("contiguous", 100e9, 8), conv("channels_last", 150e9, 8),
        conv("contiguous", 100e9, 16), conv("channels_last", 120e9, 16),
        conv("contiguous", 100e9, 32), conv("channels_last", 101e9, 32),
    )  # fmt: skip
    (sentence,) = _told(machine, "`channels_last`")
    assert "fp32 1.20-1.50x (2 of 3 sizes)" in sentence
    assert sentence.endswith("try `channels_last`")
    slower = _machine(conv("contiguous", 100e9, 8), conv("channels_last", 70e9, 8))
    assert _told(slower, "channels_last") == ["channels_last slows convolutions down: fp32 0.70x (1 of 1 size)"]


def test_threads() -> None:
    def sweep(threads: int, rate: float) -> Peak:
        return _gemm("float32", "mkl", rate, (threads,), kind="threads")

    machine = _machine(sweep(1, 100e9), sweep(2, 190e9), threads=1)
    told = _told(machine, "thread")
    assert told[0] == "torch uses 1 thread; this process may use 2 cores"
    assert told[1].startswith("matmul with 2 threads is 1.90x faster than with 1: call")
    assert _told(_machine(sweep(1, 100e9), sweep(2, 110e9)), "cores") == [
        "2 cores multiply matrices only 1.10x faster than 1 core"
    ]
    assert _told(_machine(sweep(1, 100e9), sweep(2, 190e9)), "cores") == []


def test_pinned_copies() -> None:
    def copied(variant: str, rate: float) -> Peak:
        return _gemm("", "", rate, (1 << 28,), kind="copy", device="cuda", variant=variant)

    machine = _machine(copied("to device, pinned", 50e9), copied("to device, pageable", 10e9))
    assert _told(machine, "pinned") == [
        "copies to device are 5.00x faster from pinned memory (50.0 GB/s against 10.0 GB/s): try `prefetch`"
    ]


def test_unsteady_readings_are_counted() -> None:
    machine = _machine(_gemm("float32", "mkl", 1e9), _gemm("int8", "onednn", 1e9, stable=False))
    (sentence,) = _told(machine, "too noisy")
    assert sentence.startswith("1 of 2 rates")


def test_missing_compiler() -> None:
    machine = _machine()
    assert _told(machine, "compiler") == []
    without = Machine(**{name: getattr(machine, name) for name in machine.__struct_fields__} | {"compiler": None})
    assert len(_told(without, "C++ compiler")) == 1


def test_a_difference_is_clear_beyond_its_spreads() -> None:
    one = _gemm("float32", "mkl", 100e9)
    assert is_clear(_gemm("float32", "mkl", 115e9), one)
    assert is_clear(one, _gemm("float32", "mkl", 115e9))
    assert not is_clear(_gemm("float32", "mkl", 115e9, spread=0.08), one)
    assert not is_clear(_gemm("float32", "mkl", 105e9), one)


def test_rates_have_their_units() -> None:
    assert rate_text(_gemm("int8", "onednn", 8e11)) == "800 Gop/s"
    assert rate_text(_gemm("float32", "", 5e10, kind="memory")) == "50.0 GB/s"


def test_each_feature_has_a_technique_and_each_technique_a_feature_that_exists() -> None:
    assert {feature for kind in techniques().values() for feature in kind.card.exploits} == set(FEATURES)


def test_a_technique_of_another_package_is_named_by_what_it_exploits() -> None:
    class Other(techniques()["bf16"]):
        card = msgspec.structs.replace(techniques()["bf16"].card, name="other")

    register(Other)
    try:
        machine = _machine(_gemm("float32", "mkl", 100e9), _gemm("bfloat16", "onednn", 300e9))
        (sentence,) = _told(machine, "faster")
        assert sentence.endswith(": try `bf16` or `other`")
    finally:
        del techniques()["other"]
