"""Waiting for a core is seen where the kernel counts it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hasten.machine import scheduling
from hasten.machine.scheduling import waited_for_core_s

_COUNTED = Path("/proc/self/schedstat").is_file()


@pytest.mark.skipif(not _COUNTED, reason="this kernel does not count run delay")
def test_sharing_a_core_is_seen() -> None:
    mine = os.sched_getaffinity(0)
    core = min(mine)
    rival_code = f"import os; os.sched_setaffinity(0, {{{core}}}); print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", rival_code], stdout=subprocess.PIPE) as rival:
        try:
            assert rival.stdout is not None
            rival.stdout.readline()
            os.sched_setaffinity(0, {core})
            before, until = waited_for_core_s(), time.perf_counter() + 0.3
            while time.perf_counter() < until:
                pass
            assert waited_for_core_s() - before > 0.03
        finally:
            os.sched_setaffinity(0, mine)
            rival.kill()


def test_never_negative() -> None:
    assert waited_for_core_s() >= 0.0


def test_zero_where_the_system_does_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scheduling, "_PROCESSES", tmp_path)
    assert waited_for_core_s() == 0.0
    thread = tmp_path / "self" / "task" / "42"
    thread.mkdir(parents=True)
    assert waited_for_core_s() == 0.0
    (thread / "schedstat").write_text("1000 2000000000 3\n")
    assert waited_for_core_s() == 2.0


def test_another_process_is_asked_by_its_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scheduling, "_PROCESSES", tmp_path)
    thread = tmp_path / "7" / "task" / "42"
    thread.mkdir(parents=True)
    (thread / "schedstat").write_text("1000 3000000000 3\n")
    assert waited_for_core_s(7) == 3.0
    assert waited_for_core_s(8) == 0.0  # it has ended
