"""The compiled functions against their twins in torch: the same bits, whatever the shape and the number of threads."""

import os
import stat
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hasten.base.cache_folder import cache_folder
from hasten.base.errors import Refused
from hasten.machine import facts
from hasten.techniques import native
from hasten.techniques.forward.int8 import quantize
from hasten.techniques.forward.int8.running import run

needs_compiler = pytest.mark.skipif(facts().compiler is None, reason="compiling needs a C++ compiler")
shapes = {"R": st.integers(1, 70), "C": st.integers(1, 90)}
formats = {"dtype": st.sampled_from([torch.float32, torch.bfloat16]), "threads": st.integers(1, 3)}
SPECIAL = (torch.nan, torch.inf, -torch.inf, 0.0, -0.0, 1e-30, -2e-35, 3e38)
"""None is denormal: whether those count as zero is a flag of each thread, and other tests may leave it set in one."""


def numbers(R: int, C: int, dtype: torch.dtype = torch.float32, power: int = 0) -> Tensor:
    return (torch.randn(R, C) * 10.0**power).to(dtype)


def scales(R: int, C: int) -> Tensor:
    return torch.rand(R, C) + 0.01


def both_ways(
    kernel: Callable[..., None], written: dict[str, Tensor], threads: int, **given: Tensor
) -> tuple[list[Tensor], ...]:
    """Return what the function writes in torch, and what it writes compiled."""
    assert native.library(quantize.KERNELS, torch.float32) is not None
    twin, own = ({name: tensor.clone() for name, tensor in written.items()} for _ in range(2))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        kernel(**given, **twin)
        run(kernel, *signature(kernel).bind(**given, **own).arguments.values())
    finally:
        torch.set_num_threads(before)
    return list(twin.values()), list(own.values())


def assert_same_bits(found: tuple[list[Tensor], ...]) -> None:
    for twin, own in zip(*found, strict=True):
        assert torch.equal(twin.isnan(), own.isnan())
        assert torch.equal(twin.nan_to_num(), own.nan_to_num())


@needs_compiler
@settings(max_examples=40, deadline=None)
@given(**shapes, **formats, power=st.integers(-30, 30))
def test_rows_are_quantized_to_the_same_bits(R: int, C: int, dtype: torch.dtype, threads: int, power: int) -> None:
    written = {"codes": torch.empty(R, C, dtype=torch.int8), "scales": torch.empty(R, 1)}
    values = numbers(R, C, dtype, power)
    assert_same_bits(both_ways(quantize.quantize_rows, written, threads, values=values, factor=scales(1, C)))


@needs_compiler
@settings(max_examples=40, deadline=None)
@given(**shapes, **formats)
def test_scales_have_the_same_bits_and_sums_agree(R: int, C: int, dtype: torch.dtype, threads: int) -> None:
    given = {"values": numbers(R, C, dtype), "row_factor": scales(1, C), "column_factor": scales(R, 1)}
    written = {"rows": torch.empty(R, 1), "columns": torch.empty(1, C), "sums": torch.randn(C)}
    twin, own = both_ways(quantize.measure_scales, written, threads, **given)
    assert_same_bits((twin[:2], own[:2]))
    torch.testing.assert_close(own[2], twin[2])


@needs_compiler
@settings(max_examples=40, deadline=None)
@given(**shapes, **formats, seed=st.none() | st.integers(-(2**31), 2**31 - 1))
def test_codes_by_row_and_column_have_the_same_bits(
    R: int, C: int, dtype: torch.dtype, threads: int, seed: int | None
) -> None:
    given = {"values": numbers(R, C, dtype), "row_factor": scales(1, C), "column_factor": scales(R, 1)}
    given |= {"rows": scales(R, 1) / 20, "columns": scales(1, C) / 20}
    kernel = quantize.round_both
    if seed is not None:
        kernel, given["seed"] = quantize.dither_both, torch.tensor(seed, dtype=torch.int32)
    # Beyond the range of the codes rounding is undefined; the dither stays within it.
    given["values"] = given["values"].clamp(-1, 1) * 0.01 if seed is None else given["values"]
    written = {name: torch.empty(R, C, dtype=torch.int8) for name in ("by_row", "by_column")}
    assert_same_bits(both_ways(kernel, written, threads, **given))


