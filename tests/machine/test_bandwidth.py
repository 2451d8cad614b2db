"""Memory kernels move the bytes that they are said to move, in arrays beyond every cache."""

from pathlib import Path

import pytest
import torch

from hasten.machine import bandwidth
from hasten.machine.bandwidth import last_level_cache_bytes, memory_benchmarks

MIB = 1 << 20


def test_arrays_are_four_times_the_cache() -> None:
    copy, add = memory_benchmarks("cpu", memory_bytes=1 << 40, cache_bytes=8 * MIB)
    assert copy.size == add.size == (32 * MIB,)
    assert (copy.work, add.work) == (2 * 32 * MIB, 3 * 32 * MIB)


@pytest.mark.parametrize(("memory_bytes", "expected"), [(1 << 40, 1 << 30), (64 * MIB, 4 * MIB)])
def test_arrays_leave_room(memory_bytes: int, expected: int) -> None:
    assert memory_benchmarks("cpu", memory_bytes=memory_bytes, cache_bytes=1 << 30)[0].size == (expected,)


def test_kernels_do_their_work() -> None:
    copy, add = memory_benchmarks("cpu", memory_bytes=1 << 40, cache_bytes=MIB)
    with copy.ready() as run:
        target, source = run.args[0]  # type: ignore[attr-defined]
        source.fill_(3.0)
        run()
        assert torch.equal(target, source)
        assert target.numel() * target.element_size() == 4 * MIB
    with add.ready() as run:
        run()
        assert torch.equal(run.args[0][2], torch.full((MIB,), 2.0))  # type: ignore[attr-defined]


def _cache(folder: Path, cpu: int, index: int, *, level: int, size: str, shared: str) -> None:
    path = folder / f"cpu{cpu}" / "cache" / f"index{index}"
    path.mkdir(parents=True)
    for name, text in (("level", str(level)), ("size", size), ("shared_cpu_list", shared)):
        (path / name).write_text(text + "\n")


def test_last_level_caches_are_summed_once_each(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for cpu in range(4):
        _cache(tmp_path, cpu, 2, level=2, size="1024K", shared=str(cpu))
        _cache(tmp_path, cpu, 3, level=3, size="32M", shared="0-1" if cpu < 2 else "2-3")
    monkeypatch.setattr(bandwidth, "_CPUS", tmp_path)
    assert last_level_cache_bytes() == 64 * MIB


def test_unknown_cache_has_a_usual_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bandwidth, "_CPUS", tmp_path)
    assert last_level_cache_bytes() == 32 * MIB


def test_this_machine_has_a_cache() -> None:
    assert last_level_cache_bytes() >= 64 << 10
