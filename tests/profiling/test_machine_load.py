from collections import namedtuple

import psutil
import pytest

from hasten.profiling import machine_load
from hasten.profiling.machine_load import load_observed, process_cpu_s

Times = namedtuple("Times", "user system idle iowait")


def test_what_others_use_is_told_apart_from_what_we_use(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 10.0])
    of_all = iter([Times(0.0, 0.0, 0.0, 0.0), Times(14.0, 1.0, 4.0, 1.0)])  # two cores, ten seconds, fifteen busy
    ours = iter([100.0, 109.0])
    waited = iter([0.0, 2.0])
    monkeypatch.setattr(machine_load, "perf_counter", lambda: next(moments))
    monkeypatch.setattr(machine_load, "process_cpu_s", lambda: next(ours))
    monkeypatch.setattr(machine_load, "waited_for_core_s", lambda: next(waited))
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(of_all))
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 2)
    with load_observed() as observed:
        assert observed.load is None
    assert observed.load is not None
    assert observed.load.foreign_share == pytest.approx((15 - 9) / 20)
    assert observed.load.waited_share == pytest.approx(0.2)


def test_the_processor_time_of_this_process_grows_with_its_work() -> None:
    before = process_cpu_s()
    sum(i * i for i in range(300_000))
    assert process_cpu_s() > before