@needs_compiler
@settings(max_examples=40, deadline=None)
@given(**shapes, **formats, how=st.sampled_from(["plain", "bias", "added"]))
def test_products_go_back_to_the_same_bits(R: int, C: int, dtype: torch.dtype, threads: int, how: str) -> None:
    given = {"sums": torch.randint(-(2**31), 2**31 - 1, (R, C), dtype=torch.int32)}
    given |= {"rows": scales(R, 1), "columns": scales(1, C)}
    written = {"out": torch.randn(R, C).to(torch.float32 if how == "added" else dtype)}
    kernel = {"plain": quantize.dequantize, "bias": quantize.dequantize_bias, "added": quantize.accumulate}[how]
    if how == "bias":
        given["bias"] = torch.randn(C) * 1e9
    assert_same_bits(both_ways(kernel, written, threads, **given))


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("special", SPECIAL)
def test_what_is_not_finite_or_tiny_gives_the_same_scales_and_numbers(special: float, dtype: torch.dtype) -> None:
    values = numbers(6, 21, dtype)
    values[2, 5] = special
    ones = {"row_factor": torch.ones(1, 21), "column_factor": torch.ones(6, 1)}
    written = {"rows": torch.empty(6, 1), "columns": torch.empty(1, 21), "sums": torch.zeros(21)}
    twin, own = both_ways(quantize.measure_scales, written, 2, values=values, **ones)
    assert_same_bits((twin[:2], own[:2]))
    given = {"sums": torch.arange(126, dtype=torch.int32).view(6, 21), "rows": values[:, :1].float().contiguous()}
    given["columns"] = values[2:3].float()
    assert_same_bits(both_ways(quantize.dequantize, {"out": values.clone()}, 2, **given))


@pytest.fixture
def source(tmp_path: Path) -> Iterator[native.Source]:
    """A file that builds in a moment, with what has been built forgotten."""
    path = tmp_path / "tiny" / "kernels.cpp"
    path.parent.mkdir()
    path.write_text('extern "C" void nothing() {}')
    native.forget()
    yield native.Source(path)
    native.forget()


@needs_compiler
def test_it_is_built_once_and_kept(source: native.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    native.library(source, torch.float32)
    (kept,) = (tmp_path / "hasten" / "kernels").iterdir()
    made = kept.stat().st_mtime_ns
    native.forget()
    native.library(source, torch.float32)
    assert [path.stat().st_mtime_ns for path in kept.parent.iterdir()] == [made]


@needs_compiler
@pytest.mark.parametrize(
    "damage", ["flipped", *(pytest.param(one, marks=pytest.mark.slow) for one in ("truncated", "empty"))]
)
def test_a_damaged_library_is_built_again_and_never_loaded(
    source: native.Source, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    native.library(source, torch.float32)
    (kept,) = (tmp_path / "hasten" / "kernels").iterdir()
    whole = kept.read_bytes()
    middle = len(whole) // 2
    content = {"truncated": whole[:middle], "flipped": whole[:middle] + b"\xff" + whole[middle + 1 :], "empty": b""}
    damaged = tmp_path / "damaged"  # a file of its own, since this process has the whole one mapped
    damaged.write_bytes(content[damage])
    damaged.replace(kept)
    native.forget()
    loaded: list[bytes] = []
    monkeypatch.setattr(native.ctypes, "CDLL", lambda path: loaded.append(Path(path).read_bytes()))
    native.library(source, torch.float32)
    (again,) = kept.parent.iterdir()
    assert loaded == [again.read_bytes()]
    assert len(loaded[0]) == len(whole)


@needs_compiler
def test_a_folder_that_others_can_write_is_not_used(
    source: native.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "hasten" / "kernels"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with pytest.raises(Refused, match="nobody else can write"):
        native.library(source, torch.float32)
    folder.chmod(0o700)
    monkeypatch.setattr(native.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(Refused, match="that you own"):
        native.library(source, torch.float32)


@needs_compiler
def test_a_library_is_flushed_to_the_disk_before_it_has_its_name(
    source: native.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done: list[str] = []
    flush, rename = os.fsync, Path.replace
    monkeypatch.setattr("os.fsync", lambda file: (done.append("fsync"), flush(file))[1])
    monkeypatch.setattr(Path, "replace", lambda self, target: (done.append("rename"), rename(self, target))[1])
    native.library(source, torch.float32)
    assert done == ["fsync", "rename", "fsync"]


def test_a_compiler_that_fails_is_told_and_leaves_nothing(
    source: native.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken-c++"
    broken.write_text("#!/bin/sh\necho no such option >&2\nexit 4\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(native, "compiler_path", lambda: str(broken))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(Refused, match=r"ended with 4: no such option. Set CXX"):
        native.library(source, torch.float32)
    assert os.listdir(tmp_path / "hasten" / "kernels") == []


@needs_compiler
def test_a_folder_that_cannot_be_written_is_told(
    source: native.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hasten").mkdir()
    (tmp_path / "hasten" / "kernels").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(Refused, match="cannot be kept or loaded: .* Set XDG_CACHE_HOME"):
        native.library(source, torch.float32)


@needs_compiler
def test_without_a_cache_folder_kernels_are_kept_for_this_run_and_that_is_said(
    source: native.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "hasten").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert native.library(source, torch.float32) is not None
    assert len(list((cache_folder() / "kernels").glob("*.so"))) == 1
    assert f"no cache: {tmp_path / 'hasten'} cannot be written" in caplog.text
    assert "Set XDG_CACHE_HOME to a folder that can be written" in caplog.text
