import threading

import pytest
import torch

from hasten.measurement import resident
from hasten.measurement.resident import rss_peak

SIZE = 64 << 20


def _touch_and_free():
    torch.ones(SIZE, dtype=torch.uint8)


def test_memory_that_is_touched_and_freed_is_seen():
    found = rss_peak(_touch_and_free)
    assert found.peak_bytes - found.resident_bytes == pytest.approx(SIZE, rel=0.1)
    assert rss_peak(lambda: None).peak_bytes - found.resident_bytes < SIZE / 4


def test_sampling_sees_a_peak_that_lasts_and_stops_its_thread(monkeypatch, tmp_path):
    monkeypatch.setattr(resident, "_CLEAR", tmp_path / "absent" / "clear_refs")
    threads = threading.active_count()

    def hold():
        block = torch.ones(SIZE, dtype=torch.uint8)
        threading.Event().wait(0.1)
        return block

    found = rss_peak(hold)
    assert found.peak_bytes - found.resident_bytes == pytest.approx(SIZE, rel=0.1)
    assert "sampled" in found.device
    with pytest.raises(ZeroDivisionError):
        rss_peak(lambda: 1 // 0)
    assert threading.active_count() == threads
