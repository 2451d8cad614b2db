"""Remarks say what a hand-made machine shows, and nothing that its readings do not bear."""

import re
from pathlib import Path

import pytest

from hasten.base.records.machine import Gpu, Machine, Peak
from hasten.machine import advice as remarks_module
from hasten.machine.advice import remarks
from hasten.machine.comparison import is_clear, rate_text
from hasten.techniques.registry import techniques

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
    assert sentence.startswith("fp32 matmul runs at 0.50 of what oneDNN reaches here (105 GFLOP/s by mkl against 210")


def test_onednn_slower_at_small_sizes() -> None:
    machine = _machine(
        _gemm("float32", "mkl", 105e9),
        _gemm("float32", "onednn", 210e9),
        _gemm("float32", "mkl", 100e9, SMALL),
        _gemm("float32", "onednn", 60e9, SMALL),
    )
    gain, loss = _told(machine, "onednn_fp32")
    assert "0.50" in gain
    assert "0.60 at 32x128x128" in loss


@pytest.mark.parametrize("more", [{"stable": False}, {"spread": 0.4}])
def test_nothing_is_built_on_unsteady_readings(more: dict[str, object]) -> None:
    machine = _machine(_gemm("float32", "mkl", 105e9), _gemm("float32", "onednn", 210e9, **more))
    assert _told(machine, "onednn_fp32") == []


def test_small_differences_are_not_told() -> None:
    machine = _machine(_gemm("float32", "mkl", 200e9), _gemm("float32", "onednn", 210e9))
    assert _told(machine, "onednn_fp32") == []


def test_onednn_that_rounds_is_told() -> None:
    (sentence,) = _told(_machine(_gemm("bf32", "onednn", 900e9)), "onednn_fp32")
    assert "changes the precision" in sentence


def test_bf16_and_int8_name_their_techniques() -> None:
    machine = _machine(
        _gemm("float32", "onednn", 200e9), _gemm("bfloat16", "onednn", 400e9), _gemm("int8", "onednn", 800e9)
    )
    (bf16,) = _told(machine, "`bf16`")
    assert bf16.startswith("bf16 matmul runs 2.00 times as fast as fp32")
    (int8,) = _told(machine, "`int8_linear`")
    assert int8.startswith("int8 matmul runs 2.00 times as fast as bf16 (800 Gop/s against 400 GFLOP/s")


def test_formats_without_hardware() -> None:
    machine = _machine(
        _gemm("float32", "mkl", 100e9),
        _gemm("bfloat16", "native", 5e9),
        _gemm("int8", "native", 50e9),
        isa=("avx2",),
    )
    assert _told(machine, "fp16") == ["fp16 has no hardware here"]
    assert _told(machine, "bf16") == ["bf16 has no hardware here (its matmul runs at 0.05 of fp32)"]
    assert _told(machine, "int8") == ["int8 has no hardware here (its matmul runs at 0.50 of fp32)"]


def test_hardware_that_does_not_help_is_told_too() -> None:
    machine = _machine(_gemm("float32", "mkl", 100e9), _gemm("bfloat16", "onednn", 90e9))
    assert _told(machine, "bf16") == ["bf16 matmul is no faster than fp32 (0.90 of it at 1024x1024x1024)"]


def test_gpu_formats() -> None:
    rates = {"float32": 50e12, "tf32": 350e12, "bfloat16": 700e12, "float8": 1200e12}
    peaks = [_gemm(form, "cublas", rate, device="cuda") for form, rate in rates.items()]
    machine = _machine(*peaks, gpu=Gpu(name="a GPU", capability=(9, 0), memory_bytes=1 << 36))
    told = _told(machine, "on the GPU")
    assert [sentence.partition("technique ")[2] for sentence in told] == ["`tf32`", "`bf16`", "`fp8`"]
    assert "bf16 matmul runs 2.00 times as fast as tf32" in told[1]


def test_odd_sizes() -> None:
    even, odd = (256, 512, 512), (255, 511, 513)
    machine = _machine(_gemm("bfloat16", "onednn", 400e9, even), _gemm("bfloat16", "onednn", 200e9, odd))
    (sentence,) = _told(machine, "multiples of 16")
    assert "255x511x513 runs at 0.50 of 256x512x512" in sentence


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
    assert "run 1.20 to 1.50 times as fast in channels_last layout, for 2 of 3 sizes" in sentence
    assert sentence.endswith("technique `channels_last`")
    slower = _machine(conv("contiguous", 100e9, 8), conv("channels_last", 70e9, 8))
    assert _told(slower, "`channels_last`") == [
        "fp32 convolutions run 0.70 times as fast in channels_last layout, for 1 of 1 sizes: "
        "`channels_last` costs time in layers of such sizes"
    ]


def test_threads() -> None:
    def sweep(threads: int, rate: float) -> Peak:
        return _gemm("float32", "mkl", rate, (threads,), kind="threads")

    machine = _machine(sweep(1, 100e9), sweep(2, 190e9), threads=1)
    told = _told(machine, "thread")
    assert told[0] == "torch uses 1 thread; this process may use 2 cores"
    assert told[1].startswith("matmul with 2 threads runs 1.90 times as fast as with the 1 that torch uses")
    assert _told(_machine(sweep(1, 100e9), sweep(2, 110e9)), "cores") == [
        "all 2 cores reach only 1.10 times the matmul rate of one core"
    ]
    assert _told(_machine(sweep(1, 100e9), sweep(2, 190e9)), "cores") == []


def test_pinned_copies() -> None:
    def copied(variant: str, rate: float) -> Peak:
        return _gemm("", "", rate, (1 << 28,), kind="copy", device="cuda", variant=variant)

    machine = _machine(copied("to device, pinned", 50e9), copied("to device, pageable", 10e9))
    assert _told(machine, "pinned") == [
        "copies to device run 5.00 times as fast from pinned memory (50.0 GB/s against 10.0 GB/s): technique `prefetch`"
    ]


def test_unsteady_readings_are_counted() -> None:
    machine = _machine(_gemm("float32", "mkl", 1e9), _gemm("int8", "onednn", 1e9, stable=False))
    (sentence,) = _told(machine, "unsteady")
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


def test_every_technique_that_is_named_is_there() -> None:
    source = Path(remarks_module.__file__ or "").read_text()
    named = {*re.findall(r"technique `(\w+)`", source), *remarks_module._TECHNIQUES.values()}
    assert len(named) >= 6
    assert named <= set(techniques())
