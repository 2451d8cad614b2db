"""The facts agree with other readers of the same machine."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from hasten.base.records.machine import Machine
from hasten.base.records.record import load, save
from hasten.machine import facts

module = sys.modules["hasten.machine.facts"]


def test_facts_agree_with_torch_and_psutil() -> None:
    machine = facts()
    assert machine.torch == torch.__version__
    assert machine.threads == torch.get_num_threads()
    assert 1 <= machine.cores <= (psutil.cpu_count(logical=True) or 1)
    assert 0 < machine.memory_bytes <= psutil.virtual_memory().total
    assert (machine.gpu is not None) == torch.cuda.is_available()
    assert machine.cpu
    assert machine.peaks == ()


def test_facts_are_fast_and_change_nothing() -> None:
    facts()
    before = torch.get_rng_state()
    started = time.perf_counter()
    facts()
    assert time.perf_counter() - started < 2  # 50 ms is the aim; the bound leaves room for a busy machine
    assert torch.equal(torch.get_rng_state(), before)


def test_instruction_sets_agree_with_torch() -> None:
    isa = facts().isa
    assert ("avx2" in isa) == torch.cpu._is_avx2_supported()
    assert ("avx512" in isa) <= torch.cpu._is_avx512_supported()
    assert ("avx512_bf16" in isa) == torch.cpu._is_avx512_bf16_supported()
    assert ("avx512_vnni" in isa) == torch.cpu._is_vnni_supported()


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="only Linux has /proc/cpuinfo")
def test_both_sources_of_instruction_sets_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    from_torch = module.instruction_sets()
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert module.instruction_sets() == from_torch


@pytest.mark.slow  # importing the inductor takes seconds, which is why its rule is written again
def test_compiler_is_the_one_inductor_would_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    question = "import torch._inductor.config as c; print([x for x in c.cpp.cxx if x][0])"
    told = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=True)
    assert module.compiler_path() == shutil.which(told.stdout.strip())


def test_compiler_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "no-such-compiler"))
    assert module.compiler_path() is None
    compiler = tmp_path / "my-compiler"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    assert module.compiler_path() == str(compiler)


@pytest.mark.parametrize(("text", "cores"), [("max 100000", None), ("150000 100000", 1), ("50000 100000", 1)])
def test_quota_of_a_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, cores: int | None) -> None:
    (tmp_path / "cpu.max").write_text(text + "\n")
    monkeypatch.setattr(module, "_CGROUP", tmp_path)
    assert module._quota_cores() == cores
    if cores is not None:
        assert module.usable_cores() == 1


def test_memory_limit_of_a_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text(f"{1 << 28}\n")
    assert facts().memory_bytes == 1 << 28
    (tmp_path / "memory.max").write_text("max\n")
    assert facts().memory_bytes == psutil.virtual_memory().total


def test_threads_of_one_core_count_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for cpu in range(4):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 2},{cpu % 2 + 2}\n")
    monkeypatch.setattr(module, "_TOPOLOGY", tmp_path)
    monkeypatch.setattr(module, "_CGROUP", tmp_path)
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert module.usable_cores() == 2


def test_machine_survives_json(tmp_path: Path) -> None:
    save(facts(), tmp_path / "machine.json")
    assert load(Machine, tmp_path / "machine.json") == facts()
